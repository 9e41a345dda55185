"""What `predict` takes the largest of, as one module that exporters can trace."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from timm.layers import Conv2dSame
from torch import nn

from ecs_med.errors import SettingsError
from ecs_med.export.base import Request
from ecs_med.losses import corrected_probabilities
from ecs_med.networks import corrector_input
from ecs_med.networks.classifier import switch_off_absent
from ecs_med.networks.correctors import FeatureCorrector
from ecs_med.networks.halves import decode, encode

__all__ = ["MULTIPLE", "Scores", "scores_of"]

MULTIPLE = 16
"""Of which sides are to be multiples where SAME padding is fixed."""
_SIDES = (4 * MULTIPLE, 7 * MULTIPLE)


class Scores(nn.Module):
    """Scores of classes of images that are normalised already.

    Args:
        request: The model, and whether its corrections are left out.

    Attributes:
        are_probabilities: Whether they lie in 0..1, as corrected ones do; else they are logits.
    """

    def __init__(self, request: Request) -> None:
        super().__init__()
        model = request.model
        self.segmenter = model.segmenter
        self.classifier = None if model.spec.presence is None else model.classifier
        self.corrector = model.corrector if request.corrects else None
        self.are_probabilities = request.corrects
        self._presence = model.spec.presence or 0.0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """`(B, N, *spatial)` of `(B, C, *spatial)`."""
        features: tuple[torch.Tensor, ...] = ()
        if isinstance(self.corrector, FeatureCorrector):
            # It looks at the features that the segmenter has anyway.
            features = encode(self.segmenter, images)
            logits = decode(self.segmenter, features)
        else:
            logits = self.segmenter(images)
        if self.classifier is not None:
            presence = self.classifier(images).sigmoid()
            logits = switch_off_absent(logits, presence, self._presence)
        if self.corrector is None:
            return logits
        # As `predict`, which pads what the corrector sees, and not what the segmenter says of it.
        probabilities = logits.softmax(dim=1) * _unpadded(images)
        if isinstance(self.corrector, FeatureCorrector):
            judged = self.corrector.judge(features, probabilities)
        else:
            judged = self.corrector(corrector_input(images, probabilities))
        return corrected_probabilities(logits, judged.softmax(dim=1))


def _unpadded(images: torch.Tensor) -> torch.Tensor:
    """1 in images and 0 in the zeros that were appended to rows and columns, `(B, 1, H, W)`."""
    seen = (images != 0).any(dim=1, keepdim=True)
    inside = torch.ones_like(images[:, :1])
    for axis, other in ((2, 3), (3, 2)):
        filled = seen.any(dim=other, keepdim=True).to(images.dtype)
        # Before the last one that is filled, all are inside.
        inside = inside * (filled.flip(axis).cumsum(axis).flip(axis) > 0)
    return inside


def scores_of(request: Request, *, fixed_padding: bool = False) -> Scores:
    """A copy of a model's networks on the CPU, in evaluation mode.

    Args:
        request: The model.
        fixed_padding: Replace SAME padding, whose size is calculated from that of the image, by
            the padding that it is for every image whose sides are multiples of `MULTIPLE`.

    Raises:
        SettingsError: If the padding of a layer is not the same for all of them.
    """
    scores = copy.deepcopy(Scores(request)).cpu().to(memory_format=torch.contiguous_format).eval()
    for parameter in scores.parameters():
        parameter.requires_grad_(False)
    spec = request.model.spec
    if fixed_padding and spec.spatial_dims == 2:  # networks of volumes have no such layer
        _fix_padding(scores, spec.network_channels)
    return scores


def _fix_padding(scores: Scores, channels: int) -> None:
    paddings: dict[str, set[tuple[int, int, int, int]]] = {}
    for side in _SIDES:
        with _watched(scores, paddings), torch.no_grad():
            scores(torch.zeros(1, channels, side, side))
    for name, found in paddings.items():
        if len(found) > 1:
            raise SettingsError(
                f"The layer {name} pads images by their size, which a graph for images of any size "
                "cannot hold; train with another `encoder`, such as resnet50."
            )
        old = scores.get_submodule(name)
        assert isinstance(old, Conv2dSame)
        scores.set_submodule(name, nn.Sequential(nn.ZeroPad2d(found.pop()), _plain(old)))


@contextmanager
def _watched(scores: Scores, paddings: dict[str, set[tuple[int, int, int, int]]]) -> Iterator[None]:
    """Add what every layer with SAME padding pads: left, right, top, bottom."""
    handles = []
    for name, layer in scores.named_modules():
        if isinstance(layer, Conv2dSame):

            def watch(module: nn.Module, inputs: tuple[torch.Tensor], name: str = name) -> None:
                assert isinstance(module, Conv2dSame)
                paddings.setdefault(name, set()).add(_same_padding(module, inputs[0]))

            handles.append(layer.register_forward_pre_hook(watch))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _same_padding(layer: Conv2dSame, inputs: torch.Tensor) -> tuple[int, int, int, int]:
    """As TensorFlow's SAME: outputs are ceil(side / stride); what is odd comes at the end."""
    sides = []
    for axis in (1, 0):
        side, stride = inputs.shape[axis - 2], layer.stride[axis]
        reach = (layer.kernel_size[axis] - 1) * layer.dilation[axis] + 1
        lacking = max(0, (-(-side // stride) - 1) * stride + reach - side)
        sides += [lacking // 2, lacking - lacking // 2]
    return (sides[0], sides[1], sides[2], sides[3])


def _plain(layer: Conv2dSame) -> nn.Conv2d:
    plain = nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        (layer.kernel_size[0], layer.kernel_size[1]),
        stride=(layer.stride[0], layer.stride[1]),
        dilation=(layer.dilation[0], layer.dilation[1]),
        groups=layer.groups,
        bias=layer.bias is not None,
    )
    plain.load_state_dict(layer.state_dict())
    return plain.requires_grad_(False).eval()
