"""How long a data set of 100,000 pictures is examined, equal pictures among them found.

Writes small pictures beside their masks into a temporary folder, some of them twice under another
name, examines them in a fresh process as `ecs-med check` does and as a second start of a training
does, and prints one JSON object.

    python benchmarks/speed/duplicates.py --pictures 100000 --output results/duplicates.json
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIDE = 32
TWICE = 100
"""One of so many pictures is there twice."""


def write_pictures(root: Path, num_pictures: int) -> None:
    """Write pictures of noise and masks of one square; every hundredth picture a second time."""
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(0)
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    labels = np.zeros((SIDE, SIDE), np.uint8)
    labels[8:20, 8:20] = 1
    Image.fromarray(labels).save(root / "masks" / "000000.png")
    mask = (root / "masks" / "000000.png").read_bytes()
    for index in range(num_pictures):
        path = root / "images" / f"{index:06d}.png"
        if index % TWICE == TWICE - 1:
            path.write_bytes(path.with_stem(f"{index - 1:06d}").read_bytes())
        else:
            pixels = generator.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
            Image.fromarray(pixels).save(path, compress_level=1)
        (root / "masks" / path.name).write_bytes(mask)


def measure(root: Path, cache: Path) -> dict[str, float | int]:
    """Examine `root` in this process, and once more from what was kept."""
    from ecs_med.data.checks.examination import diagnose
    from ecs_med.data.layout import open_data

    start = time.perf_counter()
    collection = open_data(root)
    opened = time.perf_counter()
    found = diagnose(collection, cache=cache, anew=True)
    examined = time.perf_counter()
    again = diagnose(open_data(root), cache=cache)
    known = time.perf_counter()
    assert again.joined == found.joined
    # Linux counts in kibibytes, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "num_pictures": len(collection.cases),
        "num_equal_pairs": len(found.joined),
        "open_seconds": round(opened - start, 1),
        "examine_seconds": round(examined - opened, 1),
        "second_start_seconds": round(known - examined, 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6),
    }


def main() -> None:
    """Measure in a process of its own, so that writing the files costs no memory there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--output", type=Path, help="also write the figures here")
    parser.add_argument("--folder", type=Path, help="measure this folder; writes nothing")
    arguments = parser.parse_args()
    if arguments.folder:
        print(json.dumps(measure(arguments.folder, arguments.folder.parent / "cache")))
        return
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "data"
        write_pictures(root, arguments.pictures)
        command = [sys.executable, __file__, "--folder", str(root)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures = {
        "side": SIDE,
        **json.loads(output),
        "threads": min(4, os.cpu_count() or 1),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    text = json.dumps(figures, indent=2)
    print(text)
    if arguments.output:
        arguments.output.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
