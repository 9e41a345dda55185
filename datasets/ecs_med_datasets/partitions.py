"""Names of partitions, and what holds for cases outside of them."""

from collections.abc import Sequence
from dataclasses import replace

from ecs_med.types import Case, Partition

__all__ = ["PARTITION_NAMES", "partition_of", "settle_partitions"]

PARTITION_NAMES: dict[str, Partition] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "val", "valid", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def partition_of(relative: str) -> Partition | None:
    """The partition that the first fitting folder of a path names.

    Example:
        >>> partition_of("val/images")
        'validation'
    """
    for part in relative.lower().split("/"):
        if part in PARTITION_NAMES:
            return PARTITION_NAMES[part]
    return None


def settle_partitions(cases: Sequence[Case]) -> list[Case]:
    """Make the partitions of a data set one statement.

    Where validation or test is given, unlabelled images outside of all
    partitions serve training. Where `train` is all that is given, nothing was
    held back yet and the partition says nothing, so it is dropped.
    """
    if not {"validation", "test"} & {case.partition for case in cases}:
        return [replace(case, partition=None) if case.partition else case for case in cases]
    return [
        replace(case, partition="train") if case.mask is None and not case.partition else case
        for case in cases
    ]
