"""What decoding tells: small facts of each case, and their sum over a data set."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np
import numpy.typing as npt

from ecs_med.data.checks.contents import (
    CaseContent,
    array_digest,
    files_digest,
    pixels_digest,
)
from ecs_med.data.checks.geometry import (
    image_geometry_problems,
    mask_geometry_problems,
    shear_problems,
)
from ecs_med.data.checks.intensities import intensity_problems
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.reading import read_labels
from ecs_med.data.masks.turning import turning_problems
from ecs_med.data.readers import Scan, reader_of
from ecs_med.data.readers.grids import axis_codes, oblique_degrees
from ecs_med.errors import DataError
from ecs_med.records import Record
from ecs_med.types import IGNORE_INDEX, Case, CaseCollection, Problem, ScanKind

__all__ = ["CaseFacts", "ClassCount", "DataSummary", "PartitionCount", "gather_facts", "summarize"]

_LOOKED_AT = 128
"""Pixels along the shorter side that are looked at for colour, at least, where there are more."""
_COLOR = 16
"""Of 255; how far the channels of a pixel in colour are apart."""
_COLORED_SHARE = 0.1
"""Of the pixels of a picture in colour, at least."""

SetKind = Literal["pictures", "volumes", "sequences", "mixed", "none"]


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """Small facts about a decoded case; its pixels are not kept.

    Attributes:
        case: The case.
        content: Digests of its files; images with equal pixels have equal digests.
        kind: What its scan is; `None` if the image cannot be read.
        shape: `(H, W)` or `(X, Y, Z)`; empty if the image cannot be read.
        num_channels: 3 for pictures; 0 if the image cannot be read.
        spacing_mm: Voxel sides; `None` for pictures.
        directions: Axes of the body along which the array axes run; `None` for pictures.
        orientation: Where they run to, such as `LPS`; empty where the file does not say it.
        oblique_degrees: Angle between them and the axes of the body.
        class_pixels: Pixels of every class, then of void; `None` without a readable mask.
        is_grey: Whether it is a picture that shows hardly any colour.
        problems: What is wrong with its image.
        mask_problems: What is wrong with its mask, or with both together.
    """

    case: Case
    content: CaseContent
    kind: ScanKind | None = None
    shape: tuple[int, ...] = ()
    num_channels: int = 0
    spacing_mm: tuple[float, float, float] | None = None
    directions: tuple[int, int, int] | None = None
    orientation: str = ""
    oblique_degrees: float = 0.0
    class_pixels: tuple[int, ...] | None = None
    is_grey: bool = False
    problems: tuple[Problem, ...] = ()
    mask_problems: tuple[Problem, ...] = ()

    @property
    def is_volume(self) -> bool:
        """Whether its scan is sliced."""
        return self.kind == "volume"

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """`shape`, as a scan calls it."""
        return self.shape

    @property
    def has_position(self) -> bool:
        """Whether its file says where it lies in space."""
        return bool(self.orientation)

    @property
    def is_readable(self) -> bool:
        """Whether its image could be read."""
        return bool(self.content.pixels)

    @property
    def shows_foreground(self) -> bool:
        """Whether its mask has a pixel of another class than 0."""
        return bool(self.class_pixels and any(self.class_pixels[1:-1]))


class PartitionCount(Record):
    """Cases of one partition."""

    name: str
    """`train`, `validation`, `test`, or `not given`."""
    num_labeled: int
    """Cases with a mask."""
    num_unlabeled: int
    """Cases without one."""


class ClassCount(Record):
    """How often a class occurs."""

    name: str
    """Name of the class."""
    pixel_share: float
    """Its share of all labelled pixels that are not void, 0 to 1."""
    num_cases: int
    """Masks with at least one of its pixels."""


class DataSummary(Record):
    """Counts, sizes and classes of a data set."""

    name: str
    """Short name of the data set."""
    layout: str
    """Layout that understood it."""
    kind: SetKind
    """What the cases are; `none` if no case can be read."""
    num_cases: int
    """All cases."""
    num_labeled: int
    """Cases with a mask."""
    num_patients: int | None
    """Patients known by name; `None` if none is known."""
    partitions: tuple[PartitionCount, ...]
    """In the order train, validation, test, not given; empty ones are left out."""
    smallest: tuple[int, ...] | None
    """Shape of the image with the fewest pixels; `None` if no case can be read."""
    largest: tuple[int, ...] | None
    """Shape of the image with the most pixels; `None` if no case can be read."""
    num_channels: int
    """The usual number; 3 for pictures."""
    spacing_mm: tuple[float, ...] | None
    """Median voxel side along each array axis; `None` for pictures."""
    classes: tuple[ClassCount, ...]
    """In class order; empty without usable masks."""
    void_share: float
    """Share of pixels that are void or not annotated among all of the masks, 0 to 1."""
    num_annotated: int | None = None
    """Pixels of masks that have a class; `None` without usable masks."""
    num_sparse: int = 0
    """Masks with pixels that have none."""


def gather_facts(
    case: Case, scheme: LabelScheme | None, window: tuple[float, float] | None = None
) -> CaseFacts:
    """Decode the image and the mask of a case.

    Files that cannot be read become problems; nothing is raised for them. The mask
    of an image that cannot be read is not looked at.

    Args:
        case: The case.
        scheme: What mask values mean; with `None`, masks must fit their images but may
            hold any values, and no classes are counted.
        window: The CT window through which volumes are looked at, if one was asked for.
    """
    content = CaseContent(
        id=case.id,
        image=files_digest(case.images, case.frame),
        mask=None if case.mask is None else _mask_digest(case.mask),
    )
    try:
        scan = reader_of(case.images).read(case.images, case.frame)
        problems = [
            *intensity_problems(case.images[0], scan, window),
            *image_geometry_problems(case.images),
            *shear_problems(case.images[0], scan),
        ]
    except DataError as error:
        return CaseFacts(case, content, problems=(Problem.from_error(error, case.images),))
    class_pixels, labels, mask_problems = _look_at_mask(case, scan, scheme)
    placed = scan.affine if scan.is_volume and scan.has_position else None
    return CaseFacts(
        case,
        content.model_copy(update={"pixels": pixels_digest(scan), "labels": labels}),
        kind=scan.kind,
        shape=scan.spatial_shape,
        num_channels=scan.array.shape[0],
        spacing_mm=scan.spacing_mm,
        directions=scan.directions,
        orientation=axis_codes(placed) if placed is not None else "",
        oblique_degrees=oblique_degrees(placed) if placed is not None else 0.0,
        class_pixels=class_pixels,
        is_grey=not scan.is_volume and _is_grey(scan.array),
        problems=tuple(problems),
        mask_problems=mask_problems,
    )


def _mask_digest(mask: Path) -> str:
    try:
        shared = reader_of([mask]).shares_masks
    except DataError:
        shared = False
    return files_digest((mask,), shared=shared)


def _look_at_mask(
    case: Case, scan: Scan, scheme: LabelScheme | None
) -> tuple[tuple[int, ...] | None, str, tuple[Problem, ...]]:
    """Pixels of every class, the digest of the labels, and what is wrong with the mask."""
    if case.mask is None:
        return None, "", ()
    any_values = scheme or _any_values(scan)
    try:
        # Which classes a mask covers says nothing where classes are not known.
        annotated = case.annotated if scheme is not None else None
        labels = read_labels(case.images, case.mask, any_values, case.frame, annotated=annotated)
        problems = (
            *turning_problems(case.images, case.mask, case.frame),
            *mask_geometry_problems(case.images, case.mask, any_values.outside, case.frame),
        )
    except DataError as error:
        return None, "", (Problem.from_error(error, (case.mask, *case.images)),)
    if scheme is None:
        return None, "", problems
    return _count(labels, scheme.num_classes), array_digest(labels), problems


def _is_grey(pixels: npt.NDArray[np.generic]) -> bool:
    """Whether fewer than a tenth of the pixels, `(3, *spatial)` of 8 bits, have a colour.

    A scale, an annotation or the colours of a Doppler window do not make an ultrasound picture
    one in colour; losses of JPEG are no colour.
    """
    step = max(1, min(pixels.shape[-2:]) // _LOOKED_AT)
    some = pixels[..., ::step, ::step].astype(np.int16)
    return float((some.max(axis=0) - some.min(axis=0) > _COLOR).mean()) < _COLORED_SHARE


def _any_values(scan: Scan) -> LabelScheme:
    """A scheme that takes all masks, for looking at sizes and positions alone."""
    names = ("background", "foreground")
    if scan.is_volume:
        return LabelScheme(class_names=names, threshold=1)
    return LabelScheme(class_names=names, colors=((0, 0, 0), (255, 255, 255)), nearest=True)


def _count(labels: npt.NDArray[np.uint8], num_classes: int) -> tuple[int, ...]:
    counts = np.bincount(labels.ravel(), minlength=IGNORE_INDEX + 1)
    return (*(int(count) for count in counts[:num_classes]), int(counts[IGNORE_INDEX]))


def summarize(
    collection: CaseCollection, facts: Sequence[CaseFacts], scheme: LabelScheme | None
) -> DataSummary:
    """Sum up a data set from the facts of its cases."""
    readable = [fact for fact in facts if fact.is_readable]
    by_size = sorted(readable, key=lambda fact: math.prod(fact.shape))
    spacings = [fact.spacing_mm for fact in readable if fact.spacing_mm is not None]
    patients = {case.patient for case in collection.cases if case.patient is not None}
    classes, void_share = _classes(facts, scheme)
    counts = [fact.class_pixels for fact in facts if fact.class_pixels is not None]
    return DataSummary(
        name=collection.name,
        layout=collection.layout,
        kind=_kind(readable),
        num_cases=len(collection.cases),
        num_labeled=sum(case.mask is not None for case in collection.cases),
        num_patients=len(patients) or None,
        partitions=_partitions(collection),
        smallest=by_size[0].shape if by_size else None,
        largest=by_size[-1].shape if by_size else None,
        num_channels=int(median(fact.num_channels for fact in readable)) if readable else 0,
        spacing_mm=tuple(median(s[axis] for s in spacings) for axis in range(3))
        if spacings
        else None,
        classes=classes,
        void_share=void_share,
        num_annotated=sum(sum(pixels[:-1]) for pixels in counts) if classes else None,
        num_sparse=sum(pixels[-1] > 0 for pixels in counts),
    )


def _kind(readable: Sequence[CaseFacts]) -> SetKind:
    names: dict[ScanKind | None, SetKind]
    names = {"picture": "pictures", "volume": "volumes", "sequence": "sequences", None: "none"}
    kinds = {fact.kind for fact in readable} or {None}
    return "mixed" if len(kinds) > 1 else names[kinds.pop()]


def _partitions(collection: CaseCollection) -> tuple[PartitionCount, ...]:
    counts = []
    for partition in ("train", "validation", "test", None):
        cases = [case for case in collection.cases if case.partition == partition]
        num_labeled = sum(case.mask is not None for case in cases)
        if cases:
            counts.append(
                PartitionCount(
                    name=partition or "not given",
                    num_labeled=num_labeled,
                    num_unlabeled=len(cases) - num_labeled,
                )
            )
    return tuple(counts)


def _classes(
    facts: Sequence[CaseFacts], scheme: LabelScheme | None
) -> tuple[tuple[ClassCount, ...], float]:
    counts = [fact.class_pixels for fact in facts if fact.class_pixels is not None]
    if scheme is None or not counts:
        return (), 0.0
    totals = [sum(column) for column in zip(*counts, strict=True)]
    num_pixels = sum(totals[:-1])
    classes = tuple(
        ClassCount(
            name=name,
            pixel_share=totals[index] / num_pixels if num_pixels else 0.0,
            num_cases=sum(pixels[index] > 0 for pixels in counts),
        )
        for index, name in enumerate(scheme.class_names)
    )
    return classes, totals[-1] / (num_pixels + totals[-1]) if sum(totals) else 0.0
