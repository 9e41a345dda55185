"""A DICOM SEG that was just written, held against what was to be written, frame by frame."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.dicom.planes import SAME_ORIENTATION, Plane

if TYPE_CHECKING:
    import pydicom

__all__ = ["require_equal"]

_SAME_MM = 1e-3
"""Positions that differ less are the same: they are written as decimals."""


def require_equal(
    path: Path,
    numbers: npt.NDArray[np.unsignedinteger],
    sources: Sequence["pydicom.Dataset"],
    planes: Sequence[Plane],
) -> None:
    """Read a binary segmentation back and compare pixels, places and references.

    Frames are unpacked one by one, so that many segments need no memory.

    Args:
        path: The file.
        numbers: `(frames, rows, columns)`, number of the segment of each pixel; 0: none.
        sources: Headers of the files, one a frame, or that of the only file.
        planes: Where each frame lies; without a position, no place is compared.

    Raises:
        RuntimeError: If anything differs, which is a fault of the program and not of its user.
    """
    import pydicom

    written = pydicom.dcmread(path)
    if (written.Rows, written.Columns) != numbers.shape[1:]:
        raise _differs("size of frames")
    places = _places(sources, len(numbers))
    packed = np.frombuffer(written.PixelData, np.uint8)
    num_pixels = 0
    shared = written.SharedFunctionalGroupsSequence[0]
    for index, group in enumerate(written.PerFrameFunctionalGroupsSequence):
        image = _item(group, shared, "DerivationImageSequence").SourceImageSequence[0]
        frame = int(image.get("ReferencedFrameNumber") or 1)
        place = places.get((image.ReferencedSOPInstanceUID, frame))
        if place is None:
            raise _differs("reference to its source")
        segment = _item(group, shared, "SegmentIdentificationSequence").ReferencedSegmentNumber
        pixels = _frame(packed, index, numbers.shape[1:])
        if ((numbers[place] == segment) != pixels).any():
            raise _differs("pixels")
        if "FrameOfReferenceUID" in written and planes[place].position is not None:
            _require_place(group, shared, planes[place])
        num_pixels += int(np.count_nonzero(pixels))
    if num_pixels != np.count_nonzero(numbers):
        raise _differs("number of frames")


def _differs(what: str) -> RuntimeError:
    return RuntimeError(f"DICOM segmentation was written with another {what} than it should have")


def _places(sources: Sequence["pydicom.Dataset"], num_frames: int) -> Mapping[tuple[str, int], int]:
    """Index of each frame by the file that it lies in and its number there, from 1."""
    if len(sources) == 1:
        return {(sources[0].SOPInstanceUID, index + 1): index for index in range(num_frames)}
    return {(source.SOPInstanceUID, 1): index for index, source in enumerate(sources)}


def _frame(
    packed: npt.NDArray[np.uint8], index: int, shape: tuple[int, ...]
) -> npt.NDArray[np.bool_]:
    """Pixels of a frame, which may begin amid a byte."""
    size = int(np.prod(shape))
    start, end = index * size, (index + 1) * size
    bits = np.unpackbits(packed[start // 8 : -(-end // 8)], bitorder="little")
    return bits[start % 8 : start % 8 + size].reshape(shape).astype(bool)


def _item(group: "pydicom.Dataset", shared: "pydicom.Dataset", sequence: str) -> "pydicom.Dataset":
    """What a frame says for itself, or else what is said for all, as where there is one segment."""
    found: pydicom.Dataset = (group if sequence in group else shared)[sequence].value[0]
    return found


def _require_place(group: "pydicom.Dataset", shared: "pydicom.Dataset", plane: Plane) -> None:
    """Compare where a frame lies with where its source does."""
    position = _item(group, shared, "PlanePositionSequence").ImagePositionPatient
    orientation = _item(group, shared, "PlaneOrientationSequence").ImageOrientationPatient
    spacing = _item(group, shared, "PixelMeasuresSequence").PixelSpacing
    if not np.allclose(position, plane.position or (), rtol=0, atol=_SAME_MM):
        raise _differs("position")
    if not np.allclose(orientation, plane.orientation or (), rtol=0, atol=SAME_ORIENTATION):
        raise _differs("orientation")
    if not np.allclose(spacing, plane.spacing or (), rtol=1e-3, atol=0):
        raise _differs("spacing")
