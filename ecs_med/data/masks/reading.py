"""Understanding the masks of a data set, and reading labels on the grid of their image."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecs_med.config import ReadingSettings
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.refusals import one_class_refused
from ecs_med.data.masks.rules import scheme_from_census
from ecs_med.data.masks.stored import MaskCensus, StoredMask, read_stored_mask, take_census
from ecs_med.data.masks.value_counts import rgb_of
from ecs_med.data.readers.grids import covered_share, resample_labels
from ecs_med.data.readers.nifti_header import has_position
from ecs_med.data.scans import ScanHeader, exif_orientation, is_volume_path, read_header
from ecs_med.errors import DataError, UnreadableFileError
from ecs_med.types import IGNORE_INDEX, Problem

__all__ = ["LabelScheme", "read_labels", "understand_masks"]

MIN_COVERED = 0.5
"""A mask of the image's own shape that covers less of it in space has lost its position."""


def understand_masks(
    paths: Sequence[Path],
    settings: ReadingSettings,
    declared: Mapping[int, str] | None = None,
) -> tuple[LabelScheme, list[Problem]]:
    """Read all masks once and decide how their values map onto classes.

    Args:
        paths: Every mask that may be read; one at least.
        settings: What the user says of mask values and class names.
        declared: Class name by stored value, where the data set has them.

    Returns:
        The scheme, and findings: a note on how values were understood, a warning
        for each class without a pixel, an error for each mask that cannot be read.

    Raises:
        DataError: If there is no mask, or none that can be read.
        MaskValueError: If the values cannot be mapped without guessing; the sentence
            names a file, the counts and the option that settles it.
        SettingsError: If settings contradict each other or the data.
    """
    if not paths:
        raise DataError("No masks were given; annotate some images, or check where masks lie.")
    census = take_census(paths)
    if len(census.unreadable) == len(paths):
        raise census.unreadable[0][1]
    scheme, told = scheme_from_census(census, settings, declared)
    problems = [_unreadable(path, error) for path, error in census.unreadable]
    problems.append(Problem("note", told))
    problems.extend(_absent_classes(scheme, census))
    return scheme, problems


def read_labels(
    case_images: Sequence[Path], mask: Path, scheme: LabelScheme
) -> npt.NDArray[np.uint8]:
    """Read the labels of a case on the grid of its image.

    Pictures and masks are compared as stored. Volumes are aligned by their affines;
    voxels of the image that the mask does not cover are void.

    Args:
        case_images: The image files of the case.
        mask: Its mask.
        scheme: How stored values map onto classes.

    Returns:
        `(H, W)` or `(X, Y, Z)` uint8: class indices, `IGNORE_INDEX` where void.

    Raises:
        UnreadableFileError: If a file cannot be read.
        MaskValueError: If a value is no class.
        DataError: If image and mask do not belong on one grid; both are named.
    """
    header = read_header(case_images)
    if header.is_volume != is_volume_path(mask):
        raise DataError(
            f"{mask}: does not fit {case_images[0]}, one is a picture and one a volume; "
            "give both in one kind."
        )
    stored = read_stored_mask(mask)
    if stored.affine is not None and scheme.colors is not None:
        raise DataError(f"{mask}: is a volume, which has no colours; leave --mask-colors out.")
    if not header.is_volume:
        _require_same_size(header, stored, case_images[0], mask)
    labels = scheme.encode(stored.values, mask)
    if stored.affine is None:
        return labels
    return _aligned(labels, stored.affine, header, case_images[0], mask)


def _aligned(
    labels: npt.NDArray[np.uint8],
    affine: npt.NDArray[np.float64],
    header: ScanHeader,
    image: Path,
    mask: Path,
) -> npt.NDArray[np.uint8]:
    assert header.affine is not None
    shape = (header.shape[0], header.shape[1], header.shape[2])
    moved = resample_labels(labels, affine, shape, header.affine).astype(np.uint8, copy=False)
    if moved is labels:
        return labels
    if has_position(mask) != has_position(image):
        lost = image if has_position(mask) else mask
        raise DataError(
            f"{mask} cannot be aligned with {image}: {lost.name} has no position in space (neither "
            "sform nor qform); write both with the same affine."
        )
    covered = covered_share(labels.shape, affine, shape, header.affine)
    if covered == 0 or (labels.shape == shape and covered < MIN_COVERED):
        raise DataError(
            f"{mask} ({_times(labels.shape)}) covers {covered:.0%} of {image} ({_times(shape)}) in "
            "space; one of them has a wrong affine: write both with the same one."
        )
    return moved


def _require_same_size(header: ScanHeader, stored: StoredMask, image: Path, mask: Path) -> None:
    size = stored.values.shape[:2]
    if size == header.shape:
        return
    remedy = "store both in one size"
    if size == header.shape[::-1] and exif_orientation(image) >= 5:
        remedy = "the picture has an orientation tag: turn its pixels and remove the tag"
    raise DataError(
        f"{mask} is {_times(size)} (height x width), but its picture {image} is "
        f"{_times(header.shape)}; {remedy}."
    )


def _absent_classes(scheme: LabelScheme, census: MaskCensus) -> list[Problem]:
    """Warnings for classes without a pixel; an error where fewer than two classes occur."""
    present: set[int] = set()
    for group in (census.exact, census.lossy, census.colored):
        for value, path in group.example.items():
            raw = rgb_of(value) if group is census.colored else value
            # A mask of one pixel: what encoding refuses, it refuses with the file that holds it.
            pixel = np.array(raw, np.int64).reshape(
                (1, 1, -1) if group is census.colored else (1, 1)
            )
            present.add(int(scheme.encode(pixel, path)[0, 0]))
    if len(present - {IGNORE_INDEX}) < 2:
        raise one_class_refused(census)
    return [
        Problem(
            "warning",
            f"class '{name}' has no pixel in any of the masks",
            "annotate it, or leave it out of the classes",
        )
        for index, name in enumerate(scheme.class_names)
        if index not in present
    ]


def _unreadable(path: Path, error: DataError) -> Problem:
    if isinstance(error, UnreadableFileError):
        return Problem("error", error.reason, error.remedy, path)
    reason = str(error).removeprefix(f"{path}: ").rstrip(".")
    return Problem("error", reason, "export it again, or take it out", path)


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in shape)
