"""RTSTRUCT as masks: contours filled on the slices of the images that they were drawn on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.dicom.files import guarded, open_dataset
from ecs_med.data.readers.dicom.filling import filled
from ecs_med.data.readers.dicom.painting import Canvas
from ecs_med.data.readers.dicom.plane_placing import LPS_TO_RAS
from ecs_med.data.readers.dicom.references import require_one_space
from ecs_med.data.readers.grids import Affine
from ecs_med.data.readers.scans import ScanHeader, StoredMask
from ecs_med.errors import UnreadableFileError
from ecs_med.types import Problem

if TYPE_CHECKING:
    import pydicom

__all__ = ["read_structures", "structures_header", "structures_problems"]

_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
_FLAT = 0.5
"""A contour may leave its slice by this share of the distance between slices."""
_SAME_PLANE = 0.1
"""Contours of one structure that fill one slice lie in one plane, but for this share."""

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Structure:
    """One region of interest.

    Attributes:
        number: As the file numbers it.
        name: As the file calls it.
        contours: Closed ones, each `(N, 3)` in RAS mm.
        num_open: Contours and points that enclose nothing.
    """

    number: int
    name: str
    contours: tuple[Points, ...]
    num_open: int


@dataclass(frozen=True, slots=True)
class Outline:
    """A contour on the grid of the images.

    Attributes:
        slice: Index of its slice.
        depth: Its place along the slices, in slices.
        points: `(N, 2)` along the other two array axes, in voxels; centres are whole numbers.
    """

    slice: int
    depth: float
    points: Points


def read_structures(path: Path, images: Sequence[Path]) -> StoredMask:
    """Fill the structures of a file on the grid of its images.

    A voxel is in a structure where its centre is inside an odd number of its contours on that
    slice, so that a contour in another one is a hole. Structures count from 1 in the order of their
    numbers; those without a closed contour are left out.

    Args:
        path: An RTSTRUCT.
        images: The series that it was drawn on.

    Raises:
        UnreadableFileError: If it cannot be read, holds no closed contour, or a contour lies in no
            slice of the images; it names the position.
    """
    dataset = open_dataset(path)
    header = _image_header(dataset, path, images)
    structures = [found for found in _structures(dataset, path) if found.contours]
    if not structures:
        raise UnreadableFileError(
            path, "holds no closed contour", "draw the structures, or take the file away"
        )
    axis = _slice_axis(structures, header)
    canvas = Canvas.blank(header.shape, range(len(structures) + 1), path)
    size = tuple(side for i, side in enumerate(header.shape) if i != axis)
    for number, structure in enumerate(structures, start=1):
        for index, outlines in _by_slice(structure, header, axis, path).items():
            place = tuple(index if i == axis else slice(None) for i in range(3))
            drawn = filled([outline.points for outline in outlines], (size[0], size[1]))
            canvas.paint(place, drawn, number, path)
    names = {number: found.name for number, found in enumerate(structures, start=1)}
    return StoredMask(
        canvas.values, "volume", affine=header.affine, has_position=header.has_position,
        names=names, overlaps=canvas.overlaps,
    )  # fmt: skip


def structures_header(path: Path, images: Sequence[Path]) -> ScanHeader:
    """The grid of the images, on which structures are filled; errors as of `read_structures`."""
    return _image_header(open_dataset(path), path, images)


def structures_problems(path: Path, images: Sequence[Path]) -> Iterator[Problem]:
    """What a person should know of how a set of structures is read."""
    dataset = open_dataset(path)
    header = _image_header(dataset, path, images)
    structures = _structures(dataset, path)
    axis = _slice_axis(structures, header)
    for structure in structures:
        name, num_open = structure.name, structure.num_open
        if not structure.contours:
            message = f"structure {name} has no closed contour and is left out"
            yield Problem("note", message, path=path)
            continue
        if num_open:
            message = f"structure {name}: {num_open} point(s) and open contour(s) are left out"
            yield Problem("note", message, path=path)
        slices = sorted(_by_slice(structure, header, axis, path))
        gaps = [(a, b) for a, b in pairwise(slices) if b - a > 1]
        if gaps:
            first, second = gaps[0]
            yield Problem(
                "warning",
                f"structure {name} has contours on slices {first} and {second} of its image and "
                f"none between them, as in {len(gaps)} place(s): what lies between is background",
                "If it goes on there, interpolate its contours and export it again",
                path,
            )


def _image_header(dataset: "pydicom.Dataset", path: Path, images: Sequence[Path]) -> ScanHeader:
    from ecs_med.data.readers import read_header

    if not images:
        raise UnreadableFileError(
            path, "is an RTSTRUCT, which has no grid of its own", "give it with its series"
        )
    header = read_header(images)
    if not header.is_volume:
        raise UnreadableFileError(
            path, f"is an RTSTRUCT, but {images[0]} is a {header.kind}, which has no place in "
            "space", "give it with its series",
        )  # fmt: skip
    require_one_space(dataset, path, images)
    return header


def _structures(dataset: "pydicom.Dataset", path: Path) -> list[Structure]:
    """All structures by number."""
    with guarded(path, "is no valid RTSTRUCT"):
        names = {
            int(item.ROINumber): str(item.get("ROIName") or "").strip()
            for item in dataset.get("StructureSetROISequence") or ()
        }
        drawn = {
            int(item.ReferencedROINumber): list(item.get("ContourSequence") or ())
            for item in dataset.get("ROIContourSequence") or ()
        }
        return [
            _structure(number, names[number] or f"structure {number}", drawn.get(number, []))
            for number in sorted(names)
        ]


def _structure(number: int, name: str, items: Sequence[Any]) -> Structure:
    closed = [item for item in items if str(item.get("ContourGeometricType")) in _CLOSED]
    contours = []
    for item in closed:
        data = item.ContourData
        if isinstance(data, bytes):  # what is too long for its type is stored as of unknown type
            data = data.decode("ascii").rstrip("\0 ").split("\\")
        points = np.array(data, np.float64).reshape(-1, 3)
        if not np.isfinite(points).all():
            raise ValueError("positions that are no numbers")
        contours.append(points @ LPS_TO_RAS[:3, :3].T)
    return Structure(number, name, tuple(contours), len(items) - len(closed))


def _slice_axis(structures: Sequence[Structure], header: ScanHeader) -> int:
    """The array axis across which most contours are flattest: that of the slices they lie in."""
    inverse = _inverse(header)
    votes = [0, 0, 0]
    for contour in (contour for structure in structures for contour in structure.contours):
        extent = np.ptp(_voxels(contour, inverse), axis=0)
        votes[int(extent.argmin())] += 1
    # A series of DICOM files is sliced along its last axis.
    return max((2, 1, 0), key=lambda axis: votes[axis])


def _by_slice(
    structure: Structure, header: ScanHeader, axis: int, path: Path
) -> dict[int, list[Outline]]:
    """The contours of a structure on each slice."""
    found: dict[int, list[Outline]] = {}
    inverse = _inverse(header)
    for contour in structure.contours:
        outline = _outline(_voxels(contour, inverse), axis)
        where = f"structure {structure.name}: the contour at {_position(contour)}"
        if outline is None or not 0 <= outline.slice < header.shape[axis]:
            raise UnreadableFileError(
                path, f"{where} lies in no slice of its image",
                "give it with the series that it was drawn on",
            )  # fmt: skip
        others = found.setdefault(outline.slice, [])
        if others and abs(others[0].depth - outline.depth) > _SAME_PLANE:
            raise UnreadableFileError(
                path, f"{where} lies on slice {outline.slice} beside one of another plane",
                "give it with the series that it was drawn on, whose slices are closer",
            )  # fmt: skip
        others.append(outline)
    return found


def _outline(voxels: Points, axis: int) -> Outline | None:
    depth = float(voxels[:, axis].mean())
    if np.abs(voxels[:, axis] - depth).max() > _FLAT:
        return None
    points = np.delete(voxels, axis, axis=1)
    return Outline(round(depth), depth, points)


def _inverse(header: ScanHeader) -> Affine:
    assert header.affine is not None
    return np.asarray(np.linalg.inv(header.affine), np.float64)


def _voxels(points: Points, inverse: Affine) -> Points:
    return points @ inverse[:3, :3].T + inverse[:3, 3]


def _position(contour: Points) -> str:
    """Centre of a contour as DICOM writes positions, LPS."""
    x, y, z = contour.mean(axis=0) @ LPS_TO_RAS[:3, :3].T
    return f"({x:.1f}, {y:.1f}, {z:.1f}) mm"
