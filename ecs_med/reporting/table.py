"""Tables, written once for the page, for papers and for other programs.

A `Table` keeps values: CSV and JSON hold all of their digits. What stands on a page or in a paper
is a `PrintedTable`, whose cells are text; any table has one.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecs_med.files import RESULT_REMEDY, write_json, write_text
from ecs_med.names import as_cell, visible
from ecs_med.reporting.text import FORMS, NOTHING

__all__ = [
    "Column",
    "PrintedTable",
    "Table",
    "Value",
    "csv_text",
    "interval",
    "markdown_text",
]

Value = str | int | float | None
"""What a cell holds; `None` where there is no value."""

_NUMBER = re.compile(r"[-+]?[\d,]*\.?\d+(?: ± [\d,]*\.?\d+)?")
_MARKUP = re.compile(r"[\\`*_\[\]|~$]|(?<=\w)://")
_MARKDOWN = {"l": "---", "c": ":---:", "r": "---:"}
_LATEX = {
    **{character: rf"\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "λ": r"$\lambda$",
    "\u2212": "$-$",
    "\u2013": "--",
}


@dataclass(frozen=True, slots=True)
class PrintedTable:
    """A table as it is read.

    Attributes:
        headings: One a column.
        rows: As many texts a row.
        align: A letter a column, `l`, `c` or `r`; empty: the first column left, the others right.
        bold: Row and column of the cells that stand out.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    align: str = ""
    bold: frozenset[tuple[int, int]] = frozenset()

    def to_markdown(self) -> str:
        """The table in Markdown, its last line ended.

        Example:
            >>> print(PrintedTable(("Method", "mIoU"), (("ECS", "81.2"),)).to_markdown(), end="")
            | Method | mIoU |
            | --- | ---: |
            | ECS | 81.2 |
        """
        lines = [
            [markdown_text(heading) for heading in self.headings],
            [_MARKDOWN[side] for side in self._sides()],
        ]
        for place, row in enumerate(self.rows):
            cells = [markdown_text(text) for text in row]
            lines.append(
                [f"**{t}**" if (place, i) in self.bold else t for i, t in enumerate(cells)]
            )
        return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)

    def to_latex(self, *remarks: str) -> str:
        """A `tabular` with the rules of the package booktabs, its last line ended.

        Args:
            *remarks: Comments above it, such as a caption.
        """
        body = [
            " & ".join(_latex_cell(text, (place, i) in self.bold) for i, text in enumerate(row))
            for place, row in enumerate(self.rows)
        ]
        lines = [
            *("% " + " ".join(visible(remark).split()) for remark in remarks),
            rf"\begin{{tabular}}{{{self._sides()}}}",
            r"\toprule",
            " & ".join(map(_latex, self.headings)) + r" \\",
            r"\midrule",
            *(line + r" \\" for line in body),
            r"\bottomrule",
            r"\end{tabular}",
        ]
        return "".join(f"{line}\n" for line in lines)

    def _sides(self) -> str:
        return self.align or "l" + "r" * (len(self.headings) - 1)


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        key: Its name in CSV and JSON, with its unit where it has one.
        heading: Its heading where it is printed; empty keeps it out.
        form: How a value is printed, a key of `text.FORMS`.
        value: Takes the value from an item of `Table.of`.
        until: Key of the upper end where the value is the lower end of an interval; both are
            printed in one cell.
    """

    key: str
    heading: str = ""
    form: str = "text"
    value: Callable[[Any], Value] = field(default=lambda item: None, repr=False)
    until: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of values.

    Attributes:
        name: File name without suffix.
        title: What it shows.
        columns: Every column of the files; those with a heading are printed.
        rows: Values by the columns' keys; a key that is missing has no value.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Value]]

    @classmethod
    def of(cls, items: Iterable[Any], name: str, title: str, *columns: Column) -> "Table":
        """A table with a row for every item, whose cells are what the columns take from it."""
        rows = [{column.key: column.value(item) for column in columns} for item in items]
        return cls(name, title, columns, rows)

    def printed(self) -> PrintedTable:
        """The columns that have a heading, single numbers at the right."""
        shown = [column for column in self.columns if column.heading]
        return PrintedTable(
            headings=tuple(column.heading for column in shown),
            rows=tuple(tuple(_printed_cell(column, row) for column in shown) for row in self.rows),
            align="".join("l" if c.form == "text" or c.until else "r" for c in shown),
        )

    def to_csv(self) -> str:
        """Every column with all digits."""
        return csv_text([column.key for column in self.columns], self.rows)

    def to_json(self) -> dict[str, Any]:
        """Title and rows; every row has every key."""
        keys = [column.key for column in self.columns]
        rows = [{key: row.get(key) for key in keys} for row in self.rows]
        return {"title": self.title, "rows": rows}

    def write(self, folder: Path) -> None:
        """Write `<name>.csv` and `<name>.json` into a folder; errors as `write_text`."""
        write_text(folder / f"{self.name}.csv", self.to_csv(), remedy=RESULT_REMEDY)
        write_json(folder / f"{self.name}.json", self.to_json(), remedy=RESULT_REMEDY)


def csv_text(keys: Sequence[str], rows: Iterable[Mapping[str, Value]]) -> str:
    r"""Rows as CSV, all digits kept; `None` and a missing key give an empty cell.

    A text that a spreadsheet would compute is kept from it, see `as_cell`.

    Example:
        >>> csv_text(["method", "miou"], [{"method": "ECS", "miou": 0.5}, {"method": "other"}])
        'method,miou\nECS,0.5\nother,\n'
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(keys), extrasaction="ignore", lineterminator="\n")
    writer.writerow({key: _csv_cell(key) for key in keys})
    writer.writerows({key: _csv_cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def interval(
    lower: str,
    upper: str,
    heading: str,
    form: str,
    value: Callable[[Any], Any] = lambda item: None,
) -> tuple[Column, Column]:
    """The two columns of an interval, printed in one cell; `value` gives what has both ends."""
    return (
        Column(lower, heading, form, lambda item: getattr(value(item), "lower", None), upper),
        Column(upper, value=lambda item: getattr(value(item), "upper", None)),
    )


def _printed_cell(column: Column, row: Mapping[str, Value]) -> str:
    form = FORMS[column.form]
    value = row.get(column.key)
    if not column.until:
        return form(value)
    upper = row.get(column.until)
    return NOTHING if value is None or upper is None else f"{form(value)} to {form(upper)}"


def markdown_text(text: str) -> str:
    """A text as one line of Markdown, in which nothing is markup, HTML or a link."""
    line = _MARKUP.sub(r"\\\g<0>", " ".join(visible(text).split()))
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _csv_cell(value: Value) -> Value:
    return as_cell(value) if isinstance(value, str) else value


def _latex(text: str) -> str:
    line = " ".join(visible(text).split())
    return "".join(_LATEX.get(character, character) for character in line)


def _latex_cell(text: str, bold: bool) -> str:
    if _NUMBER.fullmatch(text):
        formula = text.replace("±", r"\pm")
        return rf"$\mathbf{{{formula}}}$" if bold else f"${formula}$"
    return rf"\textbf{{{_latex(text)}}}" if bold else _latex(text)
