"""Memory and time of `predict` on one large picture, beside those of a former version.

    python benchmarks/speed/large_picture.py [--former TREE] [--sides 13377 4096] [-o FILE.json]

Each version trains a model for one iteration on the phantom and applies it to a JPEG of each side
twice: once at the size of training (`max_size`), once at the picture's own size, in tiles. Every
prediction is a process of its own; its peak is counted above what stands in memory before the
picture is opened.
The labels of both versions are compared. The own size is left out above `--largest-own` pixels,
where a CPU needs hours.
"""

import argparse
import hashlib
import json
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measured_process import HERE, called

PREDICT = """
import json, sys, time
import ecs_med
from ecs_med.inference.predict import predict_files
from measured_process import megabytes

model = ecs_med.load_model(sys.argv[1], "cpu")
before, start = megabytes("VmRSS"), time.monotonic()
predict_files(model, sys.argv[2], sys.argv[3])
seconds = time.monotonic() - start
print(json.dumps({"peak_mb": round(megabytes("VmHWM") - before), "seconds": round(seconds, 1)}))
"""


def trained_model(tree: Path, folder: Path, max_size: int) -> Path:
    """A run of one iteration on small pictures, by the package in `tree`."""
    from ecs_med_datasets.phantom import write_phantom

    data, run = folder / "phantom", folder / f"{tree.name}-{max_size}"
    if not data.exists():
        write_phantom(data, 40, size=64)
    settings = {
        "method": "supervised",
        "encoder": "resnet18",
        "encoder_weights": "none",
        "iterations": 1,
        "batch": 2,
        "crop": 32,
        "device": "cpu",
        "max_size": max_size,
        "data": str(data),
        "labeled": "50%",
        "run": str(run),
    }
    called(tree, "import ecs_med, json, sys; ecs_med.train(json.loads(sys.argv[1]))", settings)
    return run


def write_picture(path: Path, side: int) -> None:
    """A JPEG with structure at many scales, made in bands."""
    import numpy as np
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    picture = np.empty((side, side, 3), np.uint8)
    columns = np.arange(side, dtype=np.float32)
    for top in range(0, side, 512):
        rows = np.arange(top, min(top + 512, side), dtype=np.float32)[:, None]
        wave = np.sin(rows / 97) * np.cos(columns / 61) + np.sin((rows + columns) / 1501)
        picture[top : top + 512] = (127 + 60 * wave)[..., None] * (1.0, 0.8, 0.6)
    Image.fromarray(picture).save(path, quality=90)


def measured(tree: Path, run: Path, picture: Path, output: Path) -> dict[str, Any]:
    """One prediction by the package in `tree`."""
    printed = called(tree, PREDICT, run, picture, output)
    result: dict[str, Any] = json.loads(printed.splitlines()[-1])
    labels = (output / f"{picture.stem}.png").read_bytes()
    return {**result, "labels_sha256": hashlib.sha256(labels).hexdigest()}


def main() -> None:
    """Measure and print or write JSON."""
    parser = argparse.ArgumentParser(description="Memory of predictions of large pictures.")
    parser.add_argument("--former", type=Path, help="Working tree of a former version.")
    parser.add_argument("--sides", type=int, nargs="+", default=[13377, 3072])
    parser.add_argument("--largest-own", type=int, default=4096)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    trees = {"now": HERE} | ({"former": options.former.resolve()} if options.former else {})
    results = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        runs = {
            (name, size): trained_model(tree, folder, size)
            for name, tree in trees.items()
            for size in (512, 0)
        }
        for side in options.sides:
            picture = folder / f"side-{side}.jpg"
            write_picture(picture, side)
            for (name, size), run in runs.items():
                if size == 0 and side > options.largest_own:
                    continue
                found = measured(trees[name], run, picture, folder / f"{name}-{side}-{size}")
                results.append({"side": side, "max_size": size, "version": name, **found})
                print(results[-1], file=sys.stderr, flush=True)
    content = {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
        "results": results,
    }
    text = json.dumps(content, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
