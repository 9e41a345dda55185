"""Tables of scores in the budget report: all cells, gains, classes, and every single run."""

from collections.abc import Sequence

from ecs_med.reporting.run.history import number
from ecs_med.reporting.sweep.grid import Grid, short_name
from ecs_med.reporting.sweep.runs import BudgetRun, Failure
from ecs_med.reporting.sweep.statistics import Gain, Statistics, class_means
from ecs_med.reporting.table import Column, Table, Value, interval

__all__ = ["class_table", "failure_table", "gain_table", "run_table", "score_table"]

_CELL = (
    Column("method", "Method"),
    Column("budget", "Budget"),
    Column("num_labeled", "Labels", "count"),
)


def score_table(grid: Grid, found: Statistics) -> Table:
    """Mean, deviation and both intervals of mIoU for every method and budget."""
    rows: list[dict[str, Value]] = []
    for method in grid.methods:
        for cell in (cell for cell in found.scores if cell.method == method):
            cases = cell.cases
            rows.append(
                {
                    "method": short_name(method),
                    "budget": cell.budget.name,
                    "num_labeled": cell.budget.num_labeled,
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
        *_CELL,
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
            "method": short_name(gain.method),
            "budget": gain.budget.name,
            "num_labeled": gain.budget.num_labeled,
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
        *_CELL,
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
        for method in grid.methods:
            for budget in grid.budgets:
                runs = grid.runs(method, budget)
                if not runs:
                    continue
                mean, deviation = class_means(runs, index)
                rows.append(
                    {
                        "class": name,
                        "method": short_name(method),
                        "budget": budget.name,
                        "num_labeled": budget.num_labeled,
                        "iou": mean,
                        "sd": deviation,
                        "num_runs": sum(
                            index < len(run.iou_per_class) and run.iou_per_class[index] is not None
                            for run in runs
                        ),
                    }
                )
    columns = (
        Column("class", "Class"),
        *_CELL,
        Column("iou", "IoU, mean", "score"),
        Column("sd", "SD", "sd"),
        Column("num_runs", "Runs", "count"),
    )
    return Table("classes", "IoU of every class", columns, rows)


def run_table(grid: Grid) -> Table:
    """Every single run, so that nobody has to trust the means."""
    rows = [
        _run_row(run, budget.name)
        for method in grid.methods
        for budget in grid.budgets
        for run in grid.runs(method, budget)
    ]
    columns = (
        *_CELL,
        Column("seed", "Seed"),
        Column("miou", "mIoU", "score"),
        Column("foreground_dice", "Dice, foreground", "score"),
        Column("best_iteration", "Iteration kept", "count"),
        Column("seconds", "Time", "time"),
        Column("run", "Run"),
    )
    return Table("runs", "Every run", columns, rows)


def _run_row(run: BudgetRun, budget: str) -> dict[str, Value]:
    return {
        "method": short_name(run.method),
        "budget": budget,
        "num_labeled": run.split.num_labeled,
        "seed": run.seed,
        "miou": run.miou,
        "foreground_dice": number(run.test.get("foreground_dice")),
        "best_iteration": run.best_iteration,
        "seconds": number(run.manifest.get("seconds")),
        "run": run.name,
    }


def failure_table(failures: Sequence[Failure]) -> Table:
    """Runs without a score and the reason."""
    rows: list[dict[str, Value]] = [{"run": run, "reason": reason} for run, reason in failures]
    columns = (Column("run", "Run"), Column("reason", "Reason"))
    return Table("failures", "Runs without a score", columns, rows)
