"""Tables of a sweep on the terminal: the plan, and scores by budget and method."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from ecs_med.sweep.plan import Cell
from ecs_med.sweep.state import look_at
from ecs_med.sweep.sweep import SweepResult
from ecs_med_cli.progress import duration

__all__ = ["outcome_rows", "plan_rows", "plan_table", "score_table"]


def plan_rows(
    cells: Sequence[Cell], counts: Mapping[str, int], seconds: Sequence[float] | None
) -> list[dict[str, Any]]:
    """One row a cell: what it is, how far, and how long it still takes.

    Args:
        cells: The plan.
        counts: Labelled cases of each budget, with the first seed.
        seconds: Of each cell; `None` if they are not known.
    """
    rows = []
    for index, cell in enumerate(cells):
        state = look_at(cell.folder)
        rows.append(
            {
                **_identity(cell),
                "num_labeled": counts[cell.labeled],
                "state": state.progress,
                "iteration": state.iteration,
                "seconds": None if seconds is None else round(seconds[index], 1),
            }
        )
    return rows


def _identity(cell: Cell) -> dict[str, Any]:
    return {
        "method": cell.method,
        "labeled": cell.labeled,
        "seed": cell.seed,
        "folder": str(cell.folder),
    }


def plan_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The rows of `plan_rows` as a table."""
    table = Table(box=None, pad_edge=False)
    for name in ("method", "budget", "labels", "seed", "state", "time"):
        table.add_column(name, justify="left" if name in ("method", "state") else "right")
    for row in rows:
        state = row["state"]
        if state == "resumable":
            state = f"resumable at iteration {row['iteration']}"
        time = "-" if row["seconds"] is None else duration(row["seconds"])
        labels, seed = str(row["num_labeled"]), str(row["seed"])
        table.add_row(row["method"], row["labeled"], labels, seed, state, time)
    return table


def outcome_rows(cells: Sequence[Cell], result: SweepResult) -> list[dict[str, Any]]:
    """One row a cell: what became of it."""
    outcomes = {cell.name: outcome for cell, outcome in result.outcomes}
    rows = []
    for cell in cells:
        outcome = outcomes.get(cell.name)
        rows.append(
            {
                **_identity(cell),
                "state": outcome.progress if outcome else "missing",
                "miou": outcome.miou if outcome else None,
                "seconds": round(outcome.seconds, 1) if outcome else None,
                "sentence": outcome.sentence if outcome else None,
            }
        )
    return rows


def score_table(rows: Sequence[Mapping[str, Any]], counts: Mapping[str, int]) -> Table:
    """Mean test mIoU and its standard deviation over seeds, by budget and method.

    Args:
        rows: Of `outcome_rows`.
        counts: Labelled cases of each budget.
    """
    from ecs_med.analysis import summarize

    methods = list(dict.fromkeys(row["method"] for row in rows))
    table = Table(title="Test mIoU, mean and standard deviation over seeds", title_justify="left")
    table.box, table.pad_edge = None, False
    for name in ("budget", "labels", *methods):
        table.add_column(name, justify="right")
    for budget in dict.fromkeys(row["labeled"] for row in rows):
        cells = []
        for method in methods:
            of_cell = [r for r in rows if (r["method"], r["labeled"]) == (method, budget)]
            scores = [row["miou"] for row in of_cell if row["miou"] is not None]
            if not scores:
                cells.append("-")
                continue
            summary = summarize(scores)
            spread = "" if summary.sd is None else f" ± {summary.sd:.4f}"
            lacking = len(of_cell) - len(scores)
            cells.append(f"{summary.mean:.4f}{spread}" + (f" ({lacking} missing)" * bool(lacking)))
        table.add_row(budget, str(counts[budget]), *cells)
    return table
