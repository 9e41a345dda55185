"""Target `onnx`: one graph for any batch and size, compared with the model before it is kept."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from ecs_med.errors import SettingsError
from ecs_med.export.base import Export, Request, Told
from ecs_med.export.scores import Scores, scores_of
from ecs_med.inference.tiles import OVERLAP
from ecs_med.networks.padding import MULTIPLE
from ecs_med.networks.tracing import require_onnx, traced

__all__ = ["FILE", "OnnxExport"]

FILE = "model.onnx"
TOLERANCE = 1e-5
"""Of the range of scores."""
_EXAMPLES = {2: (96, 128), 3: (32, 48, 64)}
_SIZES: Mapping[int, tuple[tuple[int, ...], ...]] = {
    2: ((64, 64), (96, 160), (224, 128)),
    3: ((32, 32, 32), (32, 64, 48), (64, 32, 80)),
}
"""At which the graph is compared, by the dimensions of what the network sees."""
_BATCHES = (1, 2)
_DRAWS = 20
_PREDICTED_MULTIPLE = 32
"""Of the sides that `predict` pads to, which the image-level pooling of a network notices."""


class OnnxExport(Export):
    """An ONNX graph from normalised images to scores of classes."""

    name: ClassVar[str] = "onnx"
    title: ClassVar[str] = "an ONNX file"

    def write(self, request: Request, folder: Path) -> Told:
        """Write `model.onnx`; errors as of `Export.write`."""
        require_onnx("An ONNX file")
        _require_one_pass(request)
        import onnx

        scores = scores_of(request, fixed_padding=True)
        path = folder / FILE
        program = _traced(scores, request)
        program.save(path)
        graph = onnx.load(path)
        for key, value in metadata(request, scores).items():
            entry = graph.metadata_props.add()
            entry.key, entry.value = key, value
        onnx.save(graph, path)
        onnx.checker.check_model(str(path), full_check=False)
        worst = _compared(path, scores, request)
        sizes = ", ".join(map(_words, _SIZES[request.model.spec.spatial_dims]))
        return Told(
            facts=(
                f"scores within {worst:.1e} of their range of PyTorch's, classes equal: at {sizes} "
                f"pixels, batches of {' and '.join(map(str, _BATCHES))}",
            ),
            notes=_notes(request),
        )


def _require_one_pass(request: Request) -> None:
    """Refuse corrections of volumes: the corrector judges what all patches gave together."""
    if request.model.spec.spatial_dims == 3 and request.corrects:
        raise SettingsError(
            f"{request.model.run}: its corrector judges whole volumes after their patches were "
            "joined, which one ONNX graph cannot do; set `uncorrected` for the segmenter alone, or "
            "`to` bundle."
        )


def metadata(request: Request, scores: Scores) -> Mapping[str, str]:
    """What the file says of itself: JSON by key."""
    spec = request.model.spec
    what = "probabilities" if scores.are_probabilities else "logits"
    return {
        "producer": f"ecs-med {version('ecs-med')}",
        "method": spec.method,
        "classes": json.dumps(spec.class_names),
        "mean": json.dumps(spec.mean * (2 * spec.context + 1)),
        "std": json.dumps(spec.std * (2 * spec.context + 1)),
        "intensities": "images are (values in 0..1 - mean) / std, a channel each, as float32",
        "multiple": str(MULTIPLE),
        **(_of_patches(spec.patch) if spec.patch else _of_slices(spec.context)),
        "output": f"{what} of the classes, of which the largest one is the label",
        "corrected": json.dumps(request.corrects),
        "preparation": json.dumps(spec.preparation.model_dump(mode="json")),
        "kind": spec.kind,
        "tile": str(spec.tile),
    }


def _of_slices(context: int) -> Mapping[str, str]:
    told = {
        "predict_multiple": str(_PREDICTED_MULTIPLE),
        "padding": (
            f"sides are multiples of {MULTIPLE}: append zeros, after normalising, at the end of "
            f"rows and columns; up to a multiple of {_PREDICTED_MULTIPLE} gives what `ecs-med "
            "predict` gives"
        ),
    }
    if context:
        told["context"] = str(context)
        told["neighbours"] = (
            f"channels are those of the {context} slices before, of the slice and of the {context} "
            "behind; at the ends of a volume the edge repeats"
        )
    return told


def _of_patches(patch: tuple[int, int, int]) -> Mapping[str, str]:
    return {
        "patch": json.dumps(patch),
        "overlap": str(OVERLAP),
        "padding": (
            f"sides are multiples of {MULTIPLE}: `ecs-med predict` segments windows of `patch` "
            "slices, rows and columns that overlap by `overlap`, with zeros around what is smaller "
            "after normalising, and joins scores with Gaussian weights, as MONAI's sliding window"
        ),
    }


def _notes(request: Request) -> tuple[str, ...]:
    how = f"padded at the end to multiples of {_PREDICTED_MULTIPLE}"
    if request.model.spec.patch:
        how = "cut into overlapping windows"
    notes = [
        f"images are normalised by mean and std and {how} by whoever runs the graph; its metadata "
        "say how"
    ]
    if request.corrects or request.uncorrected:
        what = "without" if request.uncorrected else "with"
        notes.append(f"labels are those {what} the corrector's corrections")
    return tuple(notes)


def _traced(scores: Scores, request: Request) -> Any:
    spec = request.model.spec
    example = torch.zeros(2, spec.network_channels, *_EXAMPLES[spec.spatial_dims])
    try:
        return traced(
            scores,
            {"images": example},
            ["scores"],
            sides=_EXAMPLES[spec.spatial_dims],
            multiple=MULTIPLE,
        )
    except Exception as error:  # whatever an exporter raises of a network it cannot trace
        reason = " ".join(str(error).split())[:200]
        raise SettingsError(
            f"{request.model.run}: the network {spec.network} cannot be written as "
            f"ONNX ({type(error).__name__}: {reason}); train with `network` deeplabv3plus."
        ) from error


def _compared(path: Path, scores: Scores, request: Request) -> float:
    """The largest difference of scores, as a share of their range.

    Raises:
        SettingsError: If it is above the tolerance, or classes differ where scores do not tie.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, len(os.sched_getaffinity(0)))
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    spec = request.model.spec
    worst, channels = 0.0, spec.network_channels
    for size in _SIZES[spec.spatial_dims]:
        for batch in _BATCHES:
            images = _untied(scores, (batch, channels, *size))
            with torch.no_grad():
                expected = scores(images).numpy()
            (found,) = session.run(None, {"images": images.numpy()})
            span = float(np.ptp(expected)) or 1.0
            error = float(np.abs(found - expected).max()) / span
            top = np.sort(expected, axis=1)
            sure = top[:, -1] - top[:, -2] > TOLERANCE * span
            equal = (found.argmax(1) == expected.argmax(1))[sure].all()
            if not (math.isfinite(error) and error <= TOLERANCE and equal):
                raise SettingsError(
                    f"{request.model.run}: the ONNX graph gives other scores than the model "
                    f"({error:.1e} of their range at {_words(size)} pixels), so that it was thrown "
                    "away; report this with the versions of torch and onnxruntime."
                )
            worst = max(worst, error)
    return worst


def _words(size: Sequence[int]) -> str:
    return " x ".join(map(str, size))


def _untied(scores: Scores, shape: tuple[int, ...]) -> torch.Tensor:
    """Noise on which no pixel of the segmenter's is torn between two classes.

    A corrector sees the largest class: rounding of another order would show it another mask there.
    """
    images = torch.empty(0)
    for seed in range(_DRAWS):
        images = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        if scores.corrector is None:
            return images
        with torch.no_grad():
            top = scores.segmenter(images).topk(2, dim=1).values
        span = float(top.max() - top.min()) or 1.0
        if float((top[:, 0] - top[:, 1]).min()) > TOLERANCE / 5 * span:
            return images
    return images
