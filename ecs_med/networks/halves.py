"""A segmenter in two halves: what makes features of images, and what makes logits of features."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from segmentation_models_pytorch.base import SegmentationModel
from torch import nn

from ecs_med.errors import SettingsError

__all__ = ["Halves", "check_halves", "decode", "encode", "spatial_dims"]


@runtime_checkable
class Halves(Protocol):
    """A segmenter that says itself where it can be divided: `decode(encode(x))` is `forward(x)`."""

    def encode(self, images: torch.Tensor) -> Sequence[torch.Tensor]:
        """Features of `(B, C, *spatial)`: all that `decode` needs, each `(B, channels, ...)`."""

    def decode(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Logits `(B, N, *spatial)`."""


def check_halves(network: nn.Module, needed_by: str) -> None:
    """Refuse a segmenter that cannot be divided.

    Args:
        network: A segmenter.
        needed_by: What needs its halves, for the message.

    Raises:
        SettingsError: If it is neither a plain model of segmentation-models-pytorch nor has
            `encode` and `decode`.
    """
    if not isinstance(network, Halves) and not _is_plain(network):
        raise SettingsError(
            f"{needed_by} looks between encoder and decoder of the segmenter, and "
            f"{type(network).__name__} cannot be divided there; choose another `network`, or give "
            "this one methods `encode` and `decode`."
        )


def encode(network: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The first half.

    Args:
        network: A segmenter that `check_halves` lets pass.
        images: `(B, C, *spatial)`.

    Returns:
        What `decode` needs, from the finest to the deepest, each `(B, channels, ...)`. Encoders of
        segmentation-models-pytorch give the image itself first, of which no decoder uses more than
        the size.
    """
    features = network.encode(images) if isinstance(network, Halves) else _plain(network, images)
    return tuple(features)


def decode(network: nn.Module, features: Sequence[torch.Tensor]) -> torch.Tensor:
    """The second half: logits `(B, N, *spatial)` of features, as they are or changed.

    Example:
        >>> from ecs_med.networks import Initialization, build_segmenter
        >>> plan = Initialization("test_resnet", "none")
        >>> network = build_segmenter(plan, in_channels=1, num_classes=2).eval()
        >>> images = torch.zeros(1, 1, 64, 64)
        >>> torch.equal(decode(network, encode(network, images)), network(images))
        True
    """
    if isinstance(network, Halves):
        return network.decode(features)
    check_halves(network, "Decoding")
    logits: torch.Tensor = network.segmentation_head(network.decoder(list(features)))  # type: ignore[operator]
    return logits


def _plain(network: nn.Module, images: torch.Tensor) -> Sequence[torch.Tensor]:
    check_halves(network, "Encoding")
    features: Sequence[torch.Tensor] = network.encoder(images)  # type: ignore[operator]
    return features


def _is_plain(network: nn.Module) -> bool:
    """Whether its forward pass is encoder, decoder, head, and nothing else."""
    return (
        isinstance(network, SegmentationModel)
        and type(network).forward is SegmentationModel.forward
        and network.classification_head is None
    )


def spatial_dims(network: nn.Module) -> int:
    """Dimensions of the images that a network takes, 2 or 3, as its first convolution says.

    Example:
        >>> spatial_dims(nn.Conv3d(1, 1, 3))
        3
    """
    kinds = (nn.Conv2d, nn.Conv3d)
    first = next((module for module in network.modules() if isinstance(module, kinds)), None)
    return 3 if isinstance(first, nn.Conv3d) else 2
