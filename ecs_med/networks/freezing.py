"""Encoders that stay as they began: no gradient, no activations kept, no moving statistics."""

from typing import Any

import torch
from torch import nn

__all__ = ["freeze", "is_frozen"]


class _Frozen(nn.Module):
    """Goes before the class of a module that `freeze` has frozen."""

    def train(self, mode: bool = True) -> "_Frozen":
        """Stay in evaluation mode, whatever the network around it is told."""
        return super().train(False)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module says, without a graph."""
        with torch.no_grad():
            return super().forward(*args, **kwargs)


def freeze(module: nn.Module) -> None:
    """Keep a module as it is, in place and for good.

    Its parameters take no gradient, so that optimisers skip them. It stays in evaluation mode:
    batch normalization uses the statistics that were loaded, and nothing is dropped. Its forward
    pass keeps no activations, so that it costs no backward pass; no gradient reaches its inputs
    either. Copies are frozen too, and names in the state dict stay.

    Args:
        module: Of which nothing asks for gradients by its inputs, such as an encoder of images.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1))
        >>> freeze(network[0])
        >>> network.train()[0].training, network(torch.zeros(1, 3, 2, 2)).requires_grad
        (False, True)
    """
    module.requires_grad_(False)
    if not is_frozen(module):
        # As torch.nn.utils.parametrize does: a wrapper would change names in the state dict.
        cls = type(module)
        module.__class__ = type(f"Frozen{cls.__name__}", (_Frozen, cls), {})
    module.train(False)


def is_frozen(module: nn.Module) -> bool:
    """Whether `freeze` has frozen it."""
    return isinstance(module, _Frozen)
