"""DICOM SEG as masks."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.dicom.files import guarded, open_dataset
from ecs_med.data.readers.dicom.painting import Canvas
from ecs_med.data.readers.dicom.plane_placing import PlaneInSpace, place_on_grid, stacked_grid
from ecs_med.data.readers.dicom.references import instance_uid, require_one_space
from ecs_med.data.readers.scans import ScanHeader, StoredMask
from ecs_med.errors import MissingExtraError, UnreadableFileError
from ecs_med.types import Problem

if TYPE_CHECKING:
    import pydicom
    from highdicom.seg import Segmentation

__all__ = ["read_segmentation", "segmentation_header", "segmentation_problems"]

THRESHOLD = 0.5
"""From this probability or share on, a pixel of a fractional segmentation is of its segment."""

Place = tuple[tuple[slice | int, ...], bool]


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a segmentation.

    Attributes:
        number: From 1.
        segment: Whose it is; `None` in a label map, where pixels hold the numbers.
        plane: Where it lies; `None` without a position.
        sources: SOP instance UIDs of the images that it was drawn on; may be empty.
    """

    number: int
    segment: int | None
    plane: PlaneInSpace | None
    sources: frozenset[str]


def read_segmentation(path: Path, images: Sequence[Path] = ()) -> StoredMask:
    """Read a segmentation by the numbers of its segments.

    Frames that lie on voxels of the images are put there, and what the file leaves out is
    background, as the standard says; other frames make a grid of their own.

    Args:
        path: A DICOM SEG.
        images: What it is drawn on, where that is known.

    Raises:
        UnreadableFileError: If it cannot be read, its frames make no grid, or it is not drawn on
            these images.
        MissingExtraError: If highdicom is not installed.
    """
    dataset = open_dataset(path, pixels=True)
    header, places = _placed(dataset, path, images)
    segmentation = _opened(dataset, path)
    with guarded(path, "does not describe its segments"):
        names = _names(dataset)
    numbers = [*names, *(frame.segment or 0 for frame, _ in places)]
    canvas = Canvas.blank(header.shape, numbers, path)
    for frame, (index, transposed) in places:
        with guarded(path, f"frame {frame.number} cannot be decoded", "export it uncompressed"):
            pixels = segmentation.get_stored_frame(frame.number)
            pixels = pixels.T if transposed else pixels
            for number, drawn in _drawn(pixels, frame, dataset):
                canvas.paint(index, drawn, number, path)
    _require_described(canvas, names, path)
    return StoredMask(
        canvas.values, header.kind, affine=header.affine, names=names, overlaps=canvas.overlaps
    )


def segmentation_header(path: Path, images: Sequence[Path] = ()) -> ScanHeader:
    """The grid on which `read_segmentation` gives it; arguments and errors likewise."""
    return _placed(open_dataset(path), path, images)[0]


def segmentation_problems(path: Path) -> Iterator[Problem]:
    """What a person should know of how a segmentation is read."""
    dataset = open_dataset(path)
    with guarded(path, "does not say what kind of segmentation it is"):
        fractional = str(dataset.get("SegmentationType", "")) == "FRACTIONAL"
    if fractional:
        message = f"is a fractional segmentation: values from {THRESHOLD} on are its segments"
        yield Problem("note", message, path=path)


def _opened(dataset: "pydicom.Dataset", path: Path) -> "Segmentation":
    try:
        from highdicom.seg import Segmentation
    except ImportError:
        raise MissingExtraError("Reading DICOM SEG", "dicom") from None
    with guarded(path, "is no valid DICOM SEG"):
        return Segmentation.from_dataset(dataset, copy=False)


def _placed(
    dataset: "pydicom.Dataset", path: Path, images: Sequence[Path]
) -> tuple[ScanHeader, list[tuple[Frame, Place]]]:
    """The grid, and where on it each frame lies."""
    from ecs_med.data.readers import read_header

    with guarded(path, "does not say where its frames lie"):
        frames = list(_frames(dataset))
    if not frames:
        raise UnreadableFileError(path, "holds no frames", "export it again")
    header = read_header(images) if images else None
    if header is not None and header.kind == "picture":
        return _flat(_of_image(frames, images[0], path), dataset, path)
    planes = [frame.plane for frame in frames if frame.plane is not None]
    if len(planes) < len(frames):
        return _flat(frames, dataset, path)
    if header is not None and header.is_volume:
        require_one_space(dataset, path, images)
        places = [place_on_grid(plane, header) for plane in planes]
        found = [place for place in places if place is not None]
        if len(found) == len(frames):
            on_image = ScanHeader(header.shape, 1, header.affine, "volume", header.has_position)
            return on_image, list(zip(frames, found, strict=True))
    return _stacked(frames, planes, dataset, path)


