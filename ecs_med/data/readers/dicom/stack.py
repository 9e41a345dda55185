"""From the files of a case to slices in space, each place once."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from ecs_med.data.readers.dicom.decoding import decode_frames
from ecs_med.data.readers.dicom.geometry import (
    SAME_PLACE_MM,
    Placed,
    place_planes,
)
from ecs_med.data.readers.dicom.headers import ImageHeader, read_header
from ecs_med.data.readers.dicom.planes import (
    Plane,
    directions_of_planes,
    ordered_planes,
    require_alike,
)
from ecs_med.errors import UnreadableFileError
from ecs_med.types import Problem

__all__ = ["place_series", "planes_of_files"]


def place_series(files: Sequence[Path]) -> Placed:
    """The grid of a volume; asked again, unchanged files are not opened again.

    Args:
        files: Those of one series, in any order, or a single one of many frames.

    Returns:
        The slices in order. Copies of a slice are left out and told of.

    Raises:
        ResamplableError: If they are whole but no even grid.
        UnreadableFileError: If they are no volume, see `place_planes`.
    """
    return _placed(tuple((path, *_state(path)) for path in files))


def planes_of_files(files: Sequence[Path]) -> tuple[tuple[Plane, ...], tuple[Problem, ...]]:
    """The slices of a volume in order along their normal, copies left out, and what is odd.

    Raises:
        UnreadableFileError: If they are of several series or sizes, say not where they lie, or
            two that differ lie in the same place.
    """
    headers = [read_header(path) for path in files]
    _require_one_series(headers)
    planes = _expanded(headers)
    require_alike(planes)
    ordered = ordered_planes(planes, directions_of_planes(planes))
    kept, copies = _without_copies(ordered)
    return kept, (*_copies_told(copies), *_oddities(headers))


@lru_cache(maxsize=16)
def _placed(states: tuple[tuple[Path, int, int], ...]) -> Placed:
    planes, problems = planes_of_files([path for path, *_ in states])
    placed = place_planes(planes)
    return Placed(placed.planes, placed.affine, (*placed.problems, *problems))


def _state(path: Path) -> tuple[int, int]:
    try:
        state = path.stat()
    except OSError:
        return 0, 0  # opening it says what is wrong
    return state.st_size, state.st_mtime_ns


def _require_one_series(headers: Sequence[ImageHeader]) -> None:
    for header in headers:
        remedy = "give the files of one series only"
        reason = _fault_of_company(header, headers)
        if not reason:
            reason, remedy = _own_fault(header), "convert it to NIfTI, with dcm2niix, say"
        if reason:
            raise UnreadableFileError(header.plane.path, reason, remedy)


def _fault_of_company(header: ImageHeader, headers: Sequence[ImageHeader]) -> str:
    """Why a file does not belong to the others; empty: it does."""
    first = headers[0]
    other = first.plane.beside(header.plane)
    if header.kind not in ("slice", "enhanced"):
        return "is no slice of a volume"
    if header.kind == "enhanced" and len(headers) > 1:
        return "holds a volume of its own"
    if header.series_uid != first.series_uid:
        return f"is of another series than {other}"
    if header.frame_of_reference_uid != first.frame_of_reference_uid:
        return f"says where it lies in another frame of reference than {other}"
    if header.plane.dark_is_high != first.plane.dark_is_high:
        return f"shows high values dark, or bright, and {other} the other way"
    return ""


def _own_fault(header: ImageHeader) -> str:
    """Why a file is not read though it is one of a volume; empty: it is read."""
    if header.is_mosaic:
        return "is a mosaic, whose tiles are the slices of a volume"
    if header.has_lookup:
        return "its values stand for others by a table (ModalityLUTSequence)"
    if not header.has_low_bits:
        return "its values are not in the lowest bits (HighBit)"
    return ""


def _expanded(headers: Sequence[ImageHeader]) -> tuple[Plane, ...]:
    """A plane a file, or a plane a frame."""
    if headers[0].kind == "enhanced":
        from ecs_med.data.readers.dicom.enhanced import planes_of_frames

        return planes_of_frames(headers[0])
    return tuple(header.plane for header in headers)


def _without_copies(planes: Sequence[Plane]) -> tuple[tuple[Plane, ...], list[tuple[Plane, Plane]]]:
    """Slices with each place once, and the copies that were left out with their originals."""
    kept: list[Plane] = []
    copies: list[tuple[Plane, Plane]] = []
    for plane in planes:
        # Slices come in order along their normal, so that one in the same place is the last one.
        if not kept or _distance_mm(kept[-1], plane) > SAME_PLACE_MM:
            kept.append(plane)
            continue
        _require_same_values(kept[-1], plane)
        copies.append((plane, kept[-1]))
    return tuple(kept), copies


def _distance_mm(first: Plane, second: Plane) -> float:
    return float(np.linalg.norm(np.subtract(first.position or (), second.position or ())))


def _require_same_values(first: Plane, second: Plane) -> None:
    if second.frame is not None:
        raise UnreadableFileError(
            second.path, f"its frames {(first.frame or 0) + 1} and {second.frame + 1} lie in the "
            "same place, as where several volumes in time follow each other",
            "export each volume as a series of its own",
        )  # fmt: skip
    scaled = (first.slope, first.intercept) == (second.slope, second.intercept)
    if not scaled or not all(
        map(np.array_equal, decode_frames(first.path), decode_frames(second.path))
    ):
        x, y, z = first.position or ()
        raise UnreadableFileError(
            second.path, f"lies in the same place as {first.beside(second)}, at ({x:.2f}, {y:.2f}, "
            f"{z:.2f}) mm, and holds other pixels", "export each volume as a series of its own",
        )  # fmt: skip


def _copies_told(copies: Sequence[tuple[Plane, Plane]]) -> tuple[Problem, ...]:
    return tuple(
        Problem(
            "warning", f"is a copy of {original.beside(copy)} and left out", "Remove it", copy.path
        )
        for copy, original in copies
    )


def _oddities(headers: Sequence[ImageHeader]) -> Iterator[Problem]:
    """What is odd about the headers of readable files, once for all of them."""
    path = headers[0].plane.path
    padded = [header.plane.padding for header in headers if header.plane.padding]
    if padded:
        yield Problem("note", "pixels marked as padding get the scan's lowest value", path=path)
    if any(header.uids_of_meta for header in headers):
        words = "SOP instance UIDs are missing; those of the file meta header are taken"
        yield Problem("note", words, path=path)
    if headers[0].plane.dark_is_high:
        words = "high values are stored to be shown dark (MONOCHROME1); their order is reversed"
        yield Problem("note", words, path=path)
