"""The files of a benchmark folder, and `benchmark.html`: all of them as one offline page."""

from pathlib import Path
from typing import TypeVar

from ecs_med.errors import RunFolderError
from ecs_med.files import make_folder, write_text, written_together
from ecs_med.reporting.html import rendered_page
from ecs_med.reporting.plots import is_picture
from ecs_med.reporting.table import PrintedTable, Value, csv_text
from ecs_med.reporting.text import NOTHING, decimal, percent
from ecs_med_benchmarks.comparison import ClassLine, Line
from ecs_med_benchmarks.documents import Document, FigureDocument, TableDocument

__all__ = ["PAGE_NAME", "printed_table", "write_page", "write_table"]

PAGE_NAME = "benchmark.html"

_Document = TypeVar("_Document", bound=Document)

_COLUMNS = (
    *("label", "budget", "num_labeled", "num_runs", "num_missing", "class"),
    *("miou", "deviation", "published", "published_deviation", "difference"),
    *("gain", "p_value", "selected_share", "seconds", "trial"),
)


def write_table(out: Path, document: TableDocument) -> Path:
    """Write a table as JSON, CSV, Markdown and LaTeX below `out/tables/`.

    Args:
        out: Folder of the benchmark.
        document: The table.

    Returns:
        The Markdown file.

    Raises:
        RunFolderError: If it cannot be written.
    """
    path = make_folder(out / "tables") / document.name
    with written_together():
        document.write(path.with_suffix(".json"))
        write_text(path.with_suffix(".csv"), csv_text(_COLUMNS, _csv_rows(document)))
        write_text(path.with_suffix(".tex"), as_latex(document))
        write_text(path.with_suffix(".md"), as_markdown(document))
    return path.with_suffix(".md")


def printed_table(document: TableDocument) -> PrintedTable:
    """The table as it is read; columns without any value are left out."""
    lines = document.lines
    columns = {
        "Labels": [_labels(line) for line in lines],
        "Method": [line.label for line in lines],
        "mIoU": [_spread(line.miou, line.deviation) for line in lines],
    }
    if document.has_published:
        columns["Published"] = [_spread(x.published, x.published_deviation) for x in lines]
        columns["Difference"] = [_signed(line.difference) for line in lines]
    if any(line.gain is not None for line in lines):
        columns["Gain over supervised"] = [_gain(line) for line in lines]
    if any(line.p_value is not None for line in lines):
        columns["p (Holm)"] = [_p(line.p_value) for line in lines]
    if any(line.selected_share is not None for line in lines):
        columns["Selected"] = [percent(line.selected_share) for line in lines]
    columns["Runs"] = [
        f"{x.num_runs}" + (f", {x.num_missing} missing" if x.num_missing else "") for x in lines
    ]
    rows = tuple(zip(*columns.values(), strict=True))
    return PrintedTable(tuple(columns), rows, "ll" + "r" * (len(columns) - 2))


def as_markdown(document: TableDocument) -> str:
    """The table with its title, what sets it apart, and its remarks."""
    parts = [f"## {document.title}, {document.dataset}"]
    parts += [f"**{document.trial}**"] if document.trial else []
    parts.append(printed_table(document).to_markdown().rstrip())
    classes = _class_table(document)
    if classes.rows:
        parts.append("IoU per class in %, the published figure in brackets where it is known:")
        parts.append(classes.to_markdown().rstrip())
    parts.append(
        "mIoU in percent on the test cases: mean over seeds, standard deviation in brackets. The "
        "gain is paired by seed, with its 95 % interval and a paired t-test."
    )
    if document.deviations:
        parts.append(f"Differs from the protocol in: {'; '.join(document.deviations)}.")
    parts += document.remarks
    parts += [f"Without a score, and in no average: {n} ({why})." for n, why in document.missing]
    parts.append("; ".join(f"{name}: {value}" for name, value in document.facts))
    return "\n\n".join(parts) + "\n"


def as_latex(document: TableDocument) -> str:
    """A `tabular` for a paper, with booktabs."""
    remarks = [f"{document.title}, {document.dataset}"]
    remarks += [document.trial] if document.trial else []
    remarks += [f"Differs from the protocol in: {change}" for change in document.deviations]
    return printed_table(document).to_latex(*remarks)


