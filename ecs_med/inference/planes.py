"""Scans that a model cuts into slices of another plane than those that it was trained on."""

from collections.abc import Sequence
from pathlib import Path

from ecs_med.config import Preparation
from ecs_med.data.planes import Grid, other_plane
from ecs_med.data.readers import read_header
from ecs_med.errors import EcsMedError

__all__ = ["plane_notes"]


def plane_notes(preparation: Preparation, scans: Sequence[Sequence[Path]]) -> tuple[str, ...]:
    """One sentence that names the first of them, if there are any.

    Args:
        preparation: Of the model.
        scans: The files of each scan; what cannot be read is left to those who read it.
    """
    if preparation.plane != "auto":
        return ()
    found = [(files[0], reason) for files in scans if (reason := _other_plane(preparation, files))]
    if not found:
        return ()
    path, reason = found[0]
    more = f", and {len(found) - 1} more like it" if len(found) > 1 else ""
    end = f"where the model was trained on {preparation.usual_plane} ones: look at the result"
    return (f"{path}: {reason}, {end}{more}.",)


def _other_plane(preparation: Preparation, files: Sequence[Path]) -> str | None:
    try:
        header = read_header(files)
    except (EcsMedError, OSError):
        return None
    grid = Grid.of(header, preparation.orientation)
    return None if grid is None else other_plane(grid, preparation.usual_plane)
