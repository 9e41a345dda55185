"""Which axes of an NRRD file are in space, and where they lie there."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.grids import Affine
from ecs_med.data.readers.nrrd.header import COPY_AGAIN, real_numbers
from ecs_med.errors import UnreadableFileError

__all__ = ["Axes", "Vector", "axis_vectors", "placed", "sorted_axes"]

Vector = npt.NDArray[np.float64]

_TO_RAS: Mapping[str, tuple[float, float, float]] = {
    **dict.fromkeys(("ras", "right-anterior-superior"), (1.0, 1.0, 1.0)),
    **dict.fromkeys(("las", "left-anterior-superior"), (-1.0, 1.0, 1.0)),
    **dict.fromkeys(("lps", "left-posterior-superior"), (-1.0, -1.0, 1.0)),
}
"""Spaces of the body; all others, such as `scanner-xyz`, do not say where a patient's left is."""


@dataclass(frozen=True, slots=True)
class Axes:
    """Axes of a file by what they are.

    Attributes:
        spatial: Numbers of the axes in space.
        channels: Number of the axis of channels, the first or the last one; `None`: there is none.
    """

    spatial: tuple[int, ...]
    channels: int | None


def axis_vectors(
    path: Path, fields: Mapping[str, str], num_axes: int
) -> list[Vector | None] | None:
    """Direction of each axis, `None` for those that are not in space; `None` where none is said."""
    if "spacedirections" not in fields:
        return None
    words = re.findall(r"\([^()]*\)|[^\s()]+", fields["spacedirections"])
    if len(words) != num_axes:
        raise UnreadableFileError(path, "names another number of axes than of sizes", COPY_AGAIN)
    return [None if word.lower() == "none" else _vector(path, word) for word in words]


def _vector(path: Path, word: str) -> Vector:
    inner = word.strip()
    if not (inner.startswith("(") and inner.endswith(")")):
        raise UnreadableFileError(path, "has a place in space that is no numbers", COPY_AGAIN)
    parts = inner[1:-1].split(",")
    return real_numbers(path, " ".join(parts), len(parts))


def sorted_axes(
    path: Path,
    fields: Mapping[str, str],
    vectors: Sequence[Vector | None] | None,
    num_axes: int,
) -> Axes:
    """Which axes are in space, by directions where they are given, else by kinds."""
    kinds = fields.get("kinds", "").lower().split() or ["???"] * num_axes
    if len(kinds) != num_axes:
        raise UnreadableFileError(path, "names another number of axes than of sizes", COPY_AGAIN)
    if vectors is not None:
        spatial = [vector is not None for vector in vectors]
    else:
        spatial = [kind in ("domain", "space", "???", "none") for kind in kinds]
    told = {"domain": True, "space": True, "???": None, "none": None}
    if any(
        told.get(kind, False) not in (None, own) for kind, own in zip(kinds, spatial, strict=True)
    ):
        raise UnreadableFileError(path, "has a header that can be read in two ways", COPY_AGAIN)
    inside = tuple(axis for axis, own in enumerate(spatial) if own)
    other = [axis for axis, own in enumerate(spatial) if not own]
    if len(inside) not in (2, 3) or len(other) > 1 or any(kinds[axis] == "time" for axis in other):
        raise UnreadableFileError(
            path, f"has {num_axes} axes, where a volume has three, and one of channels at most",
            "store each volume of a series in a file of its own",
        )  # fmt: skip
    if other and other[0] not in (0, num_axes - 1):
        raise UnreadableFileError(
            path, "has channels between its axes in space", "store them first or last"
        )
    return Axes(inside, other[0] if other else None)


def placed(
    path: Path,
    fields: Mapping[str, str],
    vectors: Sequence[Vector | None] | None,
    grid: Axes,
) -> tuple[Affine, bool]:
    """Affine to RAS mm, and whether it is the body's: else axes are those of the file."""
    _require_mm(path, fields)
    if vectors is None:
        return _spaced(path, fields, grid), False
    columns = [vector for vector in vectors if vector is not None]
    dimension = len(columns[0])
    if dimension not in (2, 3) or any(len(column) != dimension for column in columns):
        raise UnreadableFileError(path, "has axes that span no space", COPY_AGAIN)
    if dimension == 3 and len(columns) == 2:
        normal = np.cross(columns[0], columns[1])
        columns.append(normal / max(float(np.linalg.norm(normal)), 1e-30))
    affine = np.eye(4)
    affine[:dimension, : len(columns)] = np.stack(columns, axis=1)
    if "spaceorigin" in fields:
        origin = _vector(path, fields["spaceorigin"])
        if len(origin) != dimension:
            raise UnreadableFileError(path, "has a place in space that is no numbers", COPY_AGAIN)
        affine[:dimension, 3] = origin
    signs = _TO_RAS.get(fields.get("space", "").strip().lower())
    if signs is None or dimension != 3:
        return affine, False
    return np.diag([*signs, 1.0]) @ affine, True


def _spaced(path: Path, fields: Mapping[str, str], grid: Axes) -> Affine:
    """Of a file that tells the distances of its voxels at most."""
    affine = np.eye(4)
    if "spacings" in fields:
        words = fields["spacings"].split()
        sides = [word for axis, word in enumerate(words) if axis in grid.spatial]
        affine[np.diag_indices(len(grid.spatial))] = real_numbers(
            path, " ".join(sides), len(grid.spatial)
        )
    return affine


def _require_mm(path: Path, fields: Mapping[str, str]) -> None:
    """Refuse lengths in other units: most programs pass over units, and so would place it wrongly.

    `units` speak of axes, channels among them, and are only of lengths where directions are not.
    """
    names = ("spaceunits",) if "spacedirections" in fields else ("spaceunits", "units")
    units = {
        unit.strip() for name in names for unit in re.findall(r'"([^"]*)"', fields.get(name, ""))
    }
    if not units <= {"mm", "", "???"}:
        raise UnreadableFileError(path, "has lengths in other units than mm", "store it in mm")