def _class_table(document: TableDocument) -> PrintedTable:
    """IoU of every class, one row a line of the table; no row where none shows classes."""
    lines = [line for line in document.lines if line.classes]
    names = tuple(entry.name for entry in lines[0].classes) if lines else ()
    rows = tuple((_labels(x), x.label, *map(_class_cell, x.classes)) for x in lines)
    return PrintedTable(("Labels", "Method", *names), rows, "ll" + "r" * len(names))


def _class_cell(entry: ClassLine) -> str:
    """`91.2 ± 0.4 (91.9)`: ours with its deviation, and the published one where it is known."""
    spread = "" if entry.deviation is None else f" ± {entry.deviation:.1f}"
    published = "" if entry.published is None else f" ({entry.published:.1f})"
    return f"{decimal(entry.iou, 1)}{spread}{published}"


def _csv_rows(document: TableDocument) -> list[dict[str, Value]]:
    """Every number in full, one row a line of the table and one a class."""
    rows: list[dict[str, Value]] = []
    for line in document.lines:
        whole = {**line.to_json(), "trial": document.trial}
        rows.append(whole)
        same = {key: whole[key] for key in (*_COLUMNS[:5], "trial")}
        rows += [
            {
                **same,
                "class": entry.name,
                "miou": entry.iou,
                "deviation": entry.deviation,
                "published": entry.published,
                "difference": None
                if entry.iou is None or entry.published is None
                else entry.iou - entry.published,
            }
            for entry in line.classes
        ]
    return rows


def write_page(out: Path, title: str) -> Path:
    """Draw the page from the tables and figures below `out`, those of earlier calls among them.

    Args:
        out: Folder of the benchmark.
        title: Name of the data set.

    Returns:
        The page.

    Raises:
        RunFolderError: If it cannot be written.
    """
    from markupsafe import Markup

    tables = _documents(TableDocument, out / "tables", "table-*.json")
    figures = _documents(FigureDocument, out / "figures", "figure-*.json")
    page = rendered_page(
        "benchmark.html.j2",
        package="ecs_med_benchmarks",
        title=title,
        tables=[(each, printed_table(each), _class_table(each), _verdict(each)) for each in tables],
        # A file that brings more than a drawing is shown as the text that it is.
        figures=[(f, Markup(f.picture) if is_picture(f.picture) else f.picture) for f in figures],
        marks=list(dict.fromkeys(each.trial for each in (*tables, *figures) if each.trial)),
    )
    write_text(out / PAGE_NAME, page)
    return out / PAGE_NAME


def _documents(kind: type[_Document], folder: Path, pattern: str) -> list[_Document]:
    """Whole files of the folder; a damaged one is left out, since the next call mends it."""
    found = []
    for path in sorted(folder.glob(pattern)):
        try:
            found.append(kind.read(path))
        except RunFolderError:
            continue
    return found


def _verdict(document: TableDocument) -> str:
    """One sentence: where the method stands against supervised training."""
    told = []
    for line in document.lines:
        if line.is_own and line.gain is not None:
            interval = line.gain_interval
            certainty = "" if interval is None else f" ({interval[0]:+.1f} to {interval[1]:+.1f})"
            told.append(f"{line.gain:+.1f}{certainty} at {line.budget}")
    if not told:
        return ""
    return f"{document.own} against supervised training, in mIoU points: {'; '.join(told)}."


def _labels(line: Line) -> str:
    return line.budget + ("" if line.num_labeled is None else f" ({line.num_labeled:,})")


def _signed(value: float | None) -> str:
    return NOTHING if value is None else f"{value:+.2f}"


def _spread(mean: float | None, deviation: float | None) -> str:
    return decimal(mean, 2) + (f" ({decimal(deviation, 2)})" if deviation is not None else "")


def _gain(line: Line) -> str:
    interval = line.gain_interval
    told = f" [{interval[0]:+.2f}, {interval[1]:+.2f}]" if interval else ""
    return _signed(line.gain) + told


def _p(value: float | None) -> str:
    return "< 0.001" if value is not None and value < 0.001 else decimal(value, 3)
