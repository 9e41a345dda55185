"""Reads `history.jsonl`, the log of a run, whatever state a crash has left it in."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["History", "Series", "condense", "number", "read_history", "series"]

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class History:
    """The log of a run, in the order of iterations.

    Attributes:
        train: Rows of kind `train`, one per iteration at most, ascending.
        validation: Rows of kind `validation`, likewise.
        num_skipped: Lines that could not be understood, such as the torn last
            line of a run that was killed while writing.
    """

    train: tuple[Row, ...] = ()
    validation: tuple[Row, ...] = ()
    num_skipped: int = 0


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity over iterations; both tuples have the same length.

    Attributes:
        iterations: Ascending.
        values: Finite.
    """

    iterations: tuple[int, ...] = ()
    values: tuple[float, ...] = ()

    def __len__(self) -> int:
        """Number of points; an empty series is false."""
        return len(self.values)


def number(value: object) -> float | None:
    """`value` as a finite float, or `None` where it is none (text, null, NaN, a boolean)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


def read_history(path: Path) -> History:
    """Read a history file, skipping what is torn.

    A resumed run may log an iteration again that an earlier process had logged
    before it died; the later row holds.

    Args:
        path: `history.jsonl`; a file that does not exist gives an empty history.

    Returns:
        Rows with an iteration, sorted by it.
    """
    rows: dict[str, dict[int, Row]] = {"train": {}, "validation": {}}
    num_skipped = 0
    for row in _rows(path):
        iteration = number(row.get("iteration")) if row else None
        kind = str(row.get("kind")) if row else ""
        if row is None or iteration is None or kind not in rows:
            num_skipped += 1
        else:
            rows[kind][int(iteration)] = row
    train, validation = (
        tuple(row for _, row in sorted(rows[kind].items())) for kind in ("train", "validation")
    )
    return History(train, validation, num_skipped)


def _rows(path: Path) -> Iterator[Row | None]:
    try:
        file = path.open(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    with file:
        for line in file:
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                yield None
                continue
            yield row if isinstance(row, Mapping) else None


def series(rows: Sequence[Row], *keys: str) -> Series:
    """One quantity of all rows that have it as a finite number.

    Args:
        rows: Rows of one kind.
        keys: Path to the quantity, such as `"losses", "segmentation"`.
    """
    iterations, values = [], []
    for row in rows:
        value: object = row
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        finite = number(value)
        if finite is not None:
            iterations.append(int(row["iteration"]))
            values.append(finite)
    return Series(tuple(iterations), tuple(values))


def condense(points: Series, max_points: int = 240) -> tuple[Series, int]:
    """Average neighbouring points so that a long run still draws small and readable.

    Args:
        points: Any length.
        max_points: Length of the result at most.

    Returns:
        The series, and how many logged values stand behind each of its points (1: unchanged).
    """
    size = max(1, math.ceil(len(points.values) / max_points))
    if size == 1:
        return points, 1
    starts = range(0, len(points.values), size)
    groups = [slice(start, start + size) for start in starts]
    return (
        Series(
            tuple(points.iterations[group][-1] for group in groups),
            tuple(math.fsum(points.values[group]) / len(points.values[group]) for group in groups),
        ),
        size,
    )
