"""Masks outside the budget, out of reach of training."""

from collections.abc import Mapping
from pathlib import Path

from ecs_med.sparse import SliceSelection
from ecs_med.splits.ordering import digest
from ecs_med.types import UnlabeledCase

__all__ = ["HiddenReferences"]


class HiddenReferences:
    """References of training cases that the budget leaves unlabelled, for reports only.

    Pseudo-labels can be scored against them, and nothing else: there is no attribute,
    iteration, index or text form that gives a path, so a loader cannot be handed
    masks by mistake. The one way to a path is `for_reporting`, whose name says in a
    review what it is for.

    Args:
        masks: The mask by case, without masks that are in the budget.
        slices: Of labelled volumes of which some slices are in the budget: mask, and these slices.
    """

    __slots__ = ("__masks", "__slices")

    def __init__(
        self,
        masks: Mapping[UnlabeledCase, Path],
        slices: Mapping[UnlabeledCase, tuple[Path, SliceSelection]] | None = None,
    ) -> None:
        self.__masks = dict(masks)
        self.__slices = dict(slices or {})

    def __len__(self) -> int:
        """Number of cases whose mask is hidden; may be 0."""
        return len(self.__masks)

    def for_reporting(self, limit: int) -> list[tuple[UnlabeledCase, Path]]:
        """Cases with their hidden masks, to score pseudo-labels in a report.

        Args:
            limit: At most so many; the choice is fixed by the names of the cases, and a
                smaller limit gives the front of a larger one, so that scores of
                successive validations are taken on the same cases.

        Returns:
            Pairs of case and mask; empty where no mask is hidden.

        Raises:
            ValueError: If `limit` is negative.
        """
        if limit < 0:
            raise ValueError("limit must not be negative")
        order = sorted(self.__masks, key=lambda case: digest(f"report:{case.id}"))
        return [(case, self.__masks[case]) for case in order[:limit]]

    def slices_for_reporting(self, limit: int) -> list[tuple[UnlabeledCase, Path, SliceSelection]]:
        """Labelled volumes with their whole masks, to score their unlabelled slices in a report.

        Args:
            limit: As of `for_reporting`.

        Returns:
            Volume, mask, and the slices that are labelled, which are not to be scored.
        """
        if limit < 0:
            raise ValueError("limit must not be negative")
        order = sorted(self.__slices, key=lambda case: digest(f"report:{case.id}"))
        return [(case, *self.__slices[case]) for case in order[:limit]]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HiddenReferences):
            return NotImplemented
        return (self.__masks, self.__slices) == (other.__masks, other.__slices)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"HiddenReferences({len(self)} masks)"
