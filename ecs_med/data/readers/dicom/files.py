"""The one way to open a DICOM file: each failure is one sentence, and no value is quoted."""

import logging
import struct
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ecs_med.data.readers.dicom.bounded import BoundedStream, bounded_stream
from ecs_med.data.readers.dicom.conversion import convert_values
from ecs_med.errors import EcsMedError, UnreadableFileError
from ecs_med.files import regular_file

if TYPE_CHECKING:
    import pydicom

__all__ = ["SUFFIXES", "guarded", "is_dicom", "open_dataset", "opened", "quiet_libraries"]

SUFFIXES = (".dcm", ".ima", ".dicom")

EXPORT_AGAIN = "copy or export it again"
_MAGIC = slice(128, 132)
_DEFER_BYTES = 2**20
"""Larger elements of a header are read when they are asked for: private ones never are."""

_LIBRARIES = ("pydicom", "pylibjpeg", "highdicom", "openjpeg")


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM files do; a missing or unreadable one does not."""
    try:
        with regular_file(path).open("rb") as file:
            head = file.read(_MAGIC.stop)
    except OSError:
        return False
    return head[_MAGIC] == b"DICM" or _begins_without_preamble(head)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep back what DICOM libraries warn of and log: they quote values, and those name patients.

    pydicom converts a value when it is asked for, so this belongs around reading values, too.
    Filters of warnings are those of the whole process: as long as any thread is inside, all are
    quiet, and the last one to leave puts everything back.
    """
    _quiet.enter()
    try:
        yield
    finally:
        _quiet.leave()


class _Quiet:
    """Silence that several threads share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_inside = 0
        self._undo = ExitStack()

    def enter(self) -> None:
        with self._lock:
            if not self._num_inside:
                self._undo.enter_context(warnings.catch_warnings())
                for name in _LIBRARIES:
                    self._undo.enter_context(_silent(logging.getLogger(name)))
            self._num_inside += 1
            warnings.simplefilter("ignore")

    def leave(self) -> None:
        with self._lock:
            self._num_inside -= 1
            if not self._num_inside:
                self._undo.close()


@contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    before = logger.propagate, logger.handlers
    logger.propagate, logger.handlers = False, [logging.NullHandler()]
    try:
        yield
    finally:
        logger.propagate, logger.handlers = before


_quiet = _Quiet()


@contextmanager
def guarded(
    path: Path, reason: str = "cannot be read as DICOM", remedy: str = EXPORT_AGAIN
) -> Iterator[None]:
    """Whatever a DICOM library raises inside becomes one sentence, without the library's words.

    Args:
        path: The file that is worked on.
        reason: What cannot be done, without a full stop; the kind of error is added.
        remedy: What the user can do, without a full stop.

    Raises:
        UnreadableFileError: Instead of everything but an `EcsMedError`.
    """
    try:
        with quiet_libraries():
            yield
    except EcsMedError:
        raise
    except Exception as error:  # libraries raise what they like, with values in it
        reason = f"{reason} ({type(error).__name__})"
        raise UnreadableFileError(path, reason, remedy) from None


def open_dataset(
    path: Path, *, pixels: bool = False, tags: Sequence[int | str] | None = None
) -> "pydicom.FileDataset":
    """Read a file.

    Position, pixels, segments, contours, modality and SOP class can be asked for without errors
    (not what lies inside sequences): a value that makes no sense is
    refused here, but for the last two, which then count as absent. Everything else is converted
    by pydicom when it is asked for, and may raise: ask inside `guarded`.

    Args:
        path: The file.
        pixels: Whether its pixels are wanted, too.
        tags: Elements to read, which is faster than all.

    Raises:
        UnreadableFileError: If it cannot be read; no value of the file is quoted.
    """
    with opened(path, pixels=pixels, tags=tags) as (dataset, _):
        return dataset


@contextmanager
def opened(
    path: Path, *, pixels: bool = False, tags: Sequence[int | str] | None = None
) -> Iterator[tuple["pydicom.FileDataset", BoundedStream]]:
    """A file's header, and its stream, which stands at the pixels if they were not read.

    Arguments and errors are those of `open_dataset`; errors inside are the caller's.
    """
    import pydicom

    with guarded(path):
        stream = bounded_stream(_checked(path))
    with stream:
        if pixels:
            stream.admit_pixels()
        with guarded(path):
            dataset = pydicom.dcmread(
                stream,
                defer_size=None if pixels else _DEFER_BYTES,
                stop_before_pixels=not pixels,
                force=True,
                specific_tags=list(tags) if tags else None,
            )
            if not dataset and not tags:
                raise UnreadableFileError(path, "its header is empty or damaged", EXPORT_AGAIN)
            convert_values(dataset, stream, path)
        yield dataset, stream


def _checked(path: Path) -> Path:
    """The file, if it is an ordinary one that begins as DICOM does."""
    try:
        with regular_file(path).open("rb") as file:
            _require_dicom(file, path)
    except FileNotFoundError:
        raise UnreadableFileError(path, "no such file", "check the name") from None
    except OSError as error:
        reason = f"cannot be opened ({error.strerror})"
        raise UnreadableFileError(path, reason, "check the path and its permissions") from None
    return path


def _require_dicom(file: BinaryIO, path: Path) -> None:
    head = file.read(_MAGIC.stop)
    if not head:
        raise UnreadableFileError(path, "empty file", EXPORT_AGAIN)
    if head[_MAGIC] != b"DICM" and not _begins_without_preamble(head):
        raise UnreadableFileError(path, "not a DICOM file, whatever its name says", EXPORT_AGAIN)


def _begins_without_preamble(head: bytes) -> bool:
    """Whether the first element is one of group 8, or of group 2, as of files cut to the data."""
    if len(head) < 12:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    short = int.from_bytes(head[4:8], "little") <= 256  # the length, where there is no VR
    for order in ("<", ">"):
        group, element = struct.unpack_from(f"{order}HH", head)
        if group == 8 and element <= 0x70 and (explicit or short):
            return True
    return head[:2] == b"\2\0" and head[4:6] in (b"UL", b"OB", b"UI")
