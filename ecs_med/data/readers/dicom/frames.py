"""DICOM files that are pictures or sequences: colours, X-rays, ultrasound, endoscopy."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.dicom.decoding import decode_opened
from ecs_med.data.readers.dicom.files import open_dataset, opened
from ecs_med.data.readers.dicom.grays import shown_gray
from ecs_med.data.readers.dicom.palettes import read_palette
from ecs_med.data.readers.dicom.pixel_format import PixelFormat, pixel_format
from ecs_med.data.readers.scans import Scan, ScanHeader
from ecs_med.errors import UnreadableFileError
from ecs_med.memory import free_memory
from ecs_med.types import Problem

if TYPE_CHECKING:
    import pydicom

__all__ = ["burned_in", "header", "num_frames", "read"]

_OFTEN_WITH_TEXT = ("US", "ES", "XC", "SC", "OT", "XA", "RF")
"""Modalities whose pictures often show a name."""

_LARGE_BYTES = 2**26
"""From so many bytes on, it is asked first whether memory holds a sequence."""


def num_frames(path: Path) -> int:
    """How many pictures a file holds.

    Raises:
        UnreadableFileError: If it cannot be read, or holds none.
    """
    return _format(open_dataset(path), path).num_frames


def header(path: Path, frame: int | None = None) -> ScanHeader:
    """What a file is, without decoding pixels; arguments, shapes and errors as `read`."""
    found = _format(open_dataset(path), path)
    size = (found.rows, found.columns)
    if frame is None and found.num_frames > 1:
        return ScanHeader((found.num_frames, *size), 3, None, "sequence")
    _require_frame(frame, found, path)
    return ScanHeader(size, 3, None, "picture")


def read(path: Path, frame: int | None = None) -> Scan:
    """A picture, or all frames of a file that holds several.

    YBR and palettes become RGB of 8 bits, by dropping the lower bits where there are more. Grey
    becomes three equal channels, as viewers show it (see `shown_gray`); where the file names no
    window, each frame of more than 8 bits is stretched for itself.

    Args:
        path: The file; it has no place in space, or none that matters.
        frame: A single frame, which is a picture; the others are not decoded.

    Returns:
        `(3, H, W)` uint8, or `(3, T, H, W)` for several frames.

    Raises:
        UnreadableFileError: If the file cannot be read or decoded, or lacks the frame.
        MissingExtraError: If nothing is installed that decodes its compression.
    """
    with opened(path) as (dataset, stream):
        found = _format(dataset, path)
        show = _Shown(dataset, found, path)
        if frame is None and found.num_frames > 1:
            planes = _room(found, path)
            for index, stored in enumerate(decode_opened(dataset, stream, path)):
                planes[:, index] = show.rgb(stored, index)
            return Scan(planes, None, "sequence")
        _require_frame(frame, found, path)
        index = frame or 0
        (stored,) = decode_opened(dataset, stream, path, frames=[index])
        return Scan(show.rgb(stored, index), None, "picture")


def burned_in(dataset: "pydicom.Dataset", path: Path) -> Problem | None:
    """A warning where names may stand in the pixels themselves.

    Args:
        dataset: A header.
        path: Its file.

    Returns:
        The warning, if the header says that there is text, or if it says nothing and the modality
        often has some.
    """
    said = str(dataset.get("BurnedInAnnotation") or "").strip().upper()
    modality = str(dataset.get("Modality") or "").strip().upper()
    if said == "YES":
        reason = "its header says that text is burned into its pixels"
    elif not said and modality in _OFTEN_WITH_TEXT:
        reason = f"pictures of modality {modality} often show text, and its header does not deny it"
    else:
        return None
    return Problem(
        "warning", reason, "Look for names before sharing pictures of reports or results", path
    )


def _format(dataset: "pydicom.Dataset", path: Path) -> PixelFormat:
    found = pixel_format(dataset, path)
    if found.is_color and (found.bits_allocated < 8 or dataset.get("PixelRepresentation")):
        raise UnreadableFileError(
            path, "its colours are stored as no colours are", "export it as RGB of 8 bits"
        )
    return found


def _require_frame(frame: int | None, found: PixelFormat, path: Path) -> None:
    if frame is not None and not 0 <= frame < found.num_frames:
        raise UnreadableFileError(
            path, f"has no frame {frame}", f"name one of 0 to {found.num_frames - 1}"
        )


def _room(found: PixelFormat, path: Path) -> npt.NDArray[np.uint8]:
    """An array for all frames, if memory holds it."""
    shape: Sequence[int] = (3, found.num_frames, found.rows, found.columns)
    needed = int(np.prod(shape, dtype=np.int64))
    free = free_memory() if needed >= _LARGE_BYTES else None
    if free is not None and needed > free:
        raise UnreadableFileError(
            path, f"its {found.num_frames:,} frames need {needed / 1e9:.1f} GB of memory, and "
            f"{max(free, 0) / 1e9:.1f} GB are free",
            "close other programs, or split it",
        )  # fmt: skip
    return np.empty(shape, np.uint8)


class _Shown:
    """Turns decoded frames of a file into RGB."""

    def __init__(self, dataset: "pydicom.Dataset", found: PixelFormat, path: Path) -> None:
        self._dataset, self._found, self._path = dataset, found, path
        by_palette = found.photometric == "PALETTE COLOR"
        self._palette = read_palette(dataset, path) if by_palette else None

    def rgb(self, stored: npt.NDArray[np.generic], frame: int) -> npt.NDArray[np.uint8]:
        """`(3, H, W)` of `(H, W)` or `(H, W, 3)`."""
        if self._palette is not None:
            return np.ascontiguousarray(self._palette(stored).transpose(2, 0, 1))
        if not self._found.is_color:
            gray = shown_gray(stored, self._dataset, self._found, frame, self._path)
            return np.repeat(gray[None], 3, axis=0)
        if self._found.bits_stored > 8:
            stored = stored.astype(np.uint64) >> np.uint64(self._found.bits_stored - 8)
        return np.ascontiguousarray(stored.astype(np.uint8).transpose(2, 0, 1))
