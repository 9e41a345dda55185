"""What `ecs-med budget` does with its options: plan, run, tell, report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from ecs_med.errors import TrainingInterrupted
from ecs_med.sweep.axes import parse_budgets, parse_methods, parse_seeds
from ecs_med.sweep.budget import plan_budget
from ecs_med.sweep.executors import ExecutorOptions
from ecs_med.sweep.plan import Cell
from ecs_med.sweep.sweep import SweepRequest, SweepResult, read_plan, write_plan
from ecs_med_cli.console import plain_table
from ecs_med_cli.sweep_console import SweepConsole, describe_cell
from ecs_med_cli.work.train import build_config

__all__ = ["BudgetRequest", "BudgetSession", "budget_request"]


@dataclass(frozen=True, slots=True)
class BudgetRequest:
    """The sweep that is asked for, as typed; `None` where nothing was.

    Attributes:
        data: Folder or list file.
        budgets: Labelled budgets.
        methods: Names of methods.
        seeds: Seeds.
        output: Folder of the sweep.
    """

    data: Path | None = None
    budgets: str | None = None
    methods: str | None = None
    seeds: str | None = None
    output: Path | None = None


class BudgetSession:
    """One call of `ecs-med budget`.

    Args:
        asked: The sweep.
        settings: Settings of every run as given.
        config_file: Settings that `settings` override.
        place: Fields of `ExecutorOptions` as given.
        dry_run: Only `plan` will be called.
        as_json: Print one JSON object on stdout and everything else on stderr.

    Raises:
        EcsMedError: If something that is asked for cannot be.
    """

    def __init__(
        self,
        asked: BudgetRequest,
        settings: Mapping[str, Any],
        *,
        config_file: Path | None,
        place: Mapping[str, Any],
        dry_run: bool,
        as_json: bool,
    ) -> None:
        self._console = SweepConsole(as_json=as_json)
        with self._console.only_json():
            self._sweep = plan_budget(
                budget_request(asked, settings, config_file),
                ExecutorOptions(**place),
                starts_soon=not dry_run,
            )
        if "1" in (asked.budgets or "").replace(" ", "").split(","):
            self._console.say(
                "Budget 1 means all labels; one labelled case cannot be asked for here."
            )

    def plan(self) -> None:
        """Print what would be run, what is there already, and how long the rest will take."""
        sweep = self._sweep
        self._console.plan(str(sweep.out), sweep.cells, sweep.num_labeled, sweep.executor)

    def run(self, minutes_per_label: float | None, cost_per_hour: float | None) -> None:
        """Run what is missing, then print the table and write the report.

        Args:
            minutes_per_label: For the report.
            cost_per_hour: For the report.

        Raises:
            SomeInputsFailed: If runs failed; the others are reported.
            TrainingInterrupted: If it was stopped.
        """
        cells = self._sweep.cells
        write_plan(self._sweep.config, cells)
        result = self._console.run(cells, self._sweep.executor)
        if result.exit_code == TrainingInterrupted.exit_code:
            self._tell(result, None)
        again = f", or `ecs-med budget -o {self._sweep.out}`"
        self._console.raise_if_stopped(result, cells, again)
        report = None
        if result.done:
            from ecs_med.reporting.sweep.report import write_budget_report

            with self._console.only_json():
                report = write_budget_report(
                    self._sweep.out,
                    runs=result.done,
                    failures=result.failures,
                    minutes_per_label=minutes_per_label,
                    cost_per_hour=cost_per_hour,
                )
        self._tell(result, report)
        self._console.raise_if_failed(result, cells)

    def _tell(self, result: SweepResult, report: Path | None) -> None:
        rows = _outcome_rows(self._sweep.cells, result)
        if self._console.as_json:
            path = str(report) if report else None
            self._console.print_json({"out": str(self._sweep.out), "report": path, "cells": rows})
            return
        if result.done:
            self._console.show(_outcome_table(rows, self._sweep.num_labeled))
        if report is not None:
            self._console.say(f"Report: {report}")


def budget_request(
    asked: BudgetRequest, settings: Mapping[str, Any], config_file: Path | None
) -> SweepRequest:
    """What was given of a sweep; its data may be those of the sweep that is there.

    Raises:
        EcsMedError: If an option is wrong.
    """
    data = asked.data
    if data is None and config_file is None and asked.output is not None:
        stored = read_plan(asked.output)
        data = stored.data if stored else None
    config = build_config({**settings, "data": data}, config_file=config_file)
    given = {
        "out": asked.output,
        "budgets": parse_budgets(asked.budgets) if asked.budgets else None,
        "methods": None if asked.methods is None else parse_methods(asked.methods),
        "seeds": None if asked.seeds is None else parse_seeds(asked.seeds),
    }
    return {
        "data": config.data,
        "settings": config.model_dump(mode="json", exclude_unset=True, exclude={"data"}),
        **{name: value for name, value in given.items() if value is not None},
    }


def _outcome_rows(cells: Sequence[Cell], result: SweepResult) -> list[dict[str, Any]]:
    """One row a cell: what became of it."""
    outcomes = {cell.name: outcome for cell, outcome in result.outcomes}
    rows = []
    for cell in cells:
        outcome = outcomes.get(cell.name)
        rows.append(
            {
                **describe_cell(cell),
                "state": outcome.progress if outcome else "missing",
                "miou": outcome.miou if outcome else None,
                "seconds": round(outcome.seconds, 1) if outcome else None,
                "sentence": outcome.sentence if outcome else None,
            }
        )
    return rows


def _outcome_table(rows: Sequence[Mapping[str, Any]], counts: Mapping[str, int]) -> Table:
    """Mean test mIoU and its standard deviation over seeds, by budget and method."""
    from ecs_med.analysis import summarize

    methods = list(dict.fromkeys(row["method"] for row in rows))
    title = "Test mIoU, mean and standard deviation over seeds"
    table = plain_table("budget", "labels", *methods, left=0, title=title)
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
