"""Segmenters of volumes: MONAI's U-Nets in three dimensions, divided into encoder and decoder."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from monai.networks.nets import DynUNet, UNet
from pydantic import Field
from torch import nn

from ecs_med.config import Settings
from ecs_med.errors import SettingsError
from ecs_med.networks.base import Network
from ecs_med.networks.initialization import Initialization

__all__ = [
    "DividedDynUNet",
    "DividedUNet",
    "DynUNetNetwork",
    "DynUNetSettings",
    "UNet3dNetwork",
    "UNet3dSettings",
]

_MOST_STRIDES = 5
"""Halvings at most: patches have sides that are multiples of 16, and volumes are small."""


class UNet3dSettings(Settings):
    """What the network `unet3d` can be told."""

    channels: tuple[int, ...] = Field(
        (16, 32, 64, 128, 256), min_length=2, max_length=_MOST_STRIDES
    )
    """Of each level; every level but the last halves the sides."""
    residual_units: int = Field(2, ge=0, le=4)
    """Convolutions of a level's residual unit; 0: a plain convolution."""


class DynUNetSettings(Settings):
    """What the network `dynunet` can be told."""

    channels: tuple[int, ...] = Field(
        (32, 64, 128, 256, 320), min_length=3, max_length=_MOST_STRIDES
    )
    """Of each level; every level but the first halves the sides."""
    residual: bool = False
    """Residual blocks instead of plain ones."""


class DividedUNet(UNet):  # type: ignore[misc]
    """MONAI's `UNet` that says itself where it can be divided (`networks.halves`).

    Weights have the names of `monai.networks.nets.UNet`, and so may be loaded by it.

    Example:
        >>> network = DividedUNet(3, 1, 2, (4, 8, 16), (2, 2), norm="INSTANCE")
        >>> [tuple(part.shape[1:]) for part in network.encode(torch.zeros(1, 1, 8, 8, 8))]
        [(4, 4, 4, 4), (8, 2, 2, 2), (16, 2, 2, 2)]
    """

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Features of each level, from the finest, at half the resolution, to the deepest."""
        features: list[torch.Tensor] = []
        level = self.model
        while _is_level(level):
            features.append(level[0](features[-1] if features else images))
            level = level[1].submodule
        return (*features, level(features[-1]))

    def decode(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Logits `(B, N, *spatial)` of what `encode` gave."""
        ups, level = [], self.model
        while _is_level(level):
            ups.append(level[2])
            level = level[1].submodule
        *skipped, values = features
        for up, skip in zip(reversed(ups), reversed(skipped), strict=True):
            values = up(torch.cat([skip, values], dim=1))
        return values


class DividedDynUNet(DynUNet):  # type: ignore[misc]
    """MONAI's `DynUNet` that says itself where it can be divided, as `DividedUNet`.

    There every weight has a second name under `skip_layers`, which no file of weights can hold;
    here it has one. The stock class loads these weights with `strict=False`.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        del self.skip_layers

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits `(B, N, *spatial)` of `(B, C, *spatial)`."""
        return self.decode(self.encode(x))

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Features of each level, from the finest, at the image's resolution, to the deepest."""
        features = [self.input_block(images)]
        for block in (*self.downsamples, self.bottleneck):
            features.append(block(features[-1]))
        return tuple(features)

    def decode(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Logits `(B, N, *spatial)` of what `encode` gave."""
        *skipped, values = features
        for up, skip in zip(self.upsamples, reversed(skipped), strict=True):
            values = up(values, skip)
        logits: torch.Tensor = self.output_block(values)
        return logits


class UNet3dNetwork(Network):
    """A residual U-Net with instance normalization, small enough for a CPU."""

    name: ClassVar[str] = "unet3d"
    title: ClassVar[str] = "3-D U-Net"
    spatial_dims: ClassVar[int] = 3
    settings_class: ClassVar[type[Settings]] = UNet3dSettings

    @classmethod
    def build(
        cls, weights: Initialization, *, in_channels: int, num_classes: int, settings: Settings
    ) -> nn.Module:
        """Drawn anew: there are no weights to load. Sides are multiples of 16."""
        assert isinstance(settings, UNet3dSettings)
        _refuse_frozen(weights, cls.title)
        return DividedUNet(
            spatial_dims=3,
            in_channels=in_channels,
            out_channels=num_classes,
            channels=settings.channels,
            strides=(2,) * (len(settings.channels) - 1),
            num_res_units=settings.residual_units,
            norm="INSTANCE",
        )


class DynUNetNetwork(Network):
    """The U-Net of nnU-Net, for a GPU."""

    name: ClassVar[str] = "dynunet"
    title: ClassVar[str] = "DynUNet"
    spatial_dims: ClassVar[int] = 3
    settings_class: ClassVar[type[Settings]] = DynUNetSettings

    @classmethod
    def build(
        cls, weights: Initialization, *, in_channels: int, num_classes: int, settings: Settings
    ) -> nn.Module:
        """Drawn anew: there are no weights to load. Sides are multiples of 16."""
        assert isinstance(settings, DynUNetSettings)
        _refuse_frozen(weights, cls.title)
        strides = (1, *[2] * (len(settings.channels) - 1))
        return DividedDynUNet(
            spatial_dims=3,
            in_channels=in_channels,
            out_channels=num_classes,
            kernel_size=(3,) * len(strides),
            strides=strides,
            upsample_kernel_size=strides[1:],
            filters=settings.channels,
            # With it, outputs have one rank in training and another one afterwards.
            deep_supervision=False,
            res_block=settings.residual,
        )


def _is_level(module: nn.Module) -> bool:
    """Whether it is a way down, the rest beside a skip connection, and a way up."""
    return (
        isinstance(module, nn.Sequential) and len(module) == 3 and hasattr(module[1], "submodule")
    )


def _refuse_frozen(weights: Initialization, title: str) -> None:
    if weights.frozen:
        raise SettingsError(f"{title} has no encoder to freeze; leave `freeze_encoder` out.")
