"""From prepared slices back to the layers of a file."""

from ecs_med.data.cases import PreparedCase

__all__ = ["layer_of"]


def layer_of(case: PreparedCase, index: int) -> int:
    """The layer of the file that a prepared slice lies in; slices may have been resampled."""
    slicing = case.slicing
    share = (index + 0.5) / len(case.slices)
    return slicing.across(min(int(share * slicing.num_slices), slicing.num_slices - 1))
