"""Headers of NRRD, see https://teem.sourceforge.net/nrrd/format.html."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.grids import Affine
from ecs_med.data.readers.nrrd.header import (
    COPY_AGAIN,
    TextHeader,
    data_beside,
    real_numbers,
    require_readable,
    split_lines,
    start_of,
    whole_numbers,
)
from ecs_med.errors import UnreadableFileError

__all__ = ["nrrd_header"]

_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("unsigned char", "uchar", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(
        ("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"
    ),
    **dict.fromkeys(
        ("unsigned short", "ushort", "unsigned short int", "uint16", "uint16_t"), "u2"
    ),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("unsigned int", "uint", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(
        ("longlong", "long long", "long long int", "signed long long", "signed long long int",
         "int64", "int64_t"), "i8",
    ),
    **dict.fromkeys(
        ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), "u8"
    ),
    "float": "f4",
    "double": "f8",
}  # fmt: skip

_TO_RAS: Mapping[str, tuple[float, float, float]] = {
    **dict.fromkeys(("ras", "right-anterior-superior"), (1.0, 1.0, 1.0)),
    **dict.fromkeys(("las", "left-anterior-superior"), (-1.0, 1.0, 1.0)),
    **dict.fromkeys(("lps", "left-posterior-superior"), (-1.0, -1.0, 1.0)),
}
"""Spaces of the body; all others, such as `scanner-xyz`, do not say where a patient's left is."""

_ENCODINGS = {"raw": False, "gz": True, "gzip": True}
_SAME = {"centers": "centerings"}


@dataclass(frozen=True, slots=True)
class _Grid:
    """Axes of a file by what they are.

    Attributes:
        spatial: Numbers of the axes in space.
        channels: Number of the axis of channels, the first or the last one; `None`: there is none.
    """

    spatial: tuple[int, ...]
    channels: int | None


def nrrd_header(path: Path) -> TextHeader:
    """Read and check the header of a `.nrrd` or `.nhdr`.

    Raises:
        UnreadableFileError: If it is no such file, or says what cannot be true or is not read.
    """
    fields, pairs, end = _fields(path, start_of(path))
    sizes = whole_numbers(path, fields.get("sizes", ""))
    if fields.get("dimension", "").strip() != str(len(sizes)):
        raise UnreadableFileError(path, "names another number of sizes than of axes", COPY_AGAIN)
    vectors = _vectors(path, fields, len(sizes))
    grid = _sorted_axes(path, fields, vectors, len(sizes))
    affine, has_position = _placed(path, fields, vectors, grid)
    encoding = fields.get("encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        raise UnreadableFileError(
            path, "is encoded neither raw nor by gzip", "export it with one of these"
        )
    named = fields.get("datafile")
    begin = end if named is None else 0
    x, y, z = (*(sizes[axis] for axis in grid.spatial), 1)[:3]
    header = TextHeader(
        shape=(x, y, z),
        num_channels=1 if grid.channels is None else sizes[grid.channels],
        channels_first=grid.channels == 0,
        dtype=_dtype(path, fields),
        affine=affine,
        has_position=has_position,
        data=path if named is None else data_beside(path, named),
        offset=_offset(path, fields, begin, packed=_ENCODINGS[encoding]),
        packed=_ENCODINGS[encoding],
        pairs=pairs,
    )
    return require_readable(header, path)


def _fields(path: Path, start: bytes) -> tuple[dict[str, str], dict[str, str], int]:
    """Fields, key/value pairs, and where the header ends."""
    if not re.match(rb"NRRD000[1-9]\r?\n", start):
        raise UnreadableFileError(path, "is no NRRD file", COPY_AGAIN)
    fields: dict[str, str] = {}
    pairs: dict[str, str] = {}
    end = 0
    for line, behind in split_lines(start)[1:]:
        end = behind
        if not line:
            break
        if line.startswith("#"):
            continue
        name, colon, value = line.partition(":")
        if not colon:
            raise UnreadableFileError(path, "has a header without an end", COPY_AGAIN)
        if value.startswith("="):
            _put(path, pairs, name, value[1:])
        else:
            # Names come with blanks and without ("data file", "datafile"), in any case.
            plain = "".join(name.lower().split())
            _put(path, fields, _SAME.get(plain, plain), value.removeprefix(" "))
    else:
        if "datafile" not in fields:
            raise UnreadableFileError(path, "has a header without an end", COPY_AGAIN)
    return fields, pairs, end


