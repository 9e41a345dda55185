"""Scans that are sliced in another plane of the body than the rest of their data set."""

from collections.abc import Iterable, Sequence

from ecs_med.data.checks.facts import CaseFacts
from ecs_med.data.planes import Grid, other_plane, usual_plane
from ecs_med.types import Problem

__all__ = ["plane_problems"]


def plane_problems(facts: Sequence[CaseFacts]) -> Iterable[Problem]:
    """A warning for each volume whose own voxels ask for another plane than that of the set."""
    grids = [(fact, grid) for fact in facts if (grid := Grid.of(fact)) is not None]
    usual = usual_plane([grid for _, grid in grids])
    for fact, grid in grids:
        reason = other_plane(grid, usual)
        if reason is not None:
            yield Problem(
                "warning",
                f"{reason}, where {usual} ones are usual here",
                "Keep scans of one plane in a data set, or name the plane to slice all in with"
                " `plane`",
                fact.case.images[0],
            )
