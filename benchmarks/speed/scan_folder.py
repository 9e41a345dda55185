"""How long opening a folder of 100,000 files takes, and how much memory it needs.

Writes empty files into a temporary folder (half images, half masks), opens it in a
fresh process, and prints one JSON object. The second opening of the same process
is given too, because the first one pays for imports.

    python benchmarks/speed/scan_folder.py --files 100000
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def write_empty_files(root: Path, num_files: int) -> None:
    """Write `num_files` empty files: half below `images/`, half below `masks/`."""
    for name in ("images", "masks"):
        folder = root / name
        folder.mkdir()
        for index in range(num_files // 2):
            (folder / f"patient{index // 100:04d}_frame{index:06d}.png").touch()


def measure(root: Path) -> dict[str, float | int]:
    """Open `root` in this process; seconds and peak resident memory in MB."""
    start = time.perf_counter()
    from ecs_med.config import ReadingSettings
    from ecs_med.data.layout import open_data

    imported = time.perf_counter()
    collection = open_data(root)
    opened = time.perf_counter()
    open_data(root, ReadingSettings(patient=r"regex:(patient\d+)"))
    again = time.perf_counter()
    # Linux counts in kibibytes, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {
        "num_cases": len(collection.cases),
        "num_labeled": sum(case.mask is not None for case in collection.cases),
        "import_seconds": round(imported - start, 3),
        "scan_seconds": round(opened - imported, 3),
        "scan_with_patients_seconds": round(again - opened, 3),
        "peak_memory_mb": round(peak / 1e6, 1),
    }


def main() -> None:
    """Measure in a process of its own, so that writing the files costs no memory there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="measure this folder; writes nothing")
    arguments = parser.parse_args()
    if arguments.folder:
        print(json.dumps(measure(arguments.folder)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        write_empty_files(root, arguments.files)
        command = [sys.executable, __file__, "--folder", str(root)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    host = {"python": platform.python_version(), "machine": platform.machine()}
    print(json.dumps({"num_files": arguments.files, **json.loads(output), **host}))


if __name__ == "__main__":
    main()