def _put(path: Path, found: dict[str, str], name: str, value: str) -> None:
    if name in found:
        raise UnreadableFileError(path, "says something twice in its header", COPY_AGAIN)
    found[name] = value


def _dtype(path: Path, fields: Mapping[str, str]) -> "np.dtype[np.generic]":
    code = _TYPES.get(" ".join(fields.get("type", "").lower().split()))
    if code is None:
        raise UnreadableFileError(path, "has voxels of a type that is not read", "store numbers")
    orders = {"little": "<", "big": ">"}
    order = orders.get(fields.get("endian", "").strip().lower())
    if order is None and not code.endswith("1"):
        raise UnreadableFileError(path, "does not say the order of bytes", COPY_AGAIN)
    return np.dtype(f"{order or ''}{code}")


def _offset(path: Path, fields: Mapping[str, str], begin: int, *, packed: bool) -> int | None:
    """Where the voxels begin, `None` where they are at the end of the file."""
    skip = fields.get("byteskip", "0").strip()
    if fields.get("lineskip", "0").strip() != "0" or (packed and skip != "0"):
        raise UnreadableFileError(
            path, "has something before its voxels to be skipped", "export it again without it"
        )
    if skip == "-1":
        return None
    return begin + sum(whole_numbers(path, skip))


def _vectors(
    path: Path, fields: Mapping[str, str], num_axes: int
) -> list[npt.NDArray[np.float64] | None] | None:
    """Direction of each axis, `None` for those that are not in space; `None` where none is said."""
    if "spacedirections" not in fields:
        return None
    words = re.findall(r"\([^()]*\)|[^\s()]+", fields["spacedirections"])
    if len(words) != num_axes:
        raise UnreadableFileError(path, "names another number of axes than of sizes", COPY_AGAIN)
    return [None if word.lower() == "none" else _vector(path, word) for word in words]


def _vector(path: Path, word: str) -> npt.NDArray[np.float64]:
    inner = word.strip()
    if not (inner.startswith("(") and inner.endswith(")")):
        raise UnreadableFileError(path, "has a place in space that is no numbers", COPY_AGAIN)
    parts = inner[1:-1].split(",")
    return real_numbers(path, " ".join(parts), len(parts))


def _sorted_axes(
    path: Path,
    fields: Mapping[str, str],
    vectors: Sequence[npt.NDArray[np.float64] | None] | None,
    num_axes: int,
) -> _Grid:
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
    return _Grid(inside, other[0] if other else None)


def _placed(
    path: Path,
    fields: Mapping[str, str],
    vectors: Sequence[npt.NDArray[np.float64] | None] | None,
    grid: _Grid,
) -> tuple[Affine, bool]:
    """Affine to RAS mm, and whether it is the body's: else axes are those of the file."""
    _require_mm(path, fields)
    affine = np.eye(4)
    if vectors is None:
        if "spacings" in fields:
            words = fields["spacings"].split()
            sides = [words[axis] if axis < len(words) else "" for axis in grid.spatial]
            affine[range(len(sides)), range(len(sides))] = real_numbers(
                path, " ".join(sides), len(sides)
            )
        return affine, False
    columns = [vector for vector in vectors if vector is not None]
    (dimension,) = (
        {len(column) for column in columns} if len({len(c) for c in columns}) == 1 else (0,)
    )
    if dimension not in (2, 3) or dimension < len(columns):
        raise UnreadableFileError(path, "has axes that span no space", COPY_AGAIN)
    for number, column in enumerate(columns):
        affine[:dimension, number] = column
    if dimension == 3 and len(columns) == 2:
        normal = np.cross(columns[0], columns[1])
        length = float(np.linalg.norm(normal))
        affine[:3, 2] = normal / length if length > 0 else 0.0
    if "spaceorigin" in fields:
        origin = _vector(path, fields["spaceorigin"])
        if len(origin) != dimension:
            raise UnreadableFileError(path, "has a place in space that is no numbers", COPY_AGAIN)
        affine[:dimension, 3] = origin
    signs = _TO_RAS.get(fields.get("space", "").strip().lower())
    if signs is None or dimension != 3:
        return affine, False
    return np.diag([*signs, 1.0]) @ affine, True


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
