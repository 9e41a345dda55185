"""Tables of the budget report: all cells, gains, classes, cost, every single run, a paper's."""

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from ecs_med.analysis import Summary, summarize
from ecs_med.reporting.sweep.grid import Budget, Cell, Grid
from ecs_med.reporting.sweep.runs import FinishedRun, Unfinished
from ecs_med.reporting.sweep.statistics import SIGNIFICANT, CellScore, Gain, Statistics
from ecs_med.reporting.table import Column, PrintedTable, Table, interval
from ecs_med.reporting.text import NOTHING
from ecs_med.runs import MethodFacts

__all__ = [
    "CELL_COLUMNS",
    "class_table",
    "cost_table",
    "failure_table",
    "gain_table",
    "paper_caption",
    "paper_table",
    "run_table",
    "score_table",
]

CELL_COLUMNS = (
    Column("method", "Method", value=lambda item: item.method.short_name),
    Column("budget", "Budget", value=lambda item: item.budget.name),
    Column("num_labeled", "Labels", "count", lambda item: item.budget.num_labeled),
)
"""Which cell of the grid a row is about, taken from whatever has a method and a budget."""

_OVER_SEEDS = ("lower", "upper", "95 % interval over seeds")
_OVER_CASES = ("cases_lower", "cases_upper", "95 % interval over test cases")


class _ClassScore(NamedTuple):
    name: str
    method: MethodFacts
    budget: Budget
    iou: Summary | None


class _SingleRun(NamedTuple):
    method: MethodFacts
    budget: Budget
    run: FinishedRun


def score_table(grid: Grid, found: Statistics) -> Table:
    """Mean, deviation and both intervals of mIoU for every method and budget."""
    return Table.of(
        sorted(found.scores, key=lambda cell: grid.methods.index(cell.method)),
        "scores",
        "mIoU of every method and budget",
        *CELL_COLUMNS,
        Column("share", "Share", "budget share", lambda cell: cell.budget.share),
        Column("miou", "mIoU, mean", "score", lambda cell: cell.seeds.mean),
        Column("sd", "SD", "sd", lambda cell: cell.seeds.sd),
        *interval(*_OVER_SEEDS, "score", lambda cell: cell.seeds),
        *interval(*_OVER_CASES, "score", lambda cell: cell.cases),
        Column("num_runs", "Runs", "count", lambda cell: cell.seeds.num),
    )


def gain_table(gains: Sequence[Gain]) -> Table:
    """Gain over the baseline at every budget, in mIoU points."""
    return Table.of(
        gains,
        "gains",
        f"Gain over {gains[0].against if gains else 'supervised training'}",
        *CELL_COLUMNS,
        Column("gain", "Gain, mIoU points", "points", lambda gain: gain.seeds.difference),
        *interval(*_OVER_SEEDS, "points", lambda gain: gain.seeds),
        *interval(*_OVER_CASES, "points", lambda gain: gain.cases),
        Column("p_value", "p", "p", lambda gain: gain.seeds.p_value),
        Column("p_corrected", "p, Holm", "p", lambda gain: gain.corrected),
        Column("resolvable", "Resolvable, points", "plain points", _resolvable),
        Column("num_pairs", "Pairs", "count", lambda gain: gain.seeds.num),
    )


def _resolvable(gain: Gain) -> float | None:
    return None if gain.resolution is None else gain.resolution.difference


def class_table(grid: Grid) -> Table:
    """IoU of every class for every method and budget."""
    return Table.of(
        [
            _ClassScore(name, method, budget, _class_iou(runs, index))
            for index, name in enumerate(grid.class_names)
            for method, budget, runs in grid.by_method()
        ],
        "classes",
        "IoU of every class",
        Column("class", "Class", value=lambda row: row.name),
        *CELL_COLUMNS,
        Column("iou", "IoU, mean", "score", lambda row: row.iou.mean if row.iou else None),
        Column("sd", "SD", "sd", lambda row: row.iou.sd if row.iou else None),
        Column("num_runs", "Runs", "count", lambda row: row.iou.num if row.iou else 0),
    )


def _class_iou(runs: Sequence[FinishedRun], index: int) -> Summary | None:
    known = [value for run in runs if (value := run.iou_of(index)) is not None]
    return summarize(known) if known else None


