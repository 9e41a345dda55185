"""A DICOM file as a stream that no library can be made to read without end."""

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ecs_med.errors import UnreadableFileError

__all__ = ["BoundedStream", "bounded_stream"]

MAX_FILE_BYTES = 8 * 2**30
"""Room for 2^30 voxels of four bytes, twice."""

MAX_HEADER_BYTES = 256 * 2**20
"""What lies before the pixels; contours of structures can take so much."""

MAX_HEADER_EFFORT = 2**24
LEAST_HEADER_EFFORT = 2**22
"""Room for 4,000 frames described one by one, as MR machines do it. A read counts as 1, the start
of an element as 4, that of an item of a sequence as 24: that is how time and memory go."""

_BYTES_AN_EFFORT = 32
"""A file that is large for its pixels may describe more of them."""

MAX_INFLATED_BYTES = 512 * 2**20
MAX_INFLATION = 200
_SLACK_BYTES = 16 * 2**20
"""So much may come out whatever the ratio: empty slices deflate to next to nothing."""

_START_BYTES = 8
_ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")

DEFLATED = b"1.2.840.10008.1.2.1.99"
_PLAIN = b"1.2.840.10008.1.2.1\0\0\0"
_CHUNK = 2**20
_LONG_VRS = frozenset(b"OB OW OF OD OL OV SQ UC UN UR UT SV UV".split())


@dataclass(slots=True)
class _Budget:
    """What may still be read of one file."""

    effort: int
    num_bytes: int = MAX_HEADER_BYTES

    @classmethod
    def of_file(cls, size: int) -> Self:
        """For a header of a file of so many bytes."""
        return cls(min(MAX_HEADER_EFFORT, LEAST_HEADER_EFFORT + size // _BYTES_AN_EFFORT))

    def charge(self, effort: int, num_bytes: int = 0) -> None:
        self.effort -= effort
        self.num_bytes -= num_bytes
        if self.effort < 0 or self.num_bytes < 0:
            raise ValueError("a header without end")


class BoundedStream(io.BufferedReader):
    """A file whose header can be read once, and not for ever.

    Reads are counted until `unbind` is called. pydicom reads without a length in one place only,
    which is to inflate a whole file in one go.
    """

    def __init__(self, raw: io.RawIOBase, budget: _Budget) -> None:
        super().__init__(raw)
        self._budget = budget

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any file, within the bounds.

        Raises:
            ValueError: If more is asked for.
        """
        if size is None or size < 0:
            raise ValueError("a read without a length")
        content = super().read(size)
        effort = 1
        if size == _START_BYTES:
            effort = 24 if content[:4] in _ITEMS else 4
        self._budget.charge(effort, len(content))
        return content

    def within(self, value: bytes) -> "BoundedStream":
        """The value of an element as a stream, read within the same bounds."""
        return BoundedStream(_Named(io.BytesIO(value), ""), self._budget)

    def admit_pixels(self) -> None:
        """Let pixels be read with the header."""
        self._budget.num_bytes = MAX_FILE_BYTES

    def unbind(self) -> None:
        """Read on without bounds: the header is behind."""
        self._budget.effort = self._budget.num_bytes = MAX_FILE_BYTES


def bounded_stream(path: Path) -> BoundedStream:
    """Open a file; one whose content is deflated comes inflated, within bounds.

    Args:
        path: An ordinary file.

    Raises:
        OSError: If it cannot be opened.
        UnreadableFileError: If it is too large, or inflates into too much.
    """
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise UnreadableFileError(
            path, f"has {size / 1e9:.1f} GB, which no DICOM file of one scan needs", "split it"
        )
    stream = BoundedStream(io.FileIO(str(path)), _Budget.of_file(size))
    try:
        start = _end_of_meta(stream)
        stream.seek(0)
        meta = stream.read(start)
        if DEFLATED not in meta:
            stream.seek(0)
            return stream
        stream.unbind()
        inflated = io.BytesIO()
        inflated.write(meta.replace(DEFLATED, _PLAIN))
        _inflate(stream, inflated, path, size - start)
    except BaseException:
        stream.close()
        raise
    stream.close()
    budget = _Budget.of_file(inflated.tell())
    inflated.seek(0)
    return BoundedStream(_Named(inflated, str(path)), budget)


class _Named(io.RawIOBase):
    """Bytes in memory with the name of their file, which pydicom asks for."""

    def __init__(self, content: io.BytesIO, name: str) -> None:
        super().__init__()
        self._content = content
        self.name = name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        return self._content.readinto(buffer)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._content.seek(offset, whence)


def _end_of_meta(stream: BoundedStream) -> int:
    """Where group 2 ends; as pydicom finds it, whatever the group's length says."""
    start = 132 if stream.read(132)[128:] == b"DICM" else 0
    while True:
        stream.seek(start)
        head = stream.read(12)
        if len(head) < 8 or head[:2] != b"\2\0":
            return start
        if head[4:6] in _LONG_VRS and len(head) == 12:
            start += 12 + int(struct.unpack_from("<I", head, 8)[0])
        else:
            start += 8 + int(struct.unpack_from("<H", head, 6)[0])


def _inflate(source: BoundedStream, target: io.BytesIO, path: Path, size: int) -> None:
    most = min(MAX_INFLATED_BYTES, max(_SLACK_BYTES, MAX_INFLATION * size))
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    left = most
    chunk = source.read(_CHUNK)
    while chunk and not inflater.eof:
        content = inflater.decompress(chunk, _CHUNK)
        left -= len(content)
        if left < 0:
            raise UnreadableFileError(
                path, f"inflates from {size:,} bytes into more than {most:,}",
                "do not use it, or export it without the deflated transfer syntax",
            )  # fmt: skip
        target.write(content)
        chunk = inflater.unconsumed_tail or source.read(_CHUNK)
