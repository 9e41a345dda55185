"""How the volumes of a data set lie in space, and how large the pixels of their slices are."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ecs_med.config import Preparation
from ecs_med.data.checks.facts import CaseFacts
from ecs_med.data.planes import Grid, usual_plane
from ecs_med.data.spacing import PixelSides
from ecs_med.types import Problem

__all__ = ["space_problems"]

OBLIQUE = 0.1
"""Degrees beyond which a volume is said to lie obliquely."""
NOTABLE = 1.05
"""Sides of pixels that differ by more than this factor are told."""
_NUM_SHOWN = 3


def space_problems(root: Path, facts: Sequence[CaseFacts]) -> Iterable[Problem]:
    """What a person should know before volumes are brought to one orientation and sliced.

    Args:
        root: Of the data set.
        facts: Of its readable cases.
    """
    volumes = [fact for fact in facts if fact.is_volume]
    placed = [fact for fact in volumes if fact.has_position]
    yield from _unplaced_problems(root, volumes, placed)
    yield from _orientation_problems(root, placed)
    yield from _oblique_problems(root, placed)
    yield from _pixel_problems(root, volumes)


def _unplaced_problems(
    root: Path, volumes: Sequence[CaseFacts], placed: Sequence[CaseFacts]
) -> Iterable[Problem]:
    lost = [fact for fact in volumes if not fact.has_position]
    if not lost:
        return
    count = f"{len(lost)} of {len(volumes)} volumes"
    message = (
        f"{count} have no position in space (neither sform nor qform in NIfTI) and are sliced "
        f"along the axes of their files: {_names(lost)}"
    )
    remedy = "Export them with their affine, or make sure that all are stored in one order of axes"
    yield Problem("warning" if placed else "note", message, remedy, root)


def _orientation_problems(root: Path, placed: Sequence[CaseFacts]) -> Iterable[Problem]:
    codes = Counter(fact.orientation for fact in placed)
    if len(codes) > 1:
        found = ", ".join(f"{number} {code}" for code, number in codes.most_common(_NUM_SHOWN))
        found += ", ..." if len(codes) > _NUM_SHOWN else ""
        yield Problem(
            "note",
            f"volumes are stored in {len(codes)} orientations ({found}); all are brought to RAS "
            "before they are sliced, and results are on the grid of each file",
            path=root,
        )


def _oblique_problems(root: Path, placed: Sequence[CaseFacts]) -> Iterable[Problem]:
    oblique = [fact for fact in placed if fact.oblique_degrees > OBLIQUE]
    if oblique:
        most = max(oblique, key=lambda fact: fact.oblique_degrees)
        yield Problem(
            "note",
            f"{len(oblique)} of {len(placed)} volumes lie obliquely in the body, by up to "
            f"{most.oblique_degrees:.1f} degrees ({most.case.id}); they are sliced along their own "
            "axes, those nearest to the axes of the body",
            path=root,
        )


def _pixel_problems(root: Path, volumes: Sequence[CaseFacts]) -> Iterable[Problem]:
    grids = [grid for fact in volumes if (grid := Grid.of(fact)) is not None]
    sides = PixelSides.of(volumes, Preparation(usual_plane=usual_plane(grids)))
    if sides is not None and sides.largest > NOTABLE * sides.smallest:
        yield Problem("note", sides.sentence().removesuffix("."), path=root)


def _names(facts: Sequence[CaseFacts]) -> str:
    more = ", ..." if len(facts) > _NUM_SHOWN else ""
    return ", ".join(fact.case.id for fact in facts[:_NUM_SHOWN]) + more
