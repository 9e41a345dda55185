"""Understanding the masks of a data set, and reading labels on the grid of their image."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecs_med.config import ReadingSettings
from ecs_med.data.masks.census import MaskCensus, read_stored_mask, rgb_of, take_census
from ecs_med.data.masks.label_scheme import MAX_CLASSES, LabelScheme
from ecs_med.data.masks.refusals import one_class_refused
from ecs_med.data.masks.rules import scheme_from_census
from ecs_med.data.readers import ScanHeader, StoredMask, reader_of
from ecs_med.data.readers.grids import covered_share, resample_labels, times
from ecs_med.errors import DataError
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
        declared: Class name by stored value, where the data set has them; `ignore` is void.

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
    _require_classes(declared, settings, paths[0])
    census = take_census(paths)
    if len(census.unreadable) == len(paths):
        raise census.unreadable[0][1]
    scheme, note = scheme_from_census(census, settings, declared)
    problems = [Problem.from_error(error, [path]) for path, error in census.unreadable]
    problems.append(Problem("note", note))
    problems.extend(_absent_classes(scheme, census))
    return scheme, problems


def _require_classes(
    declared: Mapping[int, str] | None, settings: ReadingSettings, mask: Path
) -> None:
    """Refuse a description with too few or too many classes, unless they are named."""
    if not declared or settings.class_names is not None:
        return
    classes = {0, *(v for v, name in declared.items() if name.lower() != "ignore")}
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise DataError(
            f"{mask}: its data set declares {len(classes)} class{'es'[: 2 * (len(classes) > 1)]}, "
            f"where 2 to {MAX_CLASSES} are meant, background included; correct the labels there, "
            "or name the classes with `class_names`."
        )


def read_labels(
    case_images: Sequence[Path], mask: Path, scheme: LabelScheme, frame: int | None = None
) -> npt.NDArray[np.uint8]:
    """Read the labels of a case on the grid of its image.

    Pictures and masks are compared as stored. Volumes are aligned by their affines;
    voxels of the image that the mask does not cover are void.

    Args:
        case_images: The image files of the case.
        mask: Its mask.
        scheme: How stored values map onto classes.
        frame: As in `Case`.

    Returns:
        `(H, W)` or `(X, Y, Z)` uint8: class indices, `IGNORE_INDEX` where void.

    Raises:
        UnreadableFileError: If a file cannot be read.
        MaskValueError: If a value is no class.
        DataError: If image and mask do not belong on one grid; both are named.
    """
    header = reader_of(case_images).header(case_images, frame)
    stored = read_stored_mask(mask)
    if header.kind != stored.kind:
        kinds = sorted((header.kind, stored.kind))
        raise DataError(
            f"{mask}: does not fit {case_images[0]}, one is a {kinds[0]} and one a {kinds[1]}; "
            "give both in one kind."
        )
    if stored.affine is not None and scheme.colors is not None:
        raise DataError(f"{mask}: is a volume, which has no colours; leave `mask_colors` out.")
    if stored.affine is None:
        _require_same_size(header, stored, case_images[0], mask)
    labels = scheme.encode(stored.values, mask, colored=stored.colored, lossy=stored.lossy)
    if stored.affine is None:
        return labels
    return _aligned(labels, stored, header, case_images[0], mask)


def _aligned(
    labels: npt.NDArray[np.uint8],
    stored: StoredMask,
    header: ScanHeader,
    image: Path,
    mask: Path,
) -> npt.NDArray[np.uint8]:
    assert header.affine is not None
    assert stored.affine is not None
    shape = (header.shape[0], header.shape[1], header.shape[2])
    moved = resample_labels(labels, stored.affine, shape, header.affine)
    if moved is labels:
        return labels
    if stored.has_position != header.has_position:
        lost = image if stored.has_position else mask
        raise DataError(
            f"{mask} cannot be aligned with {image}: {lost.name} has no position in space (neither "
            "sform nor qform); write both with the same affine."
        )
    covered = covered_share(labels.shape, stored.affine, shape, header.affine)
    if covered == 0 or (labels.shape == shape and covered < MIN_COVERED):
        raise DataError(
            f"{mask} ({times(labels.shape)}) covers {covered:.0%} of {image} ({times(shape)}) in "
            "space; one of them has a wrong affine: write both with the same one."
        )
    return moved.astype(np.uint8, copy=False)


def _require_same_size(header: ScanHeader, stored: StoredMask, image: Path, mask: Path) -> None:
    size = stored.values.shape[: len(header.shape)]
    if size == header.shape:
        return
    remedy = "store both in one size"
    if size == header.shape[::-1] and reader_of([image]).orientation(image) >= 5:
        remedy = "the picture has an orientation tag: turn its pixels and remove the tag"
    raise DataError(
        f"{mask} is {times(size)} (height x width), but its picture {image} is "
        f"{times(header.shape)}; {remedy}."
    )


def _absent_classes(scheme: LabelScheme, census: MaskCensus) -> list[Problem]:
    """Warnings for classes without a pixel; an error where fewer than two classes occur."""
    present: set[int] = set()
    for group in (census.exact, census.lossy, census.colored):
        colored = group is census.colored
        for value, path in group.example.items():
            # A mask of one pixel: what encoding refuses, it refuses with the file that holds it.
            pixel = np.array([[rgb_of(value) if colored else value]], np.int64)
            present.add(int(scheme.encode(pixel, path, colored=colored)[0, 0]))
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
