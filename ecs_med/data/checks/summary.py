"""A data set in numbers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal

from ecs_med.data.checks.case_facts import CaseFacts
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.types import CaseCollection

__all__ = ["ClassCount", "DataSummary", "PartitionCount", "summarize"]


@dataclass(frozen=True, slots=True)
class PartitionCount:
    """Cases of one partition.

    Attributes:
        name: `train`, `validation`, `test`, or `not given`.
        num_labeled: Cases with a mask.
        num_unlabeled: Cases without one.
    """

    name: str
    num_labeled: int
    num_unlabeled: int


@dataclass(frozen=True, slots=True)
class ClassCount:
    """How often a class occurs.

    Attributes:
        name: Name of the class.
        pixel_share: Its share of all labelled pixels that are not void, 0 to 1.
        num_cases: Masks with at least one of its pixels.
    """

    name: str
    pixel_share: float
    num_cases: int


@dataclass(frozen=True, slots=True)
class DataSummary:
    """Counts, sizes and classes of a data set.

    Attributes:
        name: Short name of the data set.
        layout: Layout that understood it.
        kind: Whether cases are pictures or volumes; `none` if no case can be read.
        num_cases: All cases.
        num_labeled: Cases with a mask.
        num_patients: Patients known by name; `None` if none is known.
        partitions: In the order train, validation, test, not given; empty ones are left out.
        smallest: Shape of the image with the fewest pixels; `None` if no case can be read.
        largest: Shape of the image with the most pixels; `None` if no case can be read.
        num_channels: The usual number; 3 for pictures.
        spacing_mm: Median voxel side along each array axis; `None` for pictures.
        classes: In class order; empty without usable masks.
        void_share: Share of void among all labelled pixels.
    """

    name: str
    layout: str
    kind: Literal["pictures", "volumes", "mixed", "none"]
    num_cases: int
    num_labeled: int
    num_patients: int | None
    partitions: tuple[PartitionCount, ...]
    smallest: tuple[int, ...] | None
    largest: tuple[int, ...] | None
    num_channels: int
    spacing_mm: tuple[float, ...] | None
    classes: tuple[ClassCount, ...]
    void_share: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def summarize(
    collection: CaseCollection, facts: Sequence[CaseFacts], scheme: LabelScheme | None
) -> DataSummary:
    """Sum up a data set from the facts of its cases."""
    readable = [fact for fact in facts if fact.digest]
    by_size = sorted(readable, key=lambda fact: _num_pixels(fact.shape))
    spacings = [fact.spacing_mm for fact in readable if fact.spacing_mm is not None]
    patients = {case.patient for case in collection.cases if case.patient is not None}
    classes, void_share = _classes(facts, scheme)
    return DataSummary(
        name=collection.name,
        layout=collection.layout,
        kind=_kind(len(readable), len(spacings)),
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
    )


def _num_pixels(shape: Sequence[int]) -> int:
    product = 1
    for side in shape:
        product *= side
    return product


def _kind(num_readable: int, num_volumes: int) -> Literal["pictures", "volumes", "mixed", "none"]:
    if num_readable == 0:
        return "none"
    if num_volumes == 0:
        return "pictures"
    return "volumes" if num_volumes == num_readable else "mixed"


def _partitions(collection: CaseCollection) -> tuple[PartitionCount, ...]:
    counts = []
    for partition in ("train", "validation", "test", None):
        cases = [case for case in collection.cases if case.partition == partition]
        num_labeled = sum(case.mask is not None for case in cases)
        if cases:
            name = partition or "not given"
            counts.append(PartitionCount(name, num_labeled, len(cases) - num_labeled))
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
