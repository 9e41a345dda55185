"""Plain vision transformers (DINOv2, DINOv3, ...) as encoders, with a light decoder."""

import sys
from collections.abc import Sequence
from typing import Any, ClassVar

import timm
import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from ecs_med.config import OptimizerSettings, Settings
from ecs_med.errors import SettingsError
from ecs_med.networks.base import Network
from ecs_med.networks.encoders import (
    adapt_first_layer,
    channel_statistics,
    is_plain_vit,
    library_name,
    plain_name,
)
from ecs_med.networks.initialization import Initialization
from ecs_med.networks.weights import load_encoder_weights

__all__ = [
    "VitDecoder",
    "VitEncoder",
    "VitNetwork",
    "VitSegmenter",
    "VitSettings",
    "build_vit_encoder",
]

_NUM_MAPS = 4
"""Feature maps that the decoder gets, from blocks evenly spread over the depth."""


class VitSettings(Settings):
    """What the network `vit` can be told."""

    width: int = Field(128, ge=8, le=2048)
    """Channels of the decoder."""


class VitEncoder(nn.Module):
    """A vision transformer of timm that gives feature maps, as encoders of smp do.

    Sides are filled up with 0, the mean of normalised images, to multiples of the patch; position
    embeddings are interpolated.

    Args:
        model: Built with `dynamic_img_size`.
        in_channels: Channels of the image.
    """

    def __init__(self, model: nn.Module, in_channels: int = 3) -> None:
        super().__init__()
        self.model = model
        embedding: Any = model.patch_embed
        height, width = embedding.patch_size
        self.patch_size: tuple[int, int] = (int(height), int(width))
        depth = len(model.blocks)  # type: ignore[arg-type]
        ends = {max(1, depth * (i + 1) // _NUM_MAPS) - 1 for i in range(_NUM_MAPS)}
        self.blocks = tuple(sorted(ends))
        """Numbers of the blocks whose output is given."""
        self.out_channels: list[int] = [in_channels, *[int(model.embed_dim)] * len(self.blocks)]  # type: ignore[arg-type]
        """Channels of what it gives."""

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """The images `(B, C, H, W)` themselves, and each block's map `(B, width, h, w)`.

        The maps have h = H / patch and w = W / patch, rounded up, and are normalised as the last
        one is.
        """
        (height, width), (high, wide) = images.shape[-2:], self.patch_size
        padded = F.pad(images, (0, -width % wide, 0, -height % high))
        maps: list[torch.Tensor] = self.model.forward_intermediates(  # type: ignore[operator]
            padded, indices=list(self.blocks), norm=True, intermediates_only=True
        )
        return [images, *maps]


class VitDecoder(nn.Module):
    """1 x 1 projections side by side, one convolution on patches, one at four times as many.

    Args:
        in_channels: Of each map.
        width: Channels within.
        num_classes: N.
    """

    def __init__(self, in_channels: Sequence[int], width: int, num_classes: int) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in in_channels)
        self.fuse = _convolution(width * len(in_channels), width)
        self.refine = _convolution(width, width)
        self.classify = nn.Conv2d(width, num_classes, 1)

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Logits `(B, N, 4 h, 4 w)` of maps `(B, channels, h, w)`."""
        projected = [layer(one) for layer, one in zip(self.projections, maps, strict=True)]
        fused = self.fuse(torch.cat(projected, dim=1))
        larger = F.interpolate(fused, scale_factor=4, mode="bilinear", align_corners=False)
        logits: torch.Tensor = self.classify(self.refine(larger))
        return logits


class VitSegmenter(nn.Module):
    """Encoder and decoder; `decode(encode(images))` is what `forward` gives.

    Args:
        encoder: The transformer.
        width: Channels of the decoder.
        num_classes: N.
    """

    def __init__(self, encoder: VitEncoder, width: int, num_classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = VitDecoder(encoder.out_channels[1:], width, num_classes)
        self._patch_size = encoder.patch_size

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(B, N, H, W)` of `(B, C, H, W)`, any sides."""
        return self.decode(self.encode(images))

    def encode(self, images: torch.Tensor) -> list[torch.Tensor]:
        """The images, of which `decode` takes no more than the size, and the encoder's maps."""
        features: list[torch.Tensor] = self.encoder(images)
        return features

    def decode(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Logits `(B, N, H, W)` of what `encode` gives, as it is or with other maps."""
        (height, width), maps = features[0].shape[-2:], features[1:]
        high, wide = self._patch_size
        padded = (maps[0].shape[-2] * high, maps[0].shape[-1] * wide)
        logits = F.interpolate(self.decoder(maps), padded, mode="bilinear", align_corners=False)
        return logits[..., :height, :width]


class VitNetwork(Network):
    """Any plain vision transformer of timm under a light decoder."""

    name: ClassVar[str] = "vit"
    title: ClassVar[str] = "vision transformer with a light decoder"
    has_encoder: ClassVar[bool] = True
    own_encoders: ClassVar[tuple[str, ...]] = (
        "vit_small_patch14_dinov2",
        "vit_small_patch16_dinov3",
    )
    segmenter_optimizer: ClassVar[OptimizerSettings | None] = OptimizerSettings(
        name="adam", lr=5e-6, head_factor=40.0
    )
    """Rates of Yang et al. 2025 (UniMatch V2) for DINOv2: convolutional ones undo what it knows."""
    settings_class: ClassVar[type[Settings]] = VitSettings

    @classmethod
    def check_encoder(cls, encoder: str) -> None:
        """No other architecture gives maps on one grid of patches."""
        library_name(encoder)  # Names the nearest ones where there is none.
        if not is_plain_vit(encoder):
            raise SettingsError(
                f"The network {cls.name} stands on a plain vision transformer of timm, and "
                f"{encoder} is none; choose `encoder` {cls.own_encoders[0]} or another one, or "
                "leave `network` out."
            )

    @classmethod
    def build(
        cls, weights: Initialization, *, in_channels: int, num_classes: int, settings: Settings
    ) -> nn.Module:
        """The transformer with its weights, and a decoder that is drawn anew."""
        assert isinstance(settings, VitSettings)
        cls.check_encoder(weights.encoder)
        return VitSegmenter(build_vit_encoder(weights, in_channels), settings.width, num_classes)

    @classmethod
    def statistics(cls, encoder: str, channels: int) -> tuple[list[float], list[float]]:
        """Those that the encoder's weights expect."""
        return channel_statistics(encoder, channels)


def build_vit_encoder(initialization: Initialization, in_channels: int) -> VitEncoder:
    """A plain vision transformer with its weights.

    Args:
        initialization: Its name, for which `is_plain_vit` holds, and where the weights come from.
        in_channels: Channels of the image.

    Raises:
        SettingsError: If the weights cannot be had or do not fit.
    """
    name = plain_name(initialization.encoder)
    model = timm.create_model(name, num_classes=0, dynamic_img_size=True)
    encoder = VitEncoder(model, in_channels)
    load_encoder_weights(encoder, initialization, lambda state: _as_timm_names_it(model, state))
    adapt_first_layer(encoder, in_channels)
    return encoder


def _as_timm_names_it(model: nn.Module, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors of a file of the model's authors, or for another size of images, as timm has them."""
    convert: Any = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    try:
        converted: dict[str, torch.Tensor] = convert(state, model)
    except Exception:  # Not a file that timm knows, which is told as one that does not fit.
        return state
    return converted


def _convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
