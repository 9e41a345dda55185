"""Unpacking archives from elsewhere: tar, tar.gz and zip, into a new folder or not at all.

Nothing of an archive's own paths is trusted. Absolute paths, `..`, links, devices and
sparse files are refused; so are archives that unpack into far more than they are.
"""

import gzip
import io
import os
import re
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path, PurePosixPath
from stat import S_IFMT, S_ISDIR, S_ISREG
from typing import IO

from ecs_med.errors import DataError, UnreadableFileError
from ecs_med.files import regular_file
from ecs_med.litter import clear_litter, temporary_prefix

__all__ = ["Limits", "Rename", "extract_archive"]

CHUNK = 2**20
MAX_READ = 16 * CHUNK
"""Longest single read. File contents are read in pieces, so only a header of a tar file that
claims this size would be longer, to fill the memory."""
END_BLOCKS = 2
"""Blocks of zeros at the end of a tar file."""
ENCRYPTED = 0x1
DRIVE = re.compile(r"[A-Za-z]:")
REMEDY = "Do not use it; take the archive from its official source again"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may come out; there is room for Cityscapes (12 GB) and VOC's 40,000 files.

    Attributes:
        num_members: Files and folders.
        total_bytes: Bytes of all files together.
        ratio: Unpacked bytes by bytes of the archive; pictures hardly compress, and class
            maps rarely by more than 100.
    """

    num_members: int = 500_000
    total_bytes: int = 64 * 2**30
    ratio: float = 200.0


@dataclass(frozen=True, slots=True)
class _Member:
    """A file or folder of an archive; `source` is what its library knows it by."""

    path: PurePosixPath
    is_folder: bool
    num_bytes: int
    source: tarfile.TarInfo | zipfile.ZipInfo
    open: Callable[[], IO[bytes] | None]


Rename = Callable[[int, str], str]
"""From the number of a file, from 1, and its path in the archive to the name that it gets."""


def extract_archive(
    archive: Path,
    target: Path,
    *,
    inner: str = "",
    limits: Limits | None = None,
    rename: Rename | None = None,
) -> int:
    """Unpack `archive` so that `target` is there whole or not at all.

    Files are written into a temporary folder beside `target`, which is renamed at the
    end. Permissions and times of the archive are not taken over.

    Args:
        archive: A `.tar`, `.tar.gz` or `.zip` file, known by its content.
        target: Folder to make; it must not exist, or be empty.
        inner: Folder of the archive that becomes `target`, such as `VOCdevkit/VOC2012`;
            what lies outside of it is not unpacked. Empty: everything.
        limits: How much it may unpack into.
        rename: Names files, all of which then lie in `target` itself; no message holds a name of
            the archive's own.

    Returns:
        Number of files.

    Raises:
        DataError: If `target` is there already or cannot be written.
        UnreadableFileError: If the archive is damaged, hostile, or holds nothing of `inner`.
    """
    if not archive.is_file():
        raise UnreadableFileError(archive, "is not there", "Check the path")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(f"{target}: is there already; remove it, or unpack into another folder.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        clear_litter(target.parent)
        with tempfile.TemporaryDirectory(
            dir=target.parent,
            prefix=temporary_prefix(target.name),
            suffix=".tmp",
            ignore_cleanup_errors=True,
        ) as temporary:
            unpacked = Path(temporary) / "unpacked"
            unpacked.mkdir()
            inside, bounds = PurePosixPath(inner), limits or Limits()
            num_files = _unpack(archive, unpacked, inside, bounds, rename)
            if not num_files:
                what = f"holds no file in {inner}" if inner else "holds no file"
                raise UnreadableFileError(archive, what, REMEDY)
            unpacked.replace(target)
    except OSError as error:
        raise DataError(
            f"{target}: {'it' if rename else archive.name} cannot be unpacked here "
            f"({error.strerror or error}); free disk space or choose another folder."
        ) from error
    return num_files


def _unpack(
    archive: Path, folder: Path, inner: PurePosixPath, limits: Limits, rename: Rename | None
) -> int:
    size = archive.stat().st_size
    allowed = min(limits.total_bytes, int(limits.ratio * size) + CHUNK)
    num_files = num_bytes = 0
    with _opened(archive, allowed, tells=rename is None) as opened:
        for number, member in enumerate(_members(archive, opened, rename), 1):
            if number > limits.num_members:
                raise _refused(archive, f"holds more than {limits.num_members:,} files")
            if not member.path.is_relative_to(inner) or (member.is_folder and rename):
                continue
            _require_plain(archive, member)
            num_bytes += member.num_bytes
            if num_bytes > allowed:
                raise _refused(archive, f"of {size:,} bytes unpacks into more than {allowed:,}")
            path = folder / member.path.relative_to(inner)
            if member.is_folder:
                path.mkdir(parents=True, exist_ok=True)
            else:
                _write(archive, member, path)
                num_files += 1
    return num_files


class _BoundedReader(io.RawIOBase):
    """Reads a stream up to a position, and never much at once; all that tarfile asks for."""

    def __init__(self, stream: io.BufferedIOBase, num_bytes: int, archive: Path) -> None:
        self._stream = stream
        self._num_bytes = num_bytes
        self._archive = archive

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= MAX_READ:
            raise _refused(self._archive, f"holds a header of {size:,} bytes")
        self._require_inside(self._stream.tell() + size)
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_SET:
            self._require_inside(offset)
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True

    def _require_inside(self, position: int) -> None:
        if position > self._num_bytes + MAX_READ:
            raise _refused(self._archive, f"unpacks into more than {self._num_bytes:,} bytes")


@contextmanager
def _opened(
    archive: Path, allowed: int, *, tells: bool
) -> Iterator[tarfile.TarFile | zipfile.ZipFile]:
    """The archive, opened by content; what its libraries raise becomes one sentence.

    With `tells`, that sentence quotes them, who quote names of files.
    """
    try:
        with regular_file(archive).open("rb") as stream:
            zipped = stream.read(2) == b"\x1f\x8b"
            stream.seek(0)
            if not zipped and zipfile.is_zipfile(stream):
                with zipfile.ZipFile(archive) as opened_zip:
                    yield opened_zip
                return
            stream.seek(0)
            plain: io.BufferedIOBase = gzip.GzipFile(fileobj=stream) if zipped else stream
            bounded = _BoundedReader(plain, allowed, archive)
            with tarfile.open(fileobj=bounded, mode="r:") as opened_tar:
                yield opened_tar
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile) as error:
        why = f" ({error})" if tells else ""
        raise UnreadableFileError(archive, f"is a damaged archive{why}", REMEDY) from None
    except (NotImplementedError, ValueError, RuntimeError, UnicodeError) as error:
        why = str(error) if tells else type(error).__name__
        raise UnreadableFileError(archive, f"cannot be unpacked ({why})", REMEDY) from None


def _members(
    archive: Path, opened: tarfile.TarFile | zipfile.ZipFile, rename: Rename | None
) -> Iterator[_Member]:
    """Files and folders with checked paths; their kinds are checked when they are wanted."""
    numbers = count(1)

    def named(name: str) -> PurePosixPath:
        path = _safe(archive, name, tells=rename is None)
        return PurePosixPath(rename(next(numbers), name)) if rename else path

    if isinstance(opened, zipfile.ZipFile):
        for info in opened.infolist():
            path, content = named(info.filename), partial(opened.open, info)
            yield _Member(path, info.is_dir(), info.file_size, info, content)
        return
    while (entry := opened.next()) is not None:
        # The list that tarfile keeps would grow with the archive.
        opened.members.clear()  # type: ignore[attr-defined]
        path, unpacked = named(entry.name), partial(opened.extractfile, entry)
        yield _Member(path, entry.isdir(), entry.size, entry, unpacked)
    _require_end(archive, opened)


def _require_end(archive: Path, opened: tarfile.TarFile) -> None:
    """Refuse a tar file without its end mark, which tarfile takes for complete."""
    stream = opened.fileobj
    assert stream is not None
    stream.seek(opened.offset)
    num_bytes = 0
    # Read to the very end, where gzip compares the checksum; a block of zeros amid the files
    # would hide those behind it.
    while chunk := stream.read(CHUNK):
        num_bytes += len(chunk)
        if chunk.count(0) != len(chunk):
            raise UnreadableFileError(archive, "ends early or is damaged", REMEDY)
    if num_bytes < END_BLOCKS * tarfile.BLOCKSIZE:
        raise UnreadableFileError(archive, "ends early or is damaged", REMEDY)


def _safe(archive: Path, name: str, *, tells: bool = True) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or DRIVE.match(name):
        told = f"the path '{name[:80]}'" if tells else "a path"
        raise _refused(archive, f"holds {told}, which leads out of its folder")
    return path


def _require_plain(archive: Path, member: _Member) -> None:
    """Refuse everything but ordinary files and folders."""
    source = member.source
    if isinstance(source, zipfile.ZipInfo):
        mode = source.external_attr >> 16
        plain = not S_IFMT(mode) or S_ISREG(mode) or S_ISDIR(mode)
        if source.flag_bits & ENCRYPTED:
            raise _refused(archive, f"holds '{member.path}' with a password")
    else:
        plain = source.isdir() or (source.isreg() and not source.issparse())
    if not plain:
        raise _refused(archive, f"holds '{member.path}', a link, device or sparse file")


def _write(archive: Path, member: _Member, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = member.open()
    assert stream is not None
    if os.path.lexists(path):
        raise _refused(archive, f"holds '{member.path}' twice")
    written = 0
    with stream, path.open("xb") as file:
        while chunk := stream.read(CHUNK):
            written += len(chunk)
            if written > member.num_bytes:
                raise _refused(archive, f"holds '{member.path}', longer than it says")
            file.write(chunk)
    if written != member.num_bytes:
        raise UnreadableFileError(archive, f"ends inside of '{member.path}'", REMEDY)


def _refused(archive: Path, what: str) -> UnreadableFileError:
    return UnreadableFileError(archive, what, REMEDY)
