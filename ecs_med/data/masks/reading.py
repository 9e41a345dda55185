"""Understanding the masks of a data set, and reading labels on the grid of their image."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecs_med.config import ReadingSettings
from ecs_med.data.masks.alignment import brought_onto_image, place_mask
from ecs_med.data.masks.appearance import appearance_problems
from ecs_med.data.masks.census import MaskCensus, read_stored_mask, take_census
from ecs_med.data.masks.colors import rgb_of
from ecs_med.data.masks.covering import only_annotated
from ecs_med.data.masks.label_scheme import MAX_CLASSES, LabelScheme
from ecs_med.data.masks.refusals import one_class_refused
from ecs_med.data.masks.rules import scheme_from_census
from ecs_med.data.masks.structure_census import settle_structures
from ecs_med.data.masks.turning import fitted_to_picture
from ecs_med.data.readers import ScanHeader, StoredMask, reader_of
from ecs_med.errors import DataError
from ecs_med.types import IGNORE_INDEX, DeclaredLabels, Problem

__all__ = ["LabelScheme", "classes_present", "read_labels", "understand_masks"]


def understand_masks(
    paths: Sequence[Path],
    settings: ReadingSettings,
    declared: DeclaredLabels | None = None,
    images: Sequence[Sequence[Path]] = (),
) -> tuple[LabelScheme, list[Problem]]:
    """Read all masks once and decide how their values map onto classes.

    Args:
        paths: Every mask that may be read; one at least.
        settings: What the user says of mask values and class names.
        declared: Class name by stored value or colour, where the data set has them; the value
            called `ignore` is unlabelled.
        images: What each mask is drawn on, for formats that have no grid of their own.

    Returns:
        The scheme, and findings: a note on how values were understood, warnings for each class
        without a pixel and where masks look other than they are read, an error for each mask that
        cannot be read.

    Raises:
        DataError: If there is no mask, or none that can be read.
        MaskValueError: If the values cannot be mapped without guessing; the sentence
            names a file, the counts and the option that settles it.
        SettingsError: If settings contradict each other or the data.
    """
    if not paths:
        raise DataError("No masks were given; annotate some images, or check where masks lie.")
    _require_classes(declared, settings, paths[0])
    census = take_census(paths, images)
    if len(census.unreadable) == len(paths):
        raise census.unreadable[0][1]
    named = settle_structures(census, settings, declared) if census.named else None
    if named is None:
        scheme, note = scheme_from_census(census, settings, declared)
    else:
        scheme, note = scheme_from_census(census, named.settings, None)
        scheme = scheme.model_copy(update={"structures": named.structures})
        note = named.note
    scheme = scheme.model_copy(update={"outside": settings.outside_mask})
    problems = [Problem.from_error(error, [path]) for path, error in census.unreadable]
    problems.append(Problem("note", note))
    problems.extend(() if named is None else named.problems)
    problems.extend(appearance_problems(scheme, census))
    problems.extend(_absent_classes(scheme, census))
    return scheme, problems


def _require_classes(
    declared: DeclaredLabels | None, settings: ReadingSettings, mask: Path
) -> None:
    """Refuse a description with too few or too many classes, unless they are named."""
    if not declared or settings.class_names is not None:
        return
    classes = {value for value, name in declared.items() if name.lower() != "ignore"}
    if all(isinstance(value, int) for value in classes):
        classes.add(0)
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise DataError(
            f"{mask}: its data set declares {len(classes)} class{'es'[: 2 * (len(classes) > 1)]}, "
            f"where 2 to {MAX_CLASSES} are meant, background included; correct the labels there, "
            "or name the classes with `class_names`."
        )


def read_labels(
    case_images: Sequence[Path],
    mask: Path,
    scheme: LabelScheme,
    frame: int | None = None,
    *,
    keep_unlabeled: bool = False,
    annotated: Sequence[str] | None = None,
) -> npt.NDArray[np.uint8]:
    """Read the labels of a case on the grid of its image.

    Masks of pictures lie on the upright picture, see `fitted_to_picture`. Volumes are aligned by
    their affines, see `place_mask`; voxels of the image that the mask does not cover are what the
    scheme says of them, else void.

    Args:
        case_images: The image files of the case.
        mask: Its mask.
        scheme: How stored values map onto classes.
        frame: As in `Case`.
        keep_unlabeled: Whether pixels that nobody has annotated are told from other void ones.
        annotated: Names of the classes that the mask covers, see `only_annotated`; `None`: all.

    Returns:
        `(H, W)` or `(X, Y, Z)` uint8: class indices, `IGNORE_INDEX` where void, and
        `UNLABELED_INDEX` where that is asked for.

    Raises:
        UnreadableFileError: If a file cannot be read.
        MaskValueError: If a value is no class.
        DataError: If image and mask do not belong on one grid; both are named.
    """
    header = reader_of(case_images).header(case_images, frame)
    stored = read_stored_mask(mask, case_images)
    if header.kind != stored.kind:
        kinds = sorted((header.kind, stored.kind))
        raise DataError(
            f"{mask}: does not fit {case_images[0]}, one is a {kinds[0]} and one a {kinds[1]}; "
            "give both in one kind."
        )
    if stored.affine is not None and scheme.colors is not None:
        raise DataError(f"{mask}: is a volume, which has no colours; leave `mask_colors` out.")
    if stored.affine is None:
        stored = fitted_to_picture(header, stored, case_images[0], mask)
    labels = scheme.labels_of(stored, mask, keep_unlabeled=keep_unlabeled)
    if annotated is not None:
        labels = only_annotated(labels, annotated, scheme, mask, keep_unlabeled=keep_unlabeled)
    if stored.affine is None:
        return labels
    on_mask = ScanHeader(
        stored.values.shape, 1, stored.affine, "volume", stored.has_position, stored.other_affine
    )
    placement = place_mask(header, on_mask, case_images[0], mask, scheme.outside)
    return brought_onto_image(labels, stored.affine, header, placement, scheme.outside)


def _absent_classes(scheme: LabelScheme, census: MaskCensus) -> list[Problem]:
    """Warnings for classes without a pixel; an error where fewer than two classes occur."""
    present = classes_present(scheme, census)
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


def classes_present(scheme: LabelScheme, census: MaskCensus) -> set[int]:
    """Labels that occur in counted masks, void included.

    Raises:
        MaskValueError: If a value is no class; names a file that holds it.
    """
    present: set[int] = set()
    for stored, path in _examples(scheme, census):
        present.update(scheme.labels_of(stored, path).ravel().tolist())
    return present


def _examples(scheme: LabelScheme, census: MaskCensus) -> Iterator[tuple[StoredMask, Path]]:
    """A mask of one pixel for every value: what cannot be read is refused with its file."""
    for code, path in census.colored.example.items():
        yield StoredMask(np.array([[rgb_of(code)]], np.int64), "picture", colored=True), path
    palettes = census.palettes.example if scheme.colors is not None else {}
    for code, path in palettes.items():
        yield StoredMask(np.array([[rgb_of(code)]], np.int64), "picture", colored=True), path
    for group in (census.exact, census.lossy):
        for value, path in group.example.items():
            if group is census.lossy or not palettes or value in census.unpaletted:
                yield StoredMask(np.array([[value]], np.int64), "picture"), path
