"""Text headers of NRRD and MetaImage files, held against the bytes that are there.

ITK believes what a header says of sizes and asks for the memory; here a header is believed only
where the data can be as large, and only data beside the header is opened.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ecs_med.data.readers.nifti_header import MAX_VOXELS
from ecs_med.errors import UnreadableFileError
from ecs_med.files import regular_file

__all__ = ["COPY_AGAIN", "TextHeader", "text_header"]

COPY_AGAIN = "copy or export it again"
_MAX_HEADER = 2**20
_MAX_DEFLATE_RATIO = 1040
"""DEFLATE cannot compress better than 1032:1."""
_MAX_CHANNELS = 1024

_NRRD_BYTES: Mapping[str, int] = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "unsigned char", "uchar", "uint8",
                     "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t",
                     "unsigned short", "ushort", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t", "unsigned int", "uint", "uint32",
                     "uint32_t", "float"), 4),
    **dict.fromkeys(("longlong", "long long", "long long int", "int64", "int64_t", "ulonglong",
                     "unsigned long long", "uint64", "uint64_t", "double"), 8),
}  # fmt: skip
_META_BYTES: Mapping[str, int] = {
    "MET_CHAR": 1, "MET_UCHAR": 1, "MET_SHORT": 2, "MET_USHORT": 2, "MET_INT": 4, "MET_UINT": 4,
    "MET_FLOAT": 4, "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8, "MET_DOUBLE": 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TextHeader:
    """What a header says.

    Attributes:
        sizes: Along the axes that are in space, 2 or 3 of them.
        num_channels: Values of a voxel.
        has_position: Whether the file says where it lies.
        fields: Lines of the header by their name in lower case, as they stand.
    """

    sizes: tuple[int, ...]
    num_channels: int
    has_position: bool
    fields: Mapping[str, str] = field(default_factory=dict)


def text_header(path: Path) -> TextHeader:
    """Read and check a header.

    Args:
        path: `.nrrd`, `.nhdr`, `.mha` or `.mhd`.

    Raises:
        UnreadableFileError: If it is no such file, or says what cannot be true or is not read.
    """
    is_nrrd = path.name.lower().endswith((".nrrd", ".nhdr"))
    try:
        with regular_file(path).open("rb") as file:
            start = file.read(_MAX_HEADER)
        size = path.stat().st_size
    except OSError as error:
        raise UnreadableFileError(path, error.strerror or "cannot be read", "check it") from error
    return _nrrd(path, start, size) if is_nrrd else _meta_image(path, start, size)


def _nrrd(path: Path, start: bytes, size: int) -> TextHeader:
    if not start.startswith(b"NRRD000"):
        raise UnreadableFileError(path, "is no NRRD file", COPY_AGAIN)
    found = re.search(rb"\r?\n\r?\n", start)
    if found is None and (len(start) == _MAX_HEADER or not path.name.lower().endswith(".nhdr")):
        raise UnreadableFileError(path, "has a header without an end", COPY_AGAIN)
    end = found.end() if found else len(start)
    fields = _fields(start[:end], r"([^:=]+):=? ?(.*)")
    sizes = _whole_numbers(path, fields.get("sizes", ""))
    if fields.get("dimension", "").strip() != str(len(sizes)):
        raise UnreadableFileError(path, "names another number of sizes than of axes", COPY_AGAIN)
    kinds = fields.get("kinds", "").split()
    own = len(sizes) in (3, 4) and kinds[:1] != [] and kinds[0].lower() not in ("domain", "space")
    num_channels, in_space = (sizes[0], sizes[1:]) if own else (1, sizes)
    _require_sizes(path, in_space, num_channels)
    wide = _NRRD_BYTES.get(" ".join(fields.get("type", "").lower().split()))
    if wide is None:
        raise UnreadableFileError(path, "has voxels of a type that is not read", "store numbers")
    encoding = fields.get("encoding", "").strip().lower()
    ratios = {"raw": 1.0, "gz": _MAX_DEFLATE_RATIO, "gzip": _MAX_DEFLATE_RATIO}
    ratio = ratios.get(encoding)
    if ratio is None:
        raise UnreadableFileError(
            path, "is encoded neither raw nor by gzip", "export it with one of these"
        )
    data = fields.get("data file", fields.get("datafile"))
    there = size - end if data is None else _size_beside(path, data)
    _require_bytes(path, math.prod(sizes) * wide, there * ratio)
    placed = "space directions" in fields and ("space" in fields or "space dimension" in fields)
    return TextHeader(in_space, num_channels, placed, fields)


def _meta_image(path: Path, start: bytes, size: int) -> TextHeader:
    found = re.search(rb"^ElementDataFile *= *([^\r\n]*)\r?\n?", start, re.MULTILINE)
    if found is None or b"NDims" not in start[: found.start()]:
        raise UnreadableFileError(path, "is no MetaImage file", COPY_AGAIN)
    fields = _fields(start[: found.end()], r"([^=]+)= ?(.*)")
    sizes = _whole_numbers(path, fields.get("dimsize", ""))
    if fields.get("ndims", "").strip() != str(len(sizes)):
        raise UnreadableFileError(path, "names another number of sizes than of axes", COPY_AGAIN)
    (num_channels,) = _whole_numbers(path, fields.get("elementnumberofchannels", "1"))[:1] or (0,)
    _require_sizes(path, sizes, num_channels)
    wide = _META_BYTES.get(fields.get("elementtype", "").strip().upper())
    if wide is None:
        raise UnreadableFileError(path, "has voxels of a type that is not read", "store numbers")
    if fields.get("binarydata", "true").strip().lower() != "true":
        raise UnreadableFileError(path, "holds its voxels as text", "export it in binary form")
    packed = fields.get("compresseddata", "false").strip().lower() == "true"
    data = found[1].decode("utf-8", "replace").strip()
    there = size - found.end() if data.upper() == "LOCAL" else _size_beside(path, data)
    _require_bytes(
        path, math.prod(sizes) * num_channels * wide, there * (_MAX_DEFLATE_RATIO if packed else 1)
    )
    names = ("transformmatrix", "rotation", "orientation", "offset", "position", "origin")
    return TextHeader(sizes, num_channels, any(name in fields for name in names), fields)


def _fields(header: bytes, pattern: str) -> dict[str, str]:
    lines = header.decode("utf-8", "replace").splitlines()
    found = (re.fullmatch(pattern, line) for line in lines if not line.startswith("#"))
    return {match[1].strip().lower(): match[2] for match in found if match}


def _whole_numbers(path: Path, text: str) -> tuple[int, ...]:
    parts = text.split()
    if not all(re.fullmatch(r"\d{1,9}", part) for part in parts):
        raise UnreadableFileError(path, "has sizes that are no whole numbers", COPY_AGAIN)
    return tuple(map(int, parts))


def _require_sizes(path: Path, sizes: tuple[int, ...], num_channels: int) -> None:
    if len(sizes) not in (2, 3):
        raise UnreadableFileError(
            path, f"has {len(sizes)} axes in space, where a volume has three",
            "store each volume of a series in a file of its own",
        )  # fmt: skip
    if min(sizes) < 1 or not 1 <= num_channels <= _MAX_CHANNELS:
        raise UnreadableFileError(path, "has an axis without voxels", COPY_AGAIN)
    if math.prod(sizes) * num_channels > MAX_VOXELS:
        raise UnreadableFileError(
            path, f"has {math.prod(sizes) * num_channels:,} values, and {MAX_VOXELS:,} are read at "
            "most", "crop or resample it",
        )  # fmt: skip


def _require_bytes(path: Path, needed: int, possible: float) -> None:
    if needed > possible:
        raise UnreadableFileError(
            path, f"needs {needed:,} bytes of voxels by its header, which its data cannot hold",
            COPY_AGAIN,
        )  # fmt: skip


def _size_beside(path: Path, name: str) -> int:
    """Bytes of a data file, which must lie beside its header."""
    name = name.strip()
    if not name or name.split()[0].upper() == "LIST" or "%" in name:
        raise UnreadableFileError(path, "has its voxels in several files", "store them in one file")
    data = path.parent / name
    if Path(name).name != name or "\\" in name or data == path:
        raise UnreadableFileError(
            path, "names a file of voxels that does not lie beside it", "put both into one folder"
        )
    try:
        return regular_file(data).stat().st_size
    except (OSError, ValueError) as error:
        raise UnreadableFileError(
            path, "has its voxels in a file beside it, which cannot be read", "copy that as well"
        ) from error
