"""What layers have in common that are put in the place of others."""

from torch import nn

__all__ = ["StandIn"]


class StandIn(nn.Module):
    """First base of a layer that takes another one over: its parameters, buffers, names and mode.

    Args:
        layer: The layer to take over.

    Example:
        >>> class Doubled(StandIn, nn.Linear):
        ...     def forward(self, input):
        ...         return 2 * super().forward(input)
        >>> layer = nn.Linear(3, 2)
        >>> Doubled(layer).weight is layer.weight
        True
    """

    def __init__(self, layer: nn.Module) -> None:
        nn.Module.__init__(self)
        self.__dict__.update(layer.__dict__)

    @staticmethod
    def fits(layer: nn.Module) -> bool:
        """Whether a layer is one that this is the same as."""
        raise NotImplementedError
