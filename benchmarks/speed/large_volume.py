"""Memory and speed of `predict` on one large volume, beside those of a former version.

    python benchmarks/speed/large_volume.py [--former TREE] [--shape 512 512 600] [-o FILE.json]

A CT of that shape is made up, int16 with noise, as `.nii` and as `.nii.gz`. Every measurement is a
process of its own. Memory is the peak above what stands when the package is imported, so it holds
the network. Speed is that of the whole prediction, from file to file, as a share of that of the
network alone on slices that lie ready in memory; both run in turn in one process.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measured_process import HERE, called

MEMORY = """
import json, sys, time
import ecs_med
from ecs_med.inference.predict import predict_files
from measured_process import megabytes

before, start = megabytes("VmRSS"), time.monotonic()
predict_files(ecs_med.load_model(sys.argv[1], "cpu"), sys.argv[2], sys.argv[3],
              overlay=json.loads(sys.argv[4]))
seconds = time.monotonic() - start
print(json.dumps({"peak_mb": round(megabytes("VmHWM") - before), "seconds": round(seconds, 1)}))
"""
SPEED = """
import json, sys
from pathlib import Path
import ecs_med
from large_volume import share_of_network

model = ecs_med.load_model(sys.argv[1], "cpu")
print(json.dumps(share_of_network(model, Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))))
"""


def write_volume(path: Path, shape: tuple[int, int, int], seed: int = 0) -> None:
    """A body with a bright organ in air, in Hounsfield units, with noise: int16."""
    import nibabel
    import numpy as np

    generator = np.random.default_rng(seed)
    values = np.empty(shape, np.int16, order="F")
    x, y = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape[:2])
    for index, z in enumerate(np.linspace(-1, 1, shape[2])):
        plane = np.where(x[:, None] ** 2 + (y / 0.7) ** 2 < 0.8, 30, -1000)
        organ = (x[:, None] - 0.3) ** 2 + y**2 + (z * 0.8) ** 2 < 0.1
        noise = generator.normal(0, 12, shape[:2])
        values[..., index] = np.where(organ, 160, plane) + noise
    nibabel.save(nibabel.Nifti1Image(values, np.diag([0.8, 0.8, 0.8, 1])), path)


def write_training_set(folder: Path, count: int = 6) -> None:
    """Small volumes of the same kind with their organs as masks."""
    import nibabel
    import numpy as np

    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        path = folder / "imagesTr" / f"v{number}.nii.gz"
        write_volume(path, (64, 64, 24), seed=number)
        image = nibabel.load(path)
        labels = (np.asarray(image.dataobj) > 100).astype(np.uint8)
        nibabel.save(nibabel.Nifti1Image(labels, image.affine), folder / "labelsTr" / path.name)


def trained_model(
    tree: Path, folder: Path, encoder: str, max_size: int, window: list[float] | None
) -> Path:
    """A run of a few iterations on small volumes, by the package in `tree`."""
    data, run = folder / "training", folder / f"{tree.name}-{max_size}-{window is not None}"
    if not data.exists():
        write_training_set(data)
    settings = {
        "method": "supervised",
        "encoder": encoder,
        "encoder_weights": "none",
        "iterations": 60,
        "batch": 4,
        "crop": 64,
        "max_size": max_size,
        "device": "cpu",
        "data": str(data),
        "labeled": "50%",
        "run": str(run),
        "reading": {"window": window} if window else {},
    }
    called(tree, "import ecs_med, json, sys; ecs_med.train(json.loads(sys.argv[1]))", settings)
    return run


def share_of_network(model: Any, volume: Path, output: Path, times: int) -> dict[str, float]:
    """Slices per second of predictions and of the network alone, in turn."""
    import numpy as np

    from ecs_med.data.cases import PreparedCase
    from ecs_med.data.readers import read_scan
    from ecs_med.inference.predict import predict_files

    slices = PreparedCase.of_scan(read_scan([volume]), model.spec.preparation).slices
    whole, alone = [], []
    for _ in range(times):
        alone.append(seconds_of_network(model, slices))
        start = now()
        predict_files(model, volume, output)
        whole.append(now() - start)
    alone.append(seconds_of_network(model, slices))
    by_clock, by_processor = len(slices) / np.median(whole, axis=0)
    of_network = len(slices) / np.median(alone, axis=0)
    return {
        "slices_per_second": round(by_clock, 2),
        "slices_per_second_of_network": round(of_network[0], 2),
        "share": round(by_clock / of_network[0], 3),
        "share_of_processor_time": round(by_processor / of_network[1], 3),
    }


def seconds_of_network(model: Any, slices: Any) -> Any:
    """What forward passes alone take, without bringing slices to the network's own range."""
    import torch

    from ecs_med.inference.predictor import BATCH

    seconds = 0.0
    with torch.inference_mode(), model.evaluating():
        for part in slices.split(BATCH):
            inputs = ((part.float() - 0.5) / 0.5).contiguous(memory_format=torch.channels_last)
            start = now()
            model.segmenter(inputs)
            seconds = seconds + now() - start
    return seconds


def now() -> Any:
    """By the clock and by the processor, which other programs do not slow down."""
    import numpy as np

    return np.array([time.perf_counter(), time.process_time()])


def measured(tree: Path, run: Path, volume: Path, output: Path, overlay: bool) -> dict[str, Any]:
    """Peak and seconds of one prediction by the package in `tree`."""
    printed = called(tree, MEMORY, run, volume, output, json.dumps(overlay))
    result: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return result


def main() -> None:
    """Measure and print or write JSON."""
    parser = argparse.ArgumentParser(description="Memory and speed of predictions of volumes.")
    parser.add_argument("--former", type=Path, help="Working tree of a former version.")
    parser.add_argument("--shape", type=int, nargs=3, default=[512, 512, 600])
    parser.add_argument("--sizes", type=int, nargs="+", default=[128], help="As of `max_size`.")
    parser.add_argument("--encoder", default="tf_efficientnet_lite0")
    parser.add_argument("--window", type=float, nargs=2, default=[-160, 240])
    parser.add_argument("--times", type=int, default=3, help="Of a comparison; 0: memory alone.")
    parser.add_argument("--overlay", action="store_true")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    trees = {"now": HERE} | ({"former": options.former.resolve()} if options.former else {})
    results = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        volumes = [folder / f"large{suffix}" for suffix in (".nii", ".nii.gz")]
        for volume in volumes:
            write_volume(volume, tuple(options.shape))
        for (name, tree), size, window in (
            (item, size, window)
            for item in trees.items()
            for size in options.sizes
            for window in (None, options.window)
        ):
            run = trained_model(tree, folder, options.encoder, size, window)
            for volume in volumes:
                what = {"version": name, "file": volume.name, "max_size": size, "window": window}
                output = folder / "results"
                found = measured(tree, run, volume, output, options.overlay)
                if options.times:
                    words = (run, volume, output, options.times)
                    found |= json.loads(called(tree, SPEED, *words).splitlines()[-1])
                results.append({**what, **found})
                print(results[-1], file=sys.stderr, flush=True)
    content = {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
        "shape": options.shape,
        "encoder": options.encoder,
        "results": results,
    }
    text = json.dumps(content, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
