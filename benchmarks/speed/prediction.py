"""Time `predict` beside the plain loop over slices, on one volume or on pictures, on the CPU.

    python benchmarks/speed/prediction.py RUN FILE ... [--windows 128] [--times 3] [--onnx]
        [-o FILE.json]

The plain loop has the same networks, weights and settings: read, bring intensities into range, and
for each slice or picture a forward pass in contiguous layout, softmax, argmax; write. With
`--windows` its passes are also those of MONAI's sliding window over squares of that side, which
gives other labels. All take turns in one process and one thread; medians of the processor's time
count, since clocks tell of neighbours. Pixels whose labels differ are counted, and how far the two
largest scores of the plain loop lie apart there.

With `--parts`, parts of the gain are measured by leaving one of them out. With `--onnx`, `predict
--backend onnx` takes part, whose labels are held against those of `predict`; what making its graphs
takes is measured apart, on a copy of the run.
"""

import argparse
import copy
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from operator import truediv
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from monai.inferers import sliding_window_inference

import ecs_med
from ecs_med.data.cases import PreparedCase
from ecs_med.data.prepare import to_native
from ecs_med.data.readers import read_scan
from ecs_med.inference import copies, predictor
from ecs_med.inference.formats import available_formats
from ecs_med.inference.model import Model
from ecs_med.inference.predict import predict_files
from ecs_med.losses import corrected_probabilities
from ecs_med.networks import corrector_input
from ecs_med_benchmarks.machine import machine_in_words

ONNX = "predict --backend onnx"
Found = list[tuple[np.ndarray, np.ndarray]]
"""Labels of each file, and how far the two largest scores lie apart."""


