"""Published figures, to stand beside ours.

They lie in `published.csv`. Table 1 of the paper (Mendel et al. 2020) is complete in its means.
Of its IoU per class the file holds those that are legible beyond doubt in the text at hand: all
of the fully supervised row of Cityscapes, and parts of the others.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, cast, get_args

from ecs_med.errors import DataError
from ecs_med.sweep.axes import ALL_LABELS, budget_key
from ecs_med_benchmarks.tables import Variant

__all__ = ["Metric", "PublishedFigure", "parse_published", "read_published", "select", "select_one"]

Metric = Literal["miou", "iou", "dice"]
COLUMNS = (
    *("source", "table", "dataset", "method", "labeled"),
    *("class", "metric", "value", "deviation"),
)


@dataclass(frozen=True, slots=True)
class PublishedFigure:
    """One number that somebody published.

    Attributes:
        source: Paper or system that reports it.
        table: Table of that source, such as `1`, or another place in it; empty: not known.
        dataset: Data set, as `ecs-med benchmark` calls it.
        method: Method, with the settings that differ from its defaults behind it.
        labeled: Share of labelled training images (`1/8`, `15%`), or their number (`366`).
        class_name: Class of an IoU; `None` for a mean over classes.
        metric: `miou`, `iou` of one class, or `dice`.
        value: In percent.
        deviation: Standard deviation over trials, in percent points; `None` if not given.
    """

    source: str
    table: str
    dataset: str
    method: str
    labeled: str
    class_name: str | None
    metric: Metric
    value: float
    deviation: float | None


@cache
def read_published() -> tuple[PublishedFigure, ...]:
    """All published figures, in the order of the file.

    Raises:
        DataError: If the installed file is damaged; the sentence names the line.
    """
    text = files("ecs_med_benchmarks").joinpath("published.csv").read_text(encoding="utf-8")
    return parse_published(text.splitlines())


def parse_published(lines: Iterable[str]) -> tuple[PublishedFigure, ...]:
    """Figures from the lines of a CSV file with the columns of `published.csv`.

    Raises:
        DataError: If columns or a value are wrong.
    """
    rows = csv.DictReader(lines, strict=True)
    if tuple(rows.fieldnames or ()) != COLUMNS:
        raise DataError(f"published.csv: expected the columns {', '.join(COLUMNS)}; reinstall.")
    return tuple(_figure(row, rows.line_num) for row in rows)


def select(**wanted: str) -> tuple[PublishedFigure, ...]:
    """The figures that agree with everything given.

    Args:
        **wanted: Attributes of `PublishedFigure` with their values. Means have no class,
            `metric="miou"` asks for them.

    Example:
        >>> [figure.value for figure in select(table="3", dataset="voc", labeled="1/8")]
        [66.22, 70.22]
    """
    asked = wanted.items()
    return tuple(f for f in read_published() if all(getattr(f, n) == value for n, value in asked))


def select_one(
    table: str, dataset: str, variant: Variant, budget: str, class_name: str | None = None
) -> PublishedFigure | None:
    """The published figure of a row, `None` where there is none.

    Args:
        table: Number of the table that is printed.
        dataset: Name of the data set.
        variant: The method.
        budget: Labelled budget, however it is written.
        class_name: For an IoU; `None` for the mean.
    """
    if not variant.published:
        return None
    of_class = {} if class_name is None else {"class_name": class_name}
    figures = select(
        table=variant.published_table or table,
        dataset=dataset,
        method=variant.published,
        metric="iou" if of_class else "miou",
        **of_class,
    )
    for figure in figures:
        share = ALL_LABELS if figure.labeled == "1/1" else figure.labeled
        if budget_key(share) == budget_key(budget):
            return figure
    return None


def _figure(row: dict[str, str], line: int) -> PublishedFigure:
    try:
        if row["metric"] not in get_args(Metric):
            raise ValueError(f"unknown metric '{row['metric']}'")
        value = float(row["value"])
        deviation = float(row["deviation"]) if row["deviation"] else None
        if not 0 <= value <= 100 or not 0 <= (deviation or 0) <= 100:
            raise ValueError("a number is outside of 0 to 100 percent")
    except (TypeError, ValueError) as error:
        raise DataError(f"published.csv, line {line}: {error}; correct it or reinstall.") from None
    return PublishedFigure(
        metric=cast("Metric", row["metric"]),
        value=value,
        deviation=deviation,
        class_name=row["class"] or None,
        **{name: row[name] for name in COLUMNS[:5]},
    )
