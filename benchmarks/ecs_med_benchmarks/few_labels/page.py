"""The table as Markdown and HTML, and every run as CSV."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from ecs_med.analysis import Interval, PairedComparison, Summary
from ecs_med.files import make_folder, write_bytes, write_text, written_together
from ecs_med.reporting.html import rendered_page
from ecs_med.reporting.plots import Drawing
from ecs_med.reporting.table import PrintedTable, Value, csv_text
from ecs_med.reporting.text import NOTHING, decimal, points
from ecs_med_benchmarks.few_labels.comparison import Gain, RowScores
from ecs_med_benchmarks.few_labels.figures import draw_figures
from ecs_med_benchmarks.few_labels.grid import Row
from ecs_med_benchmarks.few_labels.results import FewScores, RunResult
from ecs_med_benchmarks.few_labels.seconds import StepSeconds
from ecs_med_benchmarks.protocols import protocol_named

__all__ = ["PAGE", "Report", "run_rows", "write_report"]

PAGE = "few_labels"
"""Name of the page's files, without suffix."""

_READING = (
    "mIoU in percent on the test cases, of the model that was best on validation and of the last "
    "one: mean over seeds ± half of its 95 % t interval. The test was read once, at the end of "
    "each run; nothing was chosen by it.",
    "A gain is in points of mIoU, between runs of the same seed, that is on the same labelled "
    "images, from the same first weights. In brackets the paired 95 % interval over seeds, as the "
    "budget report has it (these test cases, other seeds), then, behind the semicolon, that over "
    "seeds and test cases (other seeds, other cases). p: paired t-test over seeds, corrected by "
    "Holm for all gains over the same method in the table.",
)


_AUROC = {
    "validation": "wrong here, AUROC",
    "validation_foreground": "on foreground",
    "unlabeled_foreground": "on unlabelled foreground",
}
"""Columns of how well correctors find errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that the page shows.

    Attributes:
        rows: Every row of every table.
        over: Methods that the others are compared with.
        seconds: Of a step of each method.
        facts: Name and value of what a reader needs to judge the figures.
        remarks: What a reader should know, one sentence each.
        command: What reproduces a row.
    """

    rows: Sequence[RowScores]
    over: Sequence[str]
    seconds: StepSeconds
    facts: Sequence[tuple[str, str]]
    remarks: Sequence[str]
    command: Callable[[RowScores], str]

    def tables(self) -> list[tuple[str, list[RowScores]]]:
        """Rows by data set and by what is equal, with the heading of each table."""
        sets = list(dict.fromkeys(each.row.dataset for each in self.rows))
        ordered = sorted(
            self.rows, key=lambda each: (sets.index(each.row.dataset), each.row.equal != "steps")
        )
        grouped = groupby(ordered, key=lambda each: (each.row.dataset, each.row.equal))
        return [
            (f"{protocol_named(dataset).title}, equal {equal}", list(rows))
            for (dataset, equal), rows in grouped
        ]


def write_report(folder: Path, report: Report) -> Path:
    """Write `few_labels.md`, `few_labels.html`, `runs.csv` and the figures.

    Args:
        folder: Of the results; made where it is missing.
        report: What they show.

    Returns:
        The HTML page.

    Raises:
        RunFolderError: If a file cannot be written.
    """
    path = make_folder(folder) / PAGE
    drawings = draw_figures(report.rows, report.seconds, report.over[0])
    rows = run_rows(report)
    with written_together():
        for drawing in drawings:
            write_text((folder / drawing.name).with_suffix(".svg"), drawing.svg)
            write_bytes((folder / drawing.name).with_suffix(".png"), drawing.png)
        write_text(folder / "runs.csv", csv_text(list(rows[0]) if rows else [], rows))
        write_text(path.with_suffix(".md"), _as_markdown(report, drawings))
        write_text(path.with_suffix(".html"), _as_html(report, drawings))
    return path.with_suffix(".html")


def run_rows(report: Report) -> list[dict[str, Value]]:
    """One row a run and table: a run that is of two tables stands there twice."""
    return [
        _run_row(each.row, result, report.seconds)
        for _, rows in report.tables()
        for each in rows
        for result in each.results
    ]


def _run_row(row: Row, result: RunResult, seconds: StepSeconds) -> dict[str, Value]:
    measured = seconds.find(row.dataset, row.method)
    wrong = result.wrong_here
    last = result.last
    return {
        "dataset": row.dataset,
        "equal": row.equal,
        "budget": row.budget,
        "method": row.method,
        "seed": result.seed,
        "steps": row.steps,
        "num_labeled": result.num_cases["labeled"],
        "num_unlabeled": result.num_cases["unlabeled"],
        "num_test": result.num_cases["test"],
        "cpu_seconds_per_step": measured.seconds if measured else None,
        "step_cpu_seconds": round(row.steps * measured.seconds, 1) if measured else None,
        "wall_seconds": round(result.seconds, 1),
        "chosen_iteration": result.chosen.iteration,
        **_scores("validation", result.chosen.validation),
        **_scores("test", result.chosen.test),
        **_scores("last_validation", last.validation if last else None),
        **_scores("last_test", last.test if last else None),
        "wrong_here_auroc": wrong.validation if wrong else None,
        "wrong_here_auroc_foreground": wrong.validation_foreground if wrong else None,
        "wrong_here_auroc_unlabeled_foreground": wrong.unlabeled_foreground if wrong else None,
        "finished": result.finished,
        "git_commit": result.git_commit,
        "run": result.name,
    }


def _scores(prefix: str, scores: FewScores | None) -> dict[str, Value]:
    names = ("miou", "foreground_iou", "foreground_dice")
    return {f"{prefix}_{name}": getattr(scores, name) if scores else None for name in names}


