"""Headers of MetaImage, see https://itk.org/Wiki/MetaIO/Documentation."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ecs_med.data.readers.grids import Affine
from ecs_med.data.readers.nrrd.header import (
    COPY_AGAIN,
    LPS_TO_RAS,
    TextHeader,
    data_beside,
    real_numbers,
    require_readable,
    split_lines,
    start_of,
    whole_numbers,
)
from ecs_med.errors import UnreadableFileError

__all__ = ["meta_header"]

_TYPES: Mapping[str, str] = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4",
    "MET_UINT": "u4", "MET_FLOAT": "f4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8",
    "MET_DOUBLE": "f8",
}  # fmt: skip

_SAME: Mapping[str, str] = {
    "rotation": "transformmatrix",
    "orientation": "transformmatrix",
    "position": "offset",
    "origin": "offset",
    "elementbyteordermsb": "binarydatabyteordermsb",
}
"""Names for one thing, which must not be said twice."""

_TRUTHS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


def meta_header(path: Path) -> TextHeader:
    """Read and check the header of a `.mha` or `.mhd`.

    Places are in LPS, as ITK reads them: like ITK and all that is built on it, this passes over
    `AnatomicalOrientation`, `CenterOfRotation` and, beside `ElementSpacing`, `ElementSize`.

    Raises:
        UnreadableFileError: If it is no such file, or says what cannot be true or is not read.
    """
    fields, end = _fields(path, start_of(path))
    sizes = whole_numbers(path, fields.get("dimsize", ""))
    if fields.get("ndims", "") != str(len(sizes)):
        raise UnreadableFileError(path, "names another number of sizes than of axes", COPY_AGAIN)
    if len(sizes) not in (2, 3):
        raise UnreadableFileError(
            path, f"has {len(sizes)} axes, where a volume has three",
            "store each volume of a series in a file of its own",
        )  # fmt: skip
    channels = whole_numbers(path, fields.get("elementnumberofchannels", "1"))
    if not _truth(path, fields, "binarydata", usual=True):
        raise UnreadableFileError(path, "holds its voxels as text", "export it in binary form")
    _require_plain(path, fields)
    name = fields["elementdatafile"]
    local = name.upper() == "LOCAL"
    packed = _truth(path, fields, "compresseddata", usual=False)
    affine, has_position = _placed(path, fields, len(sizes))
    x, y, z = (*sizes, 1)[:3]
    header = TextHeader(
        shape=(x, y, z),
        num_channels=channels[0] if len(channels) == 1 else 0,
        channels_first=True,
        dtype=_dtype(path, fields),
        affine=affine,
        has_position=has_position,
        data=path if local else data_beside(path, name),
        offset=_offset(path, fields, end if local else None, packed=packed),
        packed=packed,
    )
    return require_readable(header, path)


def _fields(path: Path, start: bytes) -> tuple[dict[str, str], int]:
    """Fields by plain name, and where the header ends: behind the one that names the data."""
    fields: dict[str, str] = {}
    for line, end in split_lines(start):
        name, sign, value = re.fullmatch(r"([^=:]*)([=:]?)(.*)", line, re.DOTALL).groups()  # type: ignore[union-attr]
        if not sign:
            if line.strip():
                break
            continue
        plain = "".join(name.lower().split())
        plain = _SAME.get(plain, plain)
        if plain in fields:
            raise UnreadableFileError(path, "says something twice in its header", COPY_AGAIN)
        fields[plain] = value.strip()
        if plain == "elementdatafile":
            if "ndims" not in fields or fields.get("objecttype", "Image").lower() != "image":
                break
            return fields, end
    raise UnreadableFileError(path, "is no MetaImage file", COPY_AGAIN)


def _truth(path: Path, fields: Mapping[str, str], name: str, *, usual: bool) -> bool:
    found = _TRUTHS.get(fields[name].lower()) if name in fields else usual
    if found is None:
        raise UnreadableFileError(path, "has a header that is damaged", COPY_AGAIN)
    return found


def _dtype(path: Path, fields: Mapping[str, str]) -> "np.dtype[np.generic]":
    code = _TYPES.get(fields.get("elementtype", "").upper())
    if code is None:
        raise UnreadableFileError(path, "has voxels of a type that is not read", "store numbers")
    if "binarydatabyteordermsb" not in fields and not code.endswith("1"):
        raise UnreadableFileError(path, "does not say the order of bytes", COPY_AGAIN)
    return np.dtype(
        f"{'>' if _truth(path, fields, 'binarydatabyteordermsb', usual=False) else '<'}{code}"
    )


def _require_plain(path: Path, fields: Mapping[str, str]) -> None:
    """Refuse what ITK passes over though it changes values or lengths."""
    if fields.get("distanceunits", "mm").lower() not in ("mm", "?", ""):
        raise UnreadableFileError(path, "has lengths in other units than mm", "store it in mm")
    scaling = {"elementtointensityfunctionslope": 1.0, "elementtointensityfunctionoffset": 0.0}
    for name, usual in scaling.items():
        if name in fields and real_numbers(path, fields[name], 1)[0] != usual:
            raise UnreadableFileError(
                path, "has voxels that are to be scaled", "store the scaled values"
            )


def _offset(
    path: Path, fields: Mapping[str, str], local: int | None, *, packed: bool
) -> int | None:
    """Where the voxels begin, `None` where they are at the end of the file."""
    skip = fields.get("headersize", "0")
    if skip != "0" and (local is not None or packed):
        raise UnreadableFileError(
            path, "has something before its voxels to be skipped", "export it again without it"
        )
    if local is not None:
        return local
    return None if skip == "-1" else sum(whole_numbers(path, skip))


def _placed(path: Path, fields: Mapping[str, str], count: int) -> tuple[Affine, bool]:
    """Affine to RAS mm, and whether the file says where it lies."""
    sides = fields.get("elementspacing", fields.get("elementsize"))
    spacing = np.ones(count) if sides is None else real_numbers(path, sides, count)
    matrix, offset = fields.get("transformmatrix"), fields.get("offset")
    axes = np.eye(count) if matrix is None else real_numbers(path, matrix, count**2)
    affine = np.eye(4)
    # A row of the matrix is the direction of an axis.
    affine[:count, :count] = axes.reshape(count, count).T * spacing
    if offset is not None:
        affine[:count, 3] = real_numbers(path, offset, count)
    if count == 2 or (matrix is None and offset is None):
        return affine, False
    return LPS_TO_RAS @ affine, True
