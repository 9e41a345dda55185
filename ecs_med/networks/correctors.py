"""What kinds of corrector there are, and those that stand on the segmenter's features.

Every corrector is a module from `corrector_input(images, class_map)` to N+1 logits, of which the
last one says "right". To add a kind, derive from `FeatureCorrector` (or not), and give `CORRECTORS`
a `CorrectorKind`: a method names it by `corrector_kind` and builds it by `NetworkPlan`, its runs
name it in their spec, and `load_model` builds it again on the network that predicts.

A training step that has the features already asks `FeatureCorrector.judge`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import torch
from segmentation_models_pytorch.base.initialization import initialize_decoder, initialize_head
from segmentation_models_pytorch.decoders.deeplabv3.decoder import ASPP, SeparableConv2d
from torch import nn
from torch.nn import functional as F

from ecs_med.errors import SettingsError
from ecs_med.networks.base import NETWORKS, build_segmenter
from ecs_med.networks.deeplab import build_corrector
from ecs_med.networks.halves import check_halves, encode, spatial_dims
from ecs_med.networks.initialization import Initialization
from ecs_med.networks.modes import evaluating

__all__ = [
    "CORRECTORS",
    "CorrectorKind",
    "CorrectorPlan",
    "DecoderCorrector",
    "FeatureCorrector",
    "corrector_kind",
    "feature_channels",
]

_RATES = (12, 24, 36)
"""Dilations of the atrous pyramid, those of DeepLabv3+."""
_STRIDE = 4
"""Of the details in DeepLabv3+."""
_SIDE = 64
"""Of the image that tells the channels and strides of features."""


@dataclass(frozen=True, slots=True)
class CorrectorPlan:
    """What a corrector is built from.

    Attributes:
        segmenter: Whose segmentations it judges.
        initialization: Encoder and first weights, for a corrector that is a network of its own.
        in_channels: Channels of the image.
        num_classes: N, without the added class.
        output_stride: Of its own encoder.
        network: Architecture of the segmenter.
        network_settings: What that was told.
    """

    segmenter: nn.Module
    initialization: Initialization
    in_channels: int
    num_classes: int
    output_stride: Literal[8, 16] = 16
    network: str = "deeplabv3plus"
    network_settings: Mapping[str, Any] = field(default_factory=dict)


class FeatureCorrector(nn.Module, ABC):
    """A corrector that sees the image by the first half of the segmenter (`networks.halves`).

    The segmenter is held by a reference and is no part of it: its weights are neither saved with
    the corrector nor moved by its optimiser. A copy stands on the same segmenter, or on the copy of
    it where both are copied together.

    Args:
        segmenter: On whose features it stands.
        in_channels: Channels of the image.
    """

    def __init__(self, segmenter: nn.Module, in_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self._held = _Reference(segmenter)

    @property
    def segmenter(self) -> nn.Module:
        """On whose features it stands."""
        return self._held.network

    def stand_on(self, segmenter: nn.Module) -> Self:
        """Take the features of another segmenter of the same architecture from now on."""
        self._held = _Reference(segmenter)
        return self

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Judge a segmentation; no gradient reaches the segmenter.

        The segmenter stays in its mode where the corrector is in training mode, and is evaluated
        where that is.

        Args:
            inputs: `(B, C + N, *spatial)`, see `corrector_input`.

        Returns:
            Logits `(B, N+1, *spatial)`.
        """
        images, class_map = inputs[:, : self.in_channels], inputs[:, self.in_channels :]
        mode = nullcontext() if self.training else evaluating(self.segmenter)
        with torch.no_grad(), mode:
            features = encode(self.segmenter, images)
        return self.judge(features, class_map)

    @abstractmethod
    def judge(self, features: Sequence[torch.Tensor], class_map: torch.Tensor) -> torch.Tensor:
        """Judge a segmentation where the features are there already.

        Args:
            features: What `encode` gives of the segmenter, from the finest to the deepest;
                gradients flow into them unless they are detached.
            class_map: `(B, N, *spatial)` at the image's resolution.

        Returns:
            Logits `(B, N+1, *spatial)` at the image's resolution.
        """


