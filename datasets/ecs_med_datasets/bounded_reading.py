"""A stream that refuses to give more than agreed, at once or in all."""

import io
from pathlib import Path

from ecs_med.errors import UnreadableFileError

__all__ = ["MAX_READ", "BoundedReader"]

MAX_READ = 16 * 2**20
"""Longest single read. File contents are read in pieces, so only a header of a tar file that
claims this size would be longer, to fill the memory."""

REMEDY = "Do not use it; take the archive from its official source again"


class BoundedReader(io.RawIOBase):
    """Reads another stream up to a position, and never much at once.

    Args:
        stream: What is read; it must seek.
        num_bytes: Position beyond which nothing is read.
        path: The file, for messages.
    """

    def __init__(self, stream: io.BufferedIOBase, num_bytes: int, path: Path) -> None:
        self._stream = stream
        self._num_bytes = num_bytes
        self._path = path

    def read(self, size: int = -1, /) -> bytes:
        """Read `size` bytes.

        Raises:
            UnreadableFileError: If that is too much.
        """
        if not 0 <= size <= MAX_READ:
            raise self._refused(f"holds a header of {size:,} bytes")
        self._require_inside(self._stream.tell() + size - MAX_READ)
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a position from the start, which is all that tarfile asks for.

        Raises:
            UnreadableFileError: If it is beyond the limit.
        """
        if whence == io.SEEK_SET:
            self._require_inside(offset - MAX_READ)
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """The position."""
        return self._stream.tell()

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def _require_inside(self, position: int) -> None:
        if position > self._num_bytes:
            raise self._refused(f"unpacks into more than {self._num_bytes:,} bytes")

    def _refused(self, what: str) -> UnreadableFileError:
        return UnreadableFileError(self._path, what, REMEDY)