def _stacked(
    frames: Sequence[Frame], planes: Sequence[PlaneInSpace], dataset: "pydicom.Dataset", path: Path
) -> tuple[ScanHeader, list[tuple[Frame, Place]]]:
    """The same on the grid that the frames make themselves."""
    with guarded(path, "does not say where its frames lie"):
        measures = _group(dataset, None, "PixelMeasuresSequence")
        step = None if measures is None else measures.get("SpacingBetweenSlices")
        grid = stacked_grid(planes, float(step) if step else None)
    places = [None if grid is None else place_on_grid(plane, grid) for plane in planes]
    found = [place for place in places if place is not None]
    if grid is None or len(found) < len(frames):
        raise UnreadableFileError(
            path, "has frames that do not lie behind one another in even steps, nor on the voxels "
            "of its image", "give it with the series that it was drawn on, or convert it to NIfTI",
        )  # fmt: skip
    return grid, list(zip(frames, found, strict=True))


def _flat(
    frames: Sequence[Frame], dataset: "pydicom.Dataset", path: Path
) -> tuple[ScanHeader, list[tuple[Frame, Place]]]:
    """The same of a picture, which each segment has a frame of at most."""
    segments = [frame.segment for frame in frames]
    if len(set(segments)) < len(segments):
        raise UnreadableFileError(
            path, "holds several frames of one segment that have no position in space",
            "give a file for each picture",
        )  # fmt: skip
    with guarded(path, "does not say how large it is"):
        shape = (int(dataset.Rows), int(dataset.Columns))
    place: Place = ((slice(None), slice(None)), False)
    return ScanHeader(shape, 3, None, "picture"), [(frame, place) for frame in frames]


def _of_image(frames: Sequence[Frame], image: Path, path: Path) -> list[Frame]:
    """The frames that were drawn on one picture; all of them where they do not say on which."""
    if not any(frame.sources for frame in frames):
        return list(frames)
    own = instance_uid(image)
    if not own:
        return list(frames)
    found = [frame for frame in frames if own in frame.sources]
    if not found:
        raise UnreadableFileError(
            path, f"has no frame that was drawn on {image}", "give it with its own picture"
        )
    return found


def _frames(dataset: "pydicom.Dataset") -> Iterator[Frame]:
    is_map = _is_label_map(dataset)
    size = (int(dataset.Columns), int(dataset.Rows))
    for index in range(int(dataset.get("NumberOfFrames", 1))):
        position = _group(dataset, index, "PlanePositionSequence")
        plane = None
        if position is not None:
            plane = PlaneInSpace.of_dicom(
                position.ImagePositionPatient,
                _group(dataset, index, "PlaneOrientationSequence").ImageOrientationPatient,
                _group(dataset, index, "PixelMeasuresSequence").PixelSpacing,
                size,
            )
        segment = None
        if not is_map:
            identified = _group(dataset, index, "SegmentIdentificationSequence")
            segment = int(identified.ReferencedSegmentNumber)
        yield Frame(index + 1, segment, plane, _sources(dataset, index))


def _group(dataset: "pydicom.Dataset", index: int | None, name: str) -> Any:
    """The functional group of a frame, its own or that of all; `None` where there is none."""
    groups = []
    if index is not None:
        groups.append(dataset.PerFrameFunctionalGroupsSequence[index])
    groups += dataset.get("SharedFunctionalGroupsSequence") or []
    for group in groups:
        items = group.get(name)
        if items:
            return items[0]
    return None


def _sources(dataset: "pydicom.Dataset", index: int) -> frozenset[str]:
    group = dataset.PerFrameFunctionalGroupsSequence[index]
    items: Iterable[Any] = group.get("DerivationImageSequence") or ()
    return frozenset(
        str(source.get("ReferencedSOPInstanceUID", ""))
        for item in items
        for source in item.get("SourceImageSequence") or ()
    )


def _is_label_map(dataset: "pydicom.Dataset") -> bool:
    return str(dataset.get("SegmentationType", "")) == "LABELMAP"


def _names(dataset: "pydicom.Dataset") -> dict[int, str]:
    """Name of each segment by its number; 0 is the background of a label map."""
    segments = dataset.get("SegmentSequence") or ()
    found = {int(s.SegmentNumber): str(s.get("SegmentLabel", "") or "").strip() for s in segments}
    return {n: name or f"segment {n}" for n, name in sorted(found.items()) if n > 0}


def _drawn(
    pixels: npt.NDArray[Any], frame: Frame, dataset: "pydicom.Dataset"
) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
    """The pixels of each segment in a frame."""
    if frame.segment is None:
        for number in np.unique(pixels[pixels > 0]).tolist():
            yield int(number), pixels == number
    elif str(dataset.get("SegmentationType", "")) == "FRACTIONAL":
        full = int(dataset.get("MaximumFractionalValue", 255))
        yield frame.segment, pixels >= THRESHOLD * full
    else:
        yield frame.segment, pixels > 0


def _require_described(canvas: Canvas, names: dict[int, str], path: Path) -> None:
    """Refuse numbers of segments that the file does not describe."""
    strange = sorted({int(v) for v in np.unique(canvas.values)} - {0, *names, *canvas.overlaps})
    if strange:
        raise UnreadableFileError(
            path, f"holds a segment {strange[0]} that it does not describe", "export it again"
        )
