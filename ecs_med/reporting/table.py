"""A table of the budget report: one set of values, shown on the page and written to files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ecs_med.reporting.run.history import number
from ecs_med.reporting.text import NOTHING, count, decimal, duration, percent

__all__ = ["FORMS", "Column", "Table", "Value", "budget_share", "interval", "points", "table"]

Value = str | int | float | None
"""What a cell holds; `None` where there is no value."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        key: Its name in CSV and JSON, with its unit where it has one.
        heading: Its heading on the page; empty keeps it out of the page.
        form: How a value reads on the page, a key of `FORMS`.
        until: Key of the upper end where the value is the lower end of an interval; the page
            shows both in one cell.
    """

    key: str
    heading: str
    form: str = "text"
    until: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        name: File name without suffix.
        title: What it shows.
        columns: Every column of the files; those with a heading stand on the page.
        rows: Values by the columns' keys.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Value], ...]

    @property
    def headings(self) -> tuple[str, ...]:
        """Headings on the page."""
        return tuple(column.heading for column in self.columns if column.heading)

    @property
    def is_numeric(self) -> tuple[bool, ...]:
        """Whether the columns on the page hold single numbers, which align at the right."""
        shown = [column for column in self.columns if column.heading]
        return tuple(column.form != "text" and not column.until for column in shown)

    @property
    def texts(self) -> tuple[tuple[str, ...], ...]:
        """Rows as they read on the page."""
        shown = [column for column in self.columns if column.heading]
        return tuple(tuple(_cell_text(column, row) for column in shown) for row in self.rows)


def points(difference: object, digits: int = 1) -> str:
    """A difference of scores (0..1) in points such as `+2.3`; a dash where there is none."""
    finite = number(difference)
    if finite is None:
        return NOTHING
    shown = f"{100 * finite:+.{digits}f}"
    return shown if float(shown) else f"{0:.{digits}f}"


def _cell_text(column: Column, row: Mapping[str, Value]) -> str:
    form = FORMS[column.form]
    value = row.get(column.key)
    if not column.until:
        return form(value)
    upper = row.get(column.until)
    return NOTHING if value is None or upper is None else f"{form(value)} to {form(upper)}"


def budget_share(value: object) -> str:
    """A labelled share as it is planned, such as `6.25 %`; a dash where there is none."""
    finite = number(value)
    return NOTHING if finite is None else f"{100 * finite:.3g} %"


def _text(value: object) -> str:
    return NOTHING if value is None else str(value)


def _p_value(value: object) -> str:
    finite = number(value)
    if finite is None:
        return NOTHING
    return "< 0.001" if finite < 0.001 else f"{finite:.3f}"


def _signed(value: object) -> str:
    finite = number(value)
    return NOTHING if finite is None else f"{round(finite):+,}" if round(finite) else "0"


def _hours(value: object) -> str:
    finite = number(value)
    return NOTHING if finite is None else f"{finite:+,.1f}"


def _energy(value: object) -> str:
    finite = number(value)
    return NOTHING if finite is None else f"{finite:,.1f} Wh"


def _megabytes(value: object) -> str:
    return NOTHING if number(value) is None else f"{count(value)} MB"


FORMS: Mapping[str, Callable[[object], str]] = {
    "text": _text,
    "count": count,
    "score": decimal,
    "sd": lambda value: decimal(value, 4),
    "points": points,
    "share": percent,
    "budget share": budget_share,
    "p": _p_value,
    "signed": _signed,
    "hours": _hours,
    "time": duration,
    "memory": _megabytes,
    "energy": _energy,
}
"""How values read on the page."""


def interval(lower: str, upper: str, heading: str, form: str) -> tuple[Column, Column]:
    """The two columns of an interval, which share a cell on the page."""
    return Column(lower, heading, form, until=upper), Column(upper, "", form)


def table(
    name: str, title: str, columns: Sequence[Column], rows: Sequence[Mapping[str, Value]]
) -> Table:
    """A table from lists."""
    return Table(name, title, tuple(columns), tuple(rows))