def _printed_scores(rows: Sequence[RowScores]) -> PrintedTable:
    """Only rows of which a run is there."""
    rows = [each for each in rows if each.results]
    columns = {
        "Labels": [_labels(each) for each in rows],
        "Method": [each.label for each in rows],
        "Steps": [f"{each.row.steps:,}" for each in rows],
        "mIoU": [_spread(each.summary("miou")) for each in rows],
        "mIoU of the last": [_spread(each.summary("miou", "last")) for each in rows],
        "foreground Dice": [_spread(each.summary("foreground_dice")) for each in rows],
    }
    for name, heading in _AUROC.items():
        if any(each.auroc(name) for each in rows):
            columns[heading] = [_mean(each.auroc(name)) for each in rows]
    columns["Runs"] = [_runs(each) for each in rows]
    return _table(columns)


def _printed_gains(rows: Sequence[RowScores], over: Sequence[str]) -> PrintedTable:
    """Only rows that have a gain; no row before there are pairs."""
    rows = [each for each in rows if each.gains]
    columns = {
        "Labels": [_labels(each) for each in rows],
        "Method": [each.label for each in rows],
    }
    for method in over:
        gains = [each.gain(method) for each in rows]
        columns[f"over {method}"] = [_gain(gain) for gain in gains]
        columns[f"p, {method}"] = [_p(gain) for gain in gains]
        columns[f"of the last over {method}"] = [_last_gain(gain) for gain in gains]
    return _table(columns)


def _table(columns: Mapping[str, Sequence[str]]) -> PrintedTable:
    rows = tuple(zip(*columns.values(), strict=True))
    return PrintedTable(tuple(columns), rows, "ll" + "r" * (len(columns) - 2))


def _labels(each: RowScores) -> str:
    budget = "1" if each.row.budget == "all" else each.row.budget
    return budget if each.num_labeled is None else f"{budget} ({each.num_labeled})"


def _spread(summary: Summary | None) -> str:
    if summary is None:
        return NOTHING
    half = "" if summary.upper is None else f" ± {100 * (summary.upper - summary.mean):.1f}"
    return f"{100 * summary.mean:.1f}{half}"


def _mean(summary: Summary | None) -> str:
    return decimal(summary.mean if summary else None, 2)


def _gain(gain: Gain | None) -> str:
    if gain is None:
        return NOTHING
    ends = [text for text in (_ends(gain.seeds), _ends(gain.both)) if text]
    return points(gain.seeds.difference) + (f" [{'; '.join(ends)}]" if ends else "")


def _last_gain(gain: Gain | None) -> str:
    if gain is None or gain.last is None:
        return NOTHING
    ends = _ends(gain.last)
    return points(gain.last.difference) + (f" [{ends}]" if ends else "")


def _ends(found: PairedComparison | Interval) -> str:
    if found.lower is None or found.upper is None:
        return ""
    return f"{points(found.lower)}, {points(found.upper)}"


def _p(gain: Gain | None) -> str:
    value = gain.corrected if gain else None
    return "< 0.001" if value is not None and value < 0.001 else decimal(value, 3)


def _runs(each: RowScores) -> str:
    return f"{len(each.results)}" + (f", {len(each.missing)} missing" if each.missing else "")


def _seconds_table(seconds: StepSeconds, rows: Iterable[RowScores]) -> PrintedTable:
    shown = {(each.row.dataset, each.row.method) for each in rows}
    found = [each for each in seconds.methods if (each.dataset, each.method) in shown]
    return PrintedTable(
        ("Data", "Method", "CPU seconds of a step", "of the reference", "ratio", "date"),
        tuple(
            (
                *(each.dataset, each.method, f"{each.seconds:.3f}"),
                *(f"{each.reference_seconds:.3f}", f"{each.ratio:.2f}", each.date),
            )
            for each in found
        ),
        "llrrrr",
    )


def _as_markdown(report: Report, drawings: Sequence[Drawing]) -> str:
    parts = ["# Methods at few labels", *_READING, *report.remarks]
    for heading, rows in report.tables():
        parts += [f"## {heading}", _printed_scores(rows).to_markdown().rstrip()]
        gains = _printed_gains(rows, report.over)
        if gains.rows:
            parts += ["Gains:", gains.to_markdown().rstrip()]
    parts += [f"![{each.title}]({each.name}.png)\n\n{each.caption}" for each in drawings]
    measured = _seconds_table(report.seconds, report.rows)
    if measured.rows:
        parts += ["## Seconds of a step", measured.to_markdown().rstrip()]
    parts += ["## Protocol, machine and versions"]
    parts += ["\n".join(f"- {name}: {value}" for name, value in report.facts)]
    parts += ["## Commands", "Each makes one row, and what stands beside it in the files again:"]
    lines = [f"# {heading}\n{_commands(report, rows)}" for heading, rows in report.tables()]
    parts += ["```bash\n" + "\n".join(lines) + "\n```"]
    return "\n\n".join(parts) + "\n"


def _commands(report: Report, rows: Sequence[RowScores]) -> str:
    return "\n".join(report.command(each) for each in rows)


def _as_html(report: Report, drawings: Sequence[Drawing]) -> str:
    from markupsafe import Markup

    return rendered_page(
        "few_labels.html.j2",
        package="ecs_med_benchmarks",
        tables=[
            (
                heading,
                _printed_scores(rows),
                _printed_gains(rows, report.over),
                _commands(report, rows),
            )
            for heading, rows in report.tables()
        ],
        reading=_READING,
        remarks=report.remarks,
        figures=[(each, Markup(each.page)) for each in drawings],
        seconds=_seconds_table(report.seconds, report.rows),
        facts=report.facts,
    )
