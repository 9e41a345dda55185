"""The one way to open a DICOM file: each failure is one sentence, and no value is quoted."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ecs_med.errors import UnreadableFileError
from ecs_med.files import regular_file

if TYPE_CHECKING:
    import pydicom

__all__ = ["is_dicom", "open_dataset", "quiet_libraries"]

SUFFIXES = (".dcm", ".ima", ".dicom")
_MAGIC = slice(128, 132)


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM files do; a missing or unreadable one does not."""
    try:
        with regular_file(path).open("rb") as file:
            return file.read(_MAGIC.stop)[_MAGIC] == b"DICM"
    except OSError:
        return False


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep back warnings of DICOM libraries: they quote values, and values name patients."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def open_dataset(
    path: Path, *, pixels: bool = False, tags: Sequence[int | str] | None = None
) -> "pydicom.FileDataset":
    """Read a file.

    Args:
        path: The file.
        pixels: Whether its pixels are wanted, too.
        tags: Elements to read, which is faster than all.

    Raises:
        UnreadableFileError: If it cannot be read; no value of the file is quoted.
    """
    import pydicom

    try:
        with quiet_libraries():
            return pydicom.dcmread(
                regular_file(path),
                stop_before_pixels=not pixels,
                specific_tags=list(tags) if tags else None,
            )
    except Exception as error:  # pydicom raises what it likes
        raise UnreadableFileError(
            path, f"cannot be read as DICOM ({type(error).__name__})", "export it again"
        ) from None