def cost_table(grid: Grid) -> Table:
    """Cost by method and budget: mean time of a run, sums, the largest memory."""
    with_energy = any(run.manifest.energy_wh is not None for run in grid.all_runs)
    return Table.of(
        grid.by_method(),
        "cost",
        "Cost by method and budget",
        *CELL_COLUMNS,
        Column("num_runs", "Runs", "count", lambda cell: len(cell.runs)),
        Column("seconds_mean", "Time of a run", "time", lambda cell: fmean(_seconds(cell))),
        Column("seconds_sum", "Time in all", "time", lambda cell: sum(_seconds(cell))),
        Column("peak_memory_mb", "Peak memory", "memory", _peak_memory),
        Column("energy_wh", "Energy in all" if with_energy else "", "energy", _energy),
    )


def _seconds(cell: Cell) -> list[float]:
    return [run.manifest.seconds for run in cell.runs]


def _peak_memory(cell: Cell) -> int:
    return max(run.manifest.peak_memory_mb for run in cell.runs)


def _energy(cell: Cell) -> float | None:
    known = [e for run in cell.runs if (e := run.manifest.energy_wh) is not None]
    return sum(known) if known else None


def run_table(grid: Grid) -> Table:
    """Every single run, so that nobody has to trust the means."""
    return Table.of(
        [
            _SingleRun(method, budget, run)
            for method, budget, runs in grid.by_method()
            for run in runs
        ],
        "runs",
        "Every run",
        *CELL_COLUMNS[:2],
        Column("num_labeled", "Labels", "count", lambda row: row.run.split.num_labeled),
        Column("seed", "Seed", value=lambda row: row.run.seed),
        Column("miou", "mIoU", "score", lambda row: row.run.miou),
        Column(
            "foreground_dice",
            "Dice, foreground",
            "score",
            lambda row: row.run.metrics.test.foreground_dice,
        ),
        Column(
            "best_iteration", "Iteration kept", "count", lambda row: row.run.metrics.best_iteration
        ),
        Column("seconds", "Time", "time", lambda row: row.run.manifest.seconds),
        Column("run", "Run", value=lambda row: row.run.name),
    )


def failure_table(failures: Sequence[Unfinished]) -> Table:
    """Runs without a score and the reason."""
    return Table.of(
        failures,
        "failures",
        "Runs without a score",
        Column("run", "Run", value=lambda failure: failure[0]),
        Column("reason", "Reason", value=lambda failure: failure[1]),
    )


def paper_table(grid: Grid, found: Statistics) -> PrintedTable:
    """The table of a paper: methods are rows, budgets columns.

    A cell is mean and standard deviation over seeds in percent. The best mean of a budget is bold
    only where the corrected p-value of its difference from the baseline is below 0.05.
    """
    rows, bold = [], set()
    for row, method in enumerate(grid.methods):
        cells = [method.short_name]
        for column, budget in enumerate(grid.budgets, start=1):
            cells.append(_cell(found.score(method, budget)))
            if _is_bold(grid, found, method, budget):
                bold.add((row, column))
        rows.append(tuple(cells))
    return PrintedTable(
        headings=("Method", *(f"{budget.name} ({budget.num_labeled})" for budget in grid.budgets)),
        rows=tuple(rows),
        align="l" + "c" * len(grid.budgets),
        bold=frozenset(bold),
    )


def paper_caption(grid: Grid) -> str:
    """What the table of a paper shows."""
    num_seeds = len(grid.seeds)
    over = "one seed" if num_seeds == 1 else f"up to {num_seeds} seeds"
    spread = "" if num_seeds == 1 else " and standard deviation"
    return (
        f"mIoU in % on the test set of {grid.title}: mean{spread} over {over}, by labelled budget "
        f"(number of labelled {grid.unit}s). Bold: best, where it differs from {grid.against} "
        f"with p < {SIGNIFICANT} (paired t-test, Holm-corrected)."
    )


def _cell(score: CellScore | None) -> str:
    if score is None:
        return NOTHING
    mean, deviation = score.seeds.mean, score.seeds.sd
    return f"{100 * mean:.1f}" + ("" if deviation is None else f" ± {100 * deviation:.1f}")


def _is_bold(grid: Grid, found: Statistics, method: MethodFacts, budget: Budget) -> bool:
    means = {m: score.seeds.mean for m in grid.methods if (score := found.score(m, budget))}
    if len(means) < 2 or max(means, key=lambda other: means[other]) != method:
        return False
    rivals = [other for other in means if other != grid.baseline]
    gains = [found.gain(m, budget) for m in (rivals if method == grid.baseline else [method])]
    return all(
        gain is not None and gain.corrected is not None and gain.corrected < SIGNIFICANT
        for gain in gains
    )
