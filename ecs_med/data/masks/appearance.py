"""Warnings where masks are read in another way than a viewer, or their colours, suggest."""

from collections.abc import Iterator

from ecs_med.data.masks.census import MaskCensus, joined
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.types import Problem

__all__ = ["appearance_problems"]


def appearance_problems(scheme: LabelScheme, census: MaskCensus) -> Iterator[Problem]:
    """What a person should look at before trusting how masks are read."""
    if census.by_alpha:
        yield Problem(
            "warning",
            "the alpha channel varies where the colours do not, as in "
            f"{len(census.by_alpha)} masks: what is transparent is read as background",
            "Compare a mask with its picture; to settle it store the masks without alpha, as grey "
            "PNG of class numbers",
            census.by_alpha[0],
        )
    if census.unlike_shown:
        swapped = ""
        if scheme.values is not None and scheme.num_classes == 2:
            swapped = (
                f"; if it is the other way round give `mask_values={joined(scheme.values[::-1])}`"
            )
        yield Problem(
            "warning",
            f"is a TIFF in which 0 is tagged as white, as are {len(census.unlike_shown)} masks: "
            "viewers exchange black and white; its values are read as they are stored",
            f"Compare a mask with its picture{swapped}",
            census.unlike_shown[0],
        )
    clash = census.palettes.clash
    if clash is not None and scheme.colors is None:
        yield Problem(
            "warning",
            f"its palette shows index {clash.index} as #{clash.color:06x}, but {clash.other_path} "
            f"shows index {clash.other_index} as #{clash.other_color:06x}; indices are read, as "
            "asked for",
            "Check that an index is the same class in both, or give `mask_colors` instead",
            clash.path,
        )
