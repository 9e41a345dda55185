"""Tables of scores in the budget report: all cells, gains, classes, and every single run."""

from collections.abc import Sequence

from ecs_med.reporting.sweep.grid import Budget, Grid
from ecs_med.reporting.sweep.runs import Unfinished
from ecs_med.reporting.sweep.statistics import CellScore, Gain, Statistics, class_means
from ecs_med.reporting.sweep.verdict import SIGNIFICANT
from ecs_med.reporting.table import Column, PrintedTable, Table, Value, interval
from ecs_med.reporting.text import NOTHING
from ecs_med.runs import MethodFacts

__all__ = [
    "CELL_COLUMNS",
    "cell_values",
    "class_table",
    "failure_table",
    "gain_table",
    "paper_caption",
    "paper_table",
    "run_table",
    "score_table",
]

CELL_COLUMNS = (
    Column("method", "Method"),
    Column("budget", "Budget"),
    Column("num_labeled", "Labels", "count"),
)
"""Which cell of the grid a row is about; `cell_values` fills them."""


def cell_values(method: MethodFacts, budget: Budget) -> dict[str, Value]:
    """Values of `CELL_COLUMNS`."""
    return {
        "method": method.short_name,
        "budget": budget.name,
        "num_labeled": budget.num_labeled,
    }


def score_table(grid: Grid, found: Statistics) -> Table:
    """Mean, deviation and both intervals of mIoU for every method and budget."""
    rows: list[dict[str, Value]] = []
    for method in grid.methods:
        for cell in (cell for cell in found.scores if cell.method == method):
            cases = cell.cases
            rows.append(
                {
                    **cell_values(method, cell.budget),
                    "share": cell.budget.share,
                    "miou": cell.seeds.mean,
                    "sd": cell.seeds.sd,
                    "lower": cell.seeds.lower,
                    "upper": cell.seeds.upper,
                    "cases_lower": cases.lower if cases else None,
                    "cases_upper": cases.upper if cases else None,
                    "num_runs": cell.seeds.num,
                }
            )
    columns = (
        *CELL_COLUMNS,
        Column("share", "Share", "budget share"),
        Column("miou", "mIoU, mean", "score"),
        Column("sd", "SD", "sd"),
        *interval("lower", "upper", "95 % interval over seeds", "score"),
        *interval("cases_lower", "cases_upper", "95 % interval over test cases", "score"),
        Column("num_runs", "Runs", "count"),
    )
    return Table("scores", "mIoU of every method and budget", columns, rows)


def gain_table(gains: Sequence[Gain]) -> Table:
    """Gain over supervised training at every budget, in mIoU points."""
    rows: list[dict[str, Value]] = [
        {
            **cell_values(gain.method, gain.budget),
            "gain": gain.seeds.difference,
            "lower": gain.seeds.lower,
            "upper": gain.seeds.upper,
            "cases_lower": gain.cases.lower if gain.cases else None,
            "cases_upper": gain.cases.upper if gain.cases else None,
            "p_value": gain.seeds.p_value,
            "p_corrected": gain.corrected,
            "num_pairs": gain.seeds.num,
        }
        for gain in gains
    ]
    columns = (
        *CELL_COLUMNS,
        Column("gain", "Gain, mIoU points", "points"),
        *interval("lower", "upper", "95 % interval over seeds", "points"),
        *interval("cases_lower", "cases_upper", "95 % interval over test cases", "points"),
        Column("p_value", "p", "p"),
        Column("p_corrected", "p, Holm", "p"),
        Column("num_pairs", "Pairs", "count"),
    )
    return Table("gains", "Gain over supervised training", columns, rows)


def class_table(grid: Grid) -> Table:
    """IoU of every class for every method and budget."""
    rows: list[dict[str, Value]] = []
    for index, name in enumerate(grid.class_names):
        for method, budget, runs in grid.by_method():
            mean, deviation = class_means(runs, index)
            rows.append(
                {
                    "class": name,
                    **cell_values(method, budget),
                    "iou": mean,
                    "sd": deviation,
                    "num_runs": sum(run.iou_of(index) is not None for run in runs),
                }
            )
    columns = (
        Column("class", "Class"),
        *CELL_COLUMNS,
        Column("iou", "IoU, mean", "score"),
        Column("sd", "SD", "sd"),
        Column("num_runs", "Runs", "count"),
    )
    return Table("classes", "IoU of every class", columns, rows)


def run_table(grid: Grid) -> Table:
    """Every single run, so that nobody has to trust the means."""
    rows: list[dict[str, Value]] = [
        {
            **cell_values(method, budget),
            "num_labeled": run.split.num_labeled,
            "seed": run.seed,
            "miou": run.miou,
            "foreground_dice": run.metrics.test.foreground_dice,
            "best_iteration": run.metrics.best_iteration,
            "seconds": run.manifest.seconds,
            "run": run.name,
        }
        for method, budget, runs in grid.by_method()
        for run in runs
    ]
    columns = (
        *CELL_COLUMNS,
        Column("seed", "Seed"),
        Column("miou", "mIoU", "score"),
        Column("foreground_dice", "Dice, foreground", "score"),
        Column("best_iteration", "Iteration kept", "count"),
        Column("seconds", "Time", "time"),
        Column("run", "Run"),
    )
    return Table("runs", "Every run", columns, rows)


def failure_table(failures: Sequence[Unfinished]) -> Table:
    """Runs without a score and the reason."""
    rows: list[dict[str, Value]] = [{"run": run, "reason": reason} for run, reason in failures]
    columns = (Column("run", "Run"), Column("reason", "Reason"))
    return Table("failures", "Runs without a score", columns, rows)


def paper_table(grid: Grid, found: Statistics) -> PrintedTable:
    """The table of a paper: methods are rows, budgets columns.

    A cell is mean and standard deviation over seeds in percent. The best mean of a budget is bold
    only where the corrected p-value of its difference from supervised training is below 0.05.
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
        f"(number of labelled {grid.unit}s). Bold: best, where it differs from supervised training "
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
