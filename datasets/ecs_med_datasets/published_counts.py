"""Holding the number of cases found against the number that was published."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ecs_med.types import Case, Partition, Problem

__all__ = ["count_problem", "missing_problems"]

NUM_TOLD = 3


def count_problem(
    cases: Sequence[Case],
    published: Mapping[Partition, int],
    title: str,
    root: Path,
    remedy: str,
) -> Problem:
    """Compare the number of cases with masks to what literature uses.

    Args:
        cases: All cases; only those with a mask count.
        published: Number of cases by partition.
        title: Name of the data set, for the sentence.
        root: The folder, for the sentence.
        remedy: What to do where numbers differ, without a full stop.

    Returns:
        A note where all numbers agree, else a warning that names both.
    """
    found = {
        partition: sum(c.mask is not None and c.partition == partition for c in cases)
        for partition in published
    }
    told = ", ".join(f"{number:,} {partition}" for partition, number in found.items())
    if found == dict(published):
        return Problem("note", f"{told} cases with masks, as published for {title}", path=root)
    wanted = ", ".join(f"{number:,} {partition}" for partition, number in published.items())
    return Problem(
        "warning",
        f"{told} cases with masks, where {title} has {wanted}; scores on it are not comparable"
        " with published ones",
        remedy,
        root,
    )


def missing_problems(names: Collection[str], what: str, folder: Path, remedy: str) -> list[Problem]:
    """One error for files that a list names and that are not there; none where all are.

    Args:
        names: Names of the missing files.
        what: What they are, such as `images`.
        folder: Where they were looked for.
        remedy: What to do, without a full stop.
    """
    if not names:
        return []
    told = ", ".join(sorted(names)[:NUM_TOLD]) + (", ..." if len(names) > NUM_TOLD else "")
    return [Problem("error", f"{len(names):,} listed {what} are missing ({told})", remedy, folder)]
