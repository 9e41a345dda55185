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

_NRRD_FIELDS = {
    "axismaxs", "axismins", "blocksize", "byteskip", "centers", "centerings", "content", "data",
    "datafile", "dimension", "encoding", "endian", "kinds", "labels", "lineskip", "max",
    "measurementframe", "min", "number", "oldmax", "oldmin", "sampleunits", "sizes", "space",
    "spacedimension", "spacedirections", "spaceorigin", "spaceunits", "spacings", "thicknesses",
    "type", "units",
}  # fmt: skip
_DOMAINS = {"domain", "space", "time"}
_SPACES = {
    "left-posterior-superior", "lps", "right-anterior-superior", "ras", "left-anterior-superior",
    "las",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TextHeader:
    """What a header says.

    Attributes:
        sizes: Along the axes that are in space, 2 or 3 of them.
        num_channels: Values of a voxel.
        has_position: Whether the file says where it lies.
        fields: Fields of the header by their name in lower case and without blanks.
        extra: Key and value pairs of NRRD, as they stand.
    """

    sizes: tuple[int, ...]
    num_channels: int
    has_position: bool
    fields: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def data_file(self) -> str:
        """Name of the file of the voxels; empty: they follow the header."""
        name = self.fields.get("datafile", self.fields.get("elementdatafile", "")).strip()
        return "" if name.upper() == "LOCAL" else name


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
    fields, extra = _nrrd_fields(path, start[:end])
    sizes = _whole_numbers(path, fields.get("sizes", ""))
    if fields.get("dimension", "").strip() != str(len(sizes)):
        raise UnreadableFileError(path, "names another number of sizes than of axes", COPY_AGAIN)
    num_channels, in_space = _apart(sizes, fields.get("kinds", "").lower().split())
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
    found_header = TextHeader(in_space, num_channels, _is_placed(path, fields), fields, extra)
    data = found_header.data_file
    there = _size_beside(path, data) if data else size - end
    _require_bytes(path, math.prod(sizes) * wide, there * ratio)
    return found_header


def _nrrd_fields(path: Path, header: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """Fields, and pairs of keys and values, which must not look like fields."""
    fields: dict[str, str] = {}
    extra: dict[str, str] = {}
    for line in _lines(header)[1:]:
        pair = re.match(r"([^:]*):=(.*)", line)
        one = re.match(r"([^:]*): ?(.*)", line)
        if not line.strip() or line.startswith("#"):
            continue
        if pair is None and one is None:
            raise UnreadableFileError(path, "has a line in its header that is none", COPY_AGAIN)
        if pair is not None and _plain(pair[1]) not in _NRRD_FIELDS:
            extra[pair[1].strip()] = pair[2].strip()
            continue
        name = _plain(one[1]) if one is not None else ""
        if pair is not None or name in fields:
            raise UnreadableFileError(path, "says something twice in its header", COPY_AGAIN)
        fields[name] = one[2] if one is not None else ""
    return fields, extra


def _apart(sizes: tuple[int, ...], kinds: list[str]) -> tuple[int, tuple[int, ...]]:
    """Number of channels, and the sizes in space: one axis may hold values of a voxel."""
    if len(kinds) == len(sizes) and len(sizes) in (3, 4):
        values = [axis for axis, kind in enumerate(kinds) if kind not in _DOMAINS]
        if len(values) == 1:
            return sizes[values[0]], sizes[: values[0]] + sizes[values[0] + 1 :]
    return 1, sizes


def _is_placed(path: Path, fields: Mapping[str, str]) -> bool:
    """Whether a header says where the volume lies, in words that ITK understands."""
    if "spacedirections" not in fields or "space" not in fields:
        return False
    if " ".join(fields["space"].lower().split()) not in _SPACES:
        raise UnreadableFileError(
            path, "lies in a space that is not that of a patient lying in a scanner",
            "export it as left-posterior-superior (LPS) or right-anterior-superior (RAS)",
        )  # fmt: skip
    units = set(re.findall(r'"([^"]*)"', fields.get("spaceunits", "")))
    if units - {"mm", "millimeter", "millimeters", ""}:
        raise UnreadableFileError(path, "has other units than mm", "export it in mm")
    return True


def _meta_image(path: Path, start: bytes, size: int) -> TextHeader:
    fields: dict[str, str] = {}
    end = 0
    while "elementdatafile" not in fields:
        line, more, _ = start[end:].partition(b"\n")
        end += len(line) + len(more)
        found = re.fullmatch(r"\s*(\w+)\s*[=:]\s*(.*?)\s*", line.decode("latin-1"))
        if found is None or not more:
            raise UnreadableFileError(path, "is no MetaImage file", COPY_AGAIN)
        if found[1].lower() in fields:
            raise UnreadableFileError(path, "says something twice in its header", COPY_AGAIN)
        fields[found[1].lower()] = found[2]
    if "ndims" not in fields:
        raise UnreadableFileError(path, "is no MetaImage file", COPY_AGAIN)
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
    names = ("transformmatrix", "rotation", "orientation", "offset", "position", "origin")
    placed = any(name in fields for name in names)
    header = TextHeader(sizes, num_channels, placed, fields)
    there = _size_beside(path, header.data_file) if header.data_file else size - end
    _require_bytes(
        path, math.prod(sizes) * num_channels * wide, there * (_MAX_DEFLATE_RATIO if packed else 1)
    )
    return header


def _lines(header: bytes) -> list[str]:
    # Every byte is one character, and lines end where ITK's do.
    return [line.rstrip("\r") for line in header.decode("latin-1").split("\n")]


def _plain(name: str) -> str:
    return "".join(name.lower().split())


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
    if min(*sizes, num_channels) < 1:
        raise UnreadableFileError(path, "has an axis without voxels", COPY_AGAIN)
    if num_channels > _MAX_CHANNELS:
        raise UnreadableFileError(
            path, f"has {num_channels:,} values a voxel, and {_MAX_CHANNELS:,} are read at most",
            "choose some of them",
        )  # fmt: skip
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