class _Reference:
    """Holds a network that whoever holds this does not own."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Reference":
        return _Reference(memo.get(id(self.network), self.network))


class DecoderCorrector(FeatureCorrector):
    """A second decoder of DeepLabv3+, into which the class map comes where details do.

    Atrous pyramid on the deepest features, brought to the resolution of the details, which are the
    first features at stride 4 or more, and concatenated with these and with features of the class
    map; two separable convolutions; logits, bilinear to the image's resolution.

    Args:
        segmenter: That `check_halves` lets pass, for images of two dimensions.
        in_channels: Channels of the image.
        num_classes: N.
        width: Channels of the decoder.
        narrow: Channels that details, and the class map, are brought to.

    Raises:
        SettingsError: If the segmenter cannot be divided, or segments volumes.

    Source:
        Chen et al. 2018, "Encoder-Decoder with Atrous Separable Convolution", for all but the class
        map.
    """

    def __init__(
        self,
        segmenter: nn.Module,
        in_channels: int,
        num_classes: int,
        width: int = 256,
        narrow: int = 48,
    ) -> None:
        super().__init__(segmenter, in_channels)
        check_halves(segmenter, "The corrector")
        if spatial_dims(segmenter) != 2:
            raise SettingsError(
                "The second decoder of this method is made for slices, and the network segments "
                "volumes; choose another `method`, such as ecs, or segment slices by `dims=2`."
            )
        numbers, channels = feature_channels(segmenter, in_channels)
        self._number, details, deepest = numbers[0], channels[0], channels[-1]
        self.pyramid = nn.Sequential(
            ASPP(deepest, width, _RATES, separable=True, dropout=0.5), _separable(width, width)
        )
        self.details = _normalized(nn.Conv2d(details, narrow, 1, bias=False))
        self.classes = _normalized(nn.Conv2d(num_classes, narrow, 3, padding=1, bias=False))
        self.fused = nn.Sequential(_separable(width + 2 * narrow, width), _separable(width, width))
        self.head = nn.Conv2d(width, num_classes + 1, 1)
        initialize_decoder(self)
        initialize_head(self.head)

    def judge(self, features: Sequence[torch.Tensor], class_map: torch.Tensor) -> torch.Tensor:
        """See `FeatureCorrector.judge`."""
        details = self.details(features[self._number])
        size = details.shape[-2:]
        deep = F.interpolate(self.pyramid(features[-1]), size, mode="bilinear", align_corners=False)
        # Shares of the classes in each place: what is thin stays visible, other than by sampling.
        classes = self.classes(F.interpolate(class_map.to(details.dtype), size, mode="area"))
        logits = self.head(self.fused(torch.cat([deep, details, classes], dim=1)))
        return F.interpolate(logits, class_map.shape[-2:], mode="bilinear", align_corners=False)


def feature_channels(segmenter: nn.Module, in_channels: int) -> tuple[list[int], list[int]]:
    """Which features of a segmenter a small decoder looks at.

    Args:
        segmenter: That `check_halves` lets pass.
        in_channels: Channels of the image.

    Returns:
        Numbers and channels of three features at most: details, which are the first at stride 4 or
        more; the first at twice their stride or more; the deepest.
    """
    sides = (_SIDE,) * spatial_dims(segmenter)
    image = next(segmenter.parameters()).new_zeros(1, in_channels, *sides)
    with torch.no_grad(), evaluating(segmenter):
        features = encode(segmenter, image)
    strides = [_SIDE // feature.shape[-1] for feature in features]
    last = len(strides) - 1
    details = next((n for n, stride in enumerate(strides) if stride >= _STRIDE), last)
    middle = next((n for n, stride in enumerate(strides) if stride >= 2 * strides[details]), last)
    numbers = sorted({details, middle, last})
    return numbers, [features[number].shape[1] for number in numbers]


def _normalized(convolution: nn.Module) -> nn.Sequential:
    last = [m for m in convolution.modules() if isinstance(m, nn.Conv2d)][-1]
    return nn.Sequential(convolution, nn.BatchNorm2d(last.out_channels), nn.ReLU())


def _separable(channels: int, width: int) -> nn.Sequential:
    return _normalized(SeparableConv2d(channels, width, kernel_size=3, padding=1, bias=False))


@dataclass(frozen=True, slots=True)
class CorrectorKind:
    """A kind of corrector.

    Attributes:
        build: Draws its weights, but those that `CorrectorPlan.initialization` brings.
        has_encoder: Whether it has an encoder of its own, `corrector_encoder`.
        words: What it is, in reports, where it has none.
    """

    build: Callable[[CorrectorPlan], nn.Module]
    has_encoder: bool = False
    words: str = ""


def _network(plan: CorrectorPlan) -> nn.Module:
    if NETWORKS.get(plan.network).spatial_dims == 3:
        # The segmenter's architecture, from image and class map.
        return build_segmenter(
            Initialization(plan.network, "network"),
            in_channels=plan.in_channels + plan.num_classes,
            num_classes=plan.num_classes + 1,
            network=plan.network,
            settings=plan.network_settings,
        )
    return build_corrector(
        plan.initialization,
        in_channels=plan.in_channels,
        num_classes=plan.num_classes,
        output_stride=plan.output_stride,
    )


def _decoder(plan: CorrectorPlan) -> nn.Module:
    return DecoderCorrector(plan.segmenter, plan.in_channels, plan.num_classes)


def _mask(plan: CorrectorPlan) -> nn.Module:
    from ecs_med.networks.mask_corrector import MaskCorrector

    return MaskCorrector(plan.segmenter, plan.in_channels, plan.num_classes)


CORRECTORS: Mapping[str, CorrectorKind] = {
    "network": CorrectorKind(_network, has_encoder=True),
    "mask": CorrectorKind(_mask, words="a small decoder on the segmenter's features and a mask"),
    "decoder": CorrectorKind(_decoder, words="a second decoder on the segmenter's encoder"),
}
"""By the name that the spec of a model has for them."""


def corrector_kind(name: str) -> CorrectorKind:
    """The kind of that name.

    Raises:
        SettingsError: If there is none.
    """
    if name not in CORRECTORS:
        raise SettingsError(
            f"There is no corrector of the kind {name!r}, only {', '.join(CORRECTORS)}; update "
            "ecs-med if the model is of a later version."
        )
    return CORRECTORS[name]
