"""The contract of a segmenter's architecture, and how architectures are found."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import nn

from ecs_med.config import OptimizerSettings, Settings
from ecs_med.networks.encoders import library_name
from ecs_med.networks.freezing import freeze
from ecs_med.networks.initialization import Initialization
from ecs_med.registry import Registry

__all__ = [
    "NETWORKS",
    "USUAL_NETWORK",
    "Network",
    "build_segmenter",
    "network_class",
    "network_settings",
]


class Network(ABC):
    """An architecture of the segmenter, and how it is built.

    To add one, derive from this class and name it under the entry-point group `ecs_med.networks`:

        class SmallUNet(Network):
            name, title = "unet", "U-Net"

            @classmethod
            def build(cls, weights, *, in_channels, num_classes, settings):
                return monai.networks.nets.UNet(2, in_channels, num_classes, (16, 32, 64), (2, 2))

    Example:
        >>> from ecs_med.networks import NETWORKS
        >>> NETWORKS.get("deeplabv3plus").name
        'deeplabv3plus'
    """

    name: ClassVar[str]
    """Value of `network`."""
    title: ClassVar[str]
    """In messages."""
    spatial_dims: ClassVar[int] = 2
    """Dimensions of the images that it takes; training is on slices, that is 2."""
    has_encoder: ClassVar[bool] = False
    """Whether it is built on a named encoder of segmentation-models-pytorch or timm, which it then
    holds as `encoder`."""
    own_encoders: ClassVar[tuple[str, ...]] = ()
    """Encoders of which the first whose weights are at hand is taken where none is chosen; none:
    the usual ones, which are convolutional and may be shared with a corrector."""
    segmenter_optimizer: ClassVar[OptimizerSettings | None] = None
    """What moves it where the user does not say; `None`: the method decides."""
    settings_class: ClassVar[type[Settings]] = Settings
    """What it can be told by `network_settings`; `Settings` has nothing."""

    @classmethod
    @abstractmethod
    def build(
        cls, weights: Initialization, *, in_channels: int, num_classes: int, settings: Settings
    ) -> nn.Module:
        """Build it.

        Args:
            weights: Encoder and its weights. An architecture without an encoder may load weights of
                its own where their source is `network`, and must not where it is `none`.
            in_channels: Channels of the image.
            num_classes: N.
            settings: Of `settings_class`.

        Returns:
            A module from `(B, in_channels, *spatial)` to logits `(B, N, *spatial)`; sides are
            multiples of 32.

        Raises:
            SettingsError: If it cannot be built so.
        """

    @classmethod
    def check_encoder(cls, encoder: str) -> None:
        """Refuse an encoder that it cannot stand on; asked before anything is prepared.

        Raises:
            SettingsError: Unless overridden, if neither library knows it.
        """
        library_name(encoder)

    @classmethod
    def statistics(cls, encoder: str, channels: int) -> tuple[list[float], list[float]]:
        """Mean and standard deviation of each channel, in 0..1, that are taken out of images.

        Returns:
            0 and 1 unless overridden: the network sees intensities in 0..1.
        """
        return [0.0] * channels, [1.0] * channels


NETWORKS: Registry[Network] = Registry("ecs_med.networks", "network", Network)
"""Every architecture of the segmenter: those of this package, and those of others."""


USUAL_NETWORK = "deeplabv3plus"
"""Of slices and pictures."""


def network_class(name: str) -> type[Network]:
    """The architecture of that name; `auto`: the usual one, until `dims` is decided.

    Raises:
        SettingsError: If there is none.
    """
    return NETWORKS.get(USUAL_NETWORK if name == "auto" else name)


def network_settings(name: str, values: Mapping[str, Any]) -> Settings:
    """What the architecture `name` is told by `values`; for `auto` as of `network_class`.

    Raises:
        SettingsError: If it does not know a setting.
    """
    return network_class(name).settings_class.parse(values, "network_settings")


def build_segmenter(
    initialization: Initialization,
    *,
    in_channels: int,
    num_classes: int,
    network: str = "deeplabv3plus",
    settings: Mapping[str, Any] | None = None,
) -> nn.Module:
    """The network of that name, as `Network.build` gives it, with its encoder frozen if asked for.

    Args:
        initialization: Encoder and its weights, and whether the encoder stays as it begins.
        in_channels: Channels of the image.
        num_classes: N.
        network: Name of the architecture.
        settings: `network_settings`; `None` for its defaults.

    Raises:
        SettingsError: If the network, a setting or the encoder is unknown, or weights do not fit.
    """
    segmenter = NETWORKS.get(network).build(
        initialization,
        in_channels=in_channels,
        num_classes=num_classes,
        settings=network_settings(network, settings or {}),
    )
    if initialization.frozen:
        freeze(segmenter.get_submodule("encoder"))
    return segmenter
