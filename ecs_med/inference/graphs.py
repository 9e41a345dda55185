"""Trained networks as ONNX graphs, compared with the networks before they are used."""

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from ecs_med.errors import SettingsError
from ecs_med.inference.graph_networks import Graph
from ecs_med.networks.correctors import FeatureCorrector
from ecs_med.networks.halves import decode, encode
from ecs_med.networks.padding import fix_padding
from ecs_med.networks.tracing import traced

__all__ = ["make_graphs"]

TOLERANCE = 1e-5
"""Of the range of what a network gives."""
_MULTIPLE = 32
"""Of the sides that a model pads to."""
_SIDES = (96, 128)
_COMPARED = ((32, 32), (64, 160), (224, 128))
_BATCHES = (1, 2)


class _Features(nn.Module):
    """Chosen features of a segmenter and, behind them, its logits."""

    def __init__(self, segmenter: nn.Module, chosen: Sequence[int]) -> None:
        super().__init__()
        self.segmenter, self._chosen = segmenter, chosen

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = encode(self.segmenter, images)
        return *(features[number] for number in self._chosen), decode(self.segmenter, features)


class _Judge(nn.Module):
    """A corrector that is given the features that it looks at, and then the class map."""

    def __init__(self, corrector: FeatureCorrector, chosen: Sequence[int], count: int) -> None:
        super().__init__()
        self.corrector, self._chosen, self._count = corrector, chosen, count

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        *chosen, class_map = inputs
        features = [class_map] * self._count  # Those that are not looked at only take a place.
        for number, values in zip(self._chosen, chosen, strict=True):
            features[number] = values
        return self.corrector.judge(features, class_map)


class _Traced:
    """Copies of networks as they are traced, and what they take and give.

    Args:
        networks: As of `make_graphs`, like the others.
        channels: Of images.
        num_classes: N.
    """

    def __init__(self, networks: Mapping[str, nn.Module], channels: int, num_classes: int) -> None:
        self._channels, self._num_classes = channels, num_classes
        self.parts = copy.deepcopy(dict(networks))
        for name, network in self.parts.items():
            network.to(memory_format=torch.contiguous_format).eval().requires_grad_(False)
            if not isinstance(network, FeatureCorrector):
                more = num_classes if name == "corrector" else 0
                fix_padding(network, channels + more)
        self._features: list[str] = []
        self._judges = False
        segmenter, corrector = self.parts["segmenter"], self.parts.get("corrector")
        if isinstance(corrector, FeatureCorrector):
            self._judges = True
            chosen, count = self._looked_at(corrector, segmenter)
            self._features = [f"feature{number}" for number in chosen]
            self.parts["segmenter"] = _Features(segmenter, chosen).eval()
            self.parts["corrector"] = _Judge(corrector, chosen, count).eval()

    def inputs(self, name: str, batch: int, sides: Sequence[int]) -> dict[str, torch.Tensor]:
        """Noise that a network takes, by the name that it has there."""
        images = _noise(batch, self._channels, sides)
        if name != "corrector":
            return {"images": images}
        class_map = _noise(batch, self._num_classes, sides).softmax(dim=1)
        if not self._judges:
            return {"images": torch.cat([images, class_map], dim=1)}
        with torch.no_grad():
            features = self.parts["segmenter"](images)[:-1]
        return dict(zip(self._features, features, strict=True)) | {"class_map": class_map}

    def outputs(self, name: str) -> list[str]:
        """Names of what a network gives."""
        return [*(self._features if name == "segmenter" else ()), "logits"]

    def _looked_at(
        self, corrector: FeatureCorrector, segmenter: nn.Module
    ) -> tuple[list[int], int]:
        """Numbers of the features that a corrector looks at, and how many there are."""
        with torch.no_grad():
            features = encode(segmenter, _noise(1, self._channels, _SIDES))
        leaves = [values.clone().requires_grad_() for values in features]
        judged = corrector.judge(leaves, _noise(1, self._num_classes, _SIDES).softmax(dim=1))
        slopes = torch.autograd.grad(judged.sum(), leaves, allow_unused=True)
        return [number for number, slope in enumerate(slopes) if slope is not None], len(leaves)


def make_graphs(
    networks: Mapping[str, nn.Module], channels: int, num_classes: int
) -> dict[str, bytes]:
    """A graph of each network, for images whose sides are multiples of 32.

    Where a corrector stands on features of the segmenter, the segmenter's graph also gives those
    that the corrector looks at, and the corrector's takes them.

    Args:
        networks: Of slices, on the CPU, by `segmenter`, `corrector`, `classifier`; they stay as
            they are.
        channels: Of the images.
        num_classes: N.

    Raises:
        SettingsError: If a network cannot be traced, or its graph gives other values.
    """
    with torch.inference_mode(mode=False), torch.enable_grad():
        traced_parts = _Traced(networks, channels, num_classes)
        return {name: _graph(traced_parts, name) for name in traced_parts.parts}


def _graph(parts: _Traced, name: str) -> bytes:
    network = parts.parts[name]
    try:
        program = traced(
            network,
            parts.inputs(name, 2, _SIDES),
            parts.outputs(name),
            sides=_SIDES,
            multiple=_MULTIPLE,
        )
        content: bytes = program.model_proto.SerializeToString()
    except Exception as error:  # whatever an exporter raises of a network it cannot trace
        reason = " ".join(str(error).split())[:200]
        raise SettingsError(
            f"The {name} cannot be written as ONNX ({type(error).__name__}: {reason}); leave out "
            "`backend`."
        ) from error
    graph = Graph(content)
    for sides in _COMPARED:
        for batch in _BATCHES:
            inputs = list(parts.inputs(name, batch, sides).values())
            with torch.no_grad():
                expected = network(*inputs)
            _compare(name, graph(*inputs), expected if isinstance(expected, tuple) else [expected])
    return content


def _compare(name: str, found: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> None:
    for own, other in zip(found, expected, strict=True):
        span = float(other.max() - other.min()) or 1.0
        error = float((own - other).abs().max()) / span
        if not error <= TOLERANCE:
            raise SettingsError(
                f"The ONNX graph of the {name} gives other values than the network ({error:.1e} of "
                "their range); leave out `backend`, and report this with the versions of torch and "
                "onnxruntime."
            )


def _noise(batch: int, channels: int, sides: Sequence[int]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, channels, *sides, generator=generator)
