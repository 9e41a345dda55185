"""Headers of NRRD, see https://teem.sourceforge.net/nrrd/format.html."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ecs_med.data.readers.nrrd.header import (
    COPY_AGAIN,
    TextHeader,
    data_beside,
    require_readable,
    split_lines,
    start_of,
    whole_numbers,
)
from ecs_med.data.readers.nrrd.nrrd_axes import axis_vectors, placed, sorted_axes
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

_ENCODINGS = {"raw": False, "gz": True, "gzip": True}
_SAME = {"centers": "centerings"}


def nrrd_header(path: Path) -> TextHeader:
    """Read and check the header of a `.nrrd` or `.nhdr`.

    Raises:
        UnreadableFileError: If it is no such file, or says what cannot be true or is not read.
    """
    fields, pairs, end = _fields(path, start_of(path))
    sizes = whole_numbers(path, fields.get("sizes", ""))
    if fields.get("dimension", "").strip() != str(len(sizes)):
        raise UnreadableFileError(path, "names another number of sizes than of axes", COPY_AGAIN)
    vectors = axis_vectors(path, fields, len(sizes))
    grid = sorted_axes(path, fields, vectors, len(sizes))
    affine, has_position = placed(path, fields, vectors, grid)
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