class Plain:
    """The loop that one would write."""

    def __init__(self, model: Model, side: int | None = None) -> None:
        segmenter, corrector = copy.deepcopy((model.segmenter, model.corrector))
        self.networks = [
            None if network is None else network.to(memory_format=torch.contiguous_format).eval()
            for network in (segmenter, corrector)
        ]
        self.model, self.side = model, side

    def __call__(self, files: list[Path], folder: Path, *, gaps: bool = False) -> Found:
        """Segment and write; `gaps`: also look how far scores lie apart, which takes its time."""
        return [self._one(path, folder, gaps) for path in files]

    @torch.inference_mode()
    def _one(self, path: Path, folder: Path, with_gaps: bool) -> tuple[np.ndarray, np.ndarray]:
        model, scan = self.model, read_scan([path])
        case = PreparedCase.of_scan(scan, model.spec.preparation)
        slicing, shape = case.slicing, tuple(case.header.shape)
        labels, gaps = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
        turned = [slicing.turned(values) for values in (labels, gaps)]
        for index, one in enumerate(case.slices.split(1)):
            scores = self._scores(model.normalization(one))
            place = (slice(None),) * slicing.along + (slice(index, index + 1),)
            place = place if scan.is_volume else ()
            native = to_native(scores, turned[0][place].shape, slicing.along)
            turned[0][place] = native.argmax(0).numpy()
            if with_gaps:
                top = native.topk(2, dim=0).values
                turned[1][place] = (top[0] - top[1]).numpy()
        writer = available_formats()["nifti" if scan.is_volume else "png"]
        writer.write_labels(
            folder / f"{path.name.split('.')[0]}{writer.output_suffix}", labels, [path]
        )
        return labels, gaps

    def _scores(self, images: torch.Tensor) -> torch.Tensor:
        segmenter, corrector = self.networks
        assert segmenter is not None
        logits = self._pass(segmenter, images)
        probabilities = logits.softmax(dim=1)
        if corrector is None or not self.model.spec.corrects:
            return probabilities
        judged = self._pass(corrector, corrector_input(images, probabilities)).softmax(dim=1)
        return corrected_probabilities(logits, judged)

    def _pass(self, network: Callable[..., Any], images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor
        if self.side is not None:
            found = sliding_window_inference(images, self.side, 1, network, overlap=0.25)
            return found
        height, width = images.shape[-2:]
        padded = torch.nn.functional.pad(images, (0, -width % 32, 0, -height % 32))
        found = network(padded.contiguous())[..., :height, :width]
        return found


Way = Callable[[list[Path], Path], Any]


def ways(run: Path, side: int | None, parts: bool, onnx: bool) -> Iterator[tuple[str, Way]]:
    """What is timed, by name."""
    model = ecs_med.load_model(run, "cpu")
    yield "plain", Plain(model)
    if side is not None:
        yield f"plain, windows of {side}", Plain(model, side)
    yield "predict", predicting(model)
    if onnx:
        yield ONNX, predicting(ecs_med.load_model(run, "cpu", backend="onnx"))
    if parts:
        yield from with_parts_left_out(run)


def predicting(own: Model, *left_out: Any) -> Way:
    """`predict` with some things replaced meanwhile."""

    def predict(files: list[Path], folder: Path) -> None:
        for one in left_out:
            one.start()
        predict_files(own, files, folder)
        for one in left_out:
            one.stop()

    return predict


def with_parts_left_out(run: Path) -> Iterator[tuple[str, Way]]:
    """`predict` without one of the parts of its gain each."""
    for name, place, what in (
        ("without oneDNN's layers", copies, {"quicken_inference": lambda network: network}),
        ("without folding", copies, {"folded": lambda network, _: network}),
        ("without limit of pixels", predictor, {"PIXELS": 2**40}),
    ):
        own = ecs_med.load_model(run, "cpu")
        yield f"predict {name}", predicting(own, patch.multiple(place, **what))
    own = ecs_med.load_model(run, "cpu")
    if own.has_corrector and own.spec.corrects:

        def apart(slices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return (logits := own.logits(slices)), own.correct(slices, logits)

        yield (
            "predict with features twice",
            predicting(own, patch.object(own, "logits_and_judgement", apart)),
        )


def compared(plain: Found, files: list[Path], run: Path) -> dict[str, Any]:
    """Pixels whose labels are not those of the plain loop."""
    model = ecs_med.load_model(run, "cpu")
    labels = [ecs_med.segment(model, path).labels for path in files]
    differ = [found != own for found, (own, _) in zip(labels, plain, strict=True)]
    gaps = [gap[where] for (_, gap), where in zip(plain, differ, strict=True)]
    return {
        "pixels": sum(own.size for own, _ in plain),
        "foreground": int(sum((own > 0).sum() for own, _ in plain)),
        "differ": int(sum(where.sum() for where in differ)),
        "largest_gap_there": max((float(gap.max()) for gap in gaps if gap.size), default=0.0),
    }


def compared_with_onnx(files: list[Path], run: Path) -> dict[str, Any]:
    """Pixels whose labels ONNX Runtime changes, and what it takes to make the graphs."""
    models = [ecs_med.load_model(run, "cpu", backend=backend) for backend in ("torch", "onnx")]
    differ = pixels = 0
    for path in files:
        one, other = (ecs_med.segment(model, path).labels for model in models)
        differ, pixels = differ + int((one != other).sum()), pixels + one.size
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "run"
        shutil.copytree(run, bare, ignore=shutil.ignore_patterns("graphs.safetensors"))
        with patch.dict("os.environ", {"XDG_CACHE_HOME": folder}):
            seconds = []
            for _ in range(2):
                start = time.process_time()
                ecs_med.load_model(bare, "cpu", backend="onnx")
                seconds.append(round(time.process_time() - start, 2))
        size = (bare / "graphs.safetensors").stat().st_size
    return {
        "pixels": pixels,
        "differ": differ,
        "processor_seconds_made": seconds[0],
        "processor_seconds_loaded": seconds[1],
        "megabytes": round(size / 2**20, 1),
    }


def main() -> None:
    """Measure and print or write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--windows", type=int)
    parser.add_argument("--parts", action="store_true", help="Also leave out parts of the gain.")
    parser.add_argument("--onnx", action="store_true", help="Also with ONNX Runtime.")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    timed = dict(ways(asked.run, asked.windows, asked.parts, asked.onnx))
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(asked.times):
            for name, way in timed.items():
                start = time.process_time()
                way(asked.files, Path(folder))
                seconds[name].append(time.process_time() - start)
        plain = timed["plain"](asked.files, Path(folder), gaps=True)  # type: ignore[call-arg]
    medians = {name: statistics.median(own) for name, own in seconds.items()}
    content = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine_in_words(),
        "torch": torch.__version__,
        "threads": 1,
        "files": len(asked.files),
        "processor_seconds": {name: round(value, 2) for name, value in medians.items()},
        "gain": round(medians["plain"] / medians["predict"], 2),
        "labels": compared(plain, asked.files, asked.run),
    }
    if asked.onnx:
        content["onnx"] = compared_with_onnx(asked.files, asked.run)
        ratios = map(truediv, seconds["predict"], seconds[ONNX])
        content["gain_of_onnx"] = round(statistics.median(ratios), 2)
    text = json.dumps(content, indent=1)
    if asked.output:
        asked.output.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
