"""Networks as ONNX graphs for any batch and size."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from ecs_med.errors import MissingExtraError
from ecs_med.quiet import quiet

__all__ = ["AXES", "OPSET", "require_onnx", "traced"]

AXES = {2: ("rows", "columns"), 3: ("slices", "rows", "columns")}
"""Names of the axes of images, by their dimensions."""
OPSET = 20
"""Version of the operators of graphs."""
_PACKAGES = ("onnx", "onnxruntime", "onnxscript")


def require_onnx(what: str) -> None:
    """Refuse where packages are missing.

    Args:
        what: What needs them, as the subject of a sentence.

    Raises:
        MissingExtraError: If one is not installed.
    """
    if not all(find_spec(package) for package in _PACKAGES):
        raise MissingExtraError(what, "onnx")


def traced(
    network: nn.Module,
    inputs: Mapping[str, torch.Tensor],
    outputs: Sequence[str],
    *,
    sides: Sequence[int],
    multiple: int,
) -> Any:
    """Trace a network; the result is what `torch.onnx.export` gives.

    Args:
        network: In evaluation mode, in contiguous layout.
        inputs: An example of each, `(B, C, *spatial)`, by the name that it gets; of images and of
            maps whose sides are theirs by a fixed ratio.
        outputs: Names of what it gives.
        sides: Those of the images, at least twice `multiple`.
        multiple: Of which sides of images are multiples.

    Raises:
        Exception: Whatever the exporter raises of a network that it cannot trace.
    """
    batch = torch.export.Dim("batch", min=1, max=2**16)
    names = AXES[len(sides)]
    units = [torch.export.Dim(name, min=2, max=4096 // multiple) for name in names]
    counts = [side // multiple for side in sides]
    shapes = []
    for values in inputs.values():
        ratios = [size // count for size, count in zip(values.shape[2:], counts, strict=True)]
        axes = [
            unit if ratio == 1 else ratio * unit for ratio, unit in zip(ratios, units, strict=True)
        ]
        shapes.append(dict(enumerate(axes, start=2)) | {0: batch})
    with quiet():
        return torch.onnx.export(
            _Starred(network).eval(),
            tuple(inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=(tuple(shapes),),
            input_names=list(inputs),
            output_names=list(outputs),
            external_data=False,
            verbose=False,
        )


class _Starred(nn.Module):
    """A network of any number of inputs, whose shapes then are one tuple."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.network(*inputs)
