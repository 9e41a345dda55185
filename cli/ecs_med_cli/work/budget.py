"""What `ecs-med budget` does with its options: plan, run, tell, report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecs_med.errors import TrainingInterrupted
from ecs_med.sweep.executors.base import Executor
from ecs_med.sweep.executors.choose import choose_executor
from ecs_med.sweep.open_settings import decide_open_settings
from ecs_med.sweep.plan import plan_cells
from ecs_med.sweep.plan_file import write_plan
from ecs_med.sweep.sweep import SweepResult
from ecs_med_cli.work.budget_request import (
    executor_options,
    label_counts,
    refuse_unknown_methods,
    requested_sweep,
)
from ecs_med_cli.work.budget_tables import outcome_rows, score_table
from ecs_med_cli.work.sweep_console import SweepConsole

__all__ = ["BudgetSession"]


class BudgetSession:
    """One call of `ecs-med budget`.

    Args:
        grid: `data`, `budgets`, `methods`, `seeds`, `out` as given.
        settings: Settings of every run as given.
        config_file: Settings that `settings` override.
        place: Options of the executor by name.
        dry_run: Only `plan` will be called.
        as_json: Print one JSON object on stdout and everything else on stderr.

    Raises:
        EcsMedError: If something that is asked for cannot be.
    """

    def __init__(
        self,
        grid: Mapping[str, Any],
        settings: Mapping[str, Any],
        *,
        config_file: Path | None,
        place: Mapping[str, Any],
        dry_run: bool,
        as_json: bool,
    ) -> None:
        self._console = SweepConsole(as_json=as_json)
        options = executor_options(place)
        with self._console.quiet_stdout():
            sweep = requested_sweep(grid, settings, config_file)
            self._counts = label_counts(sweep)
            device = sweep.settings.get("device", "auto")
            self._executor: Executor = choose_executor(options, device, sweep.out)
            if not dry_run:
                self._executor.prepare()
            refuse_unknown_methods(sweep.methods)
            self._sweep = decide_open_settings(sweep, here=self._executor.here)
            self._cells = plan_cells(self._sweep)
        if "1" in (grid["budgets"] or "").replace(" ", "").split(","):
            self._console.say(
                "Budget 1 means all labels; one labelled case cannot be asked for here."
            )

    def plan(self) -> None:
        """Print what would be run, what is there already, and how long the rest will take."""
        self._console.plan(str(self._sweep.out), self._cells, self._counts, self._executor)

    def run(self, prices: Mapping[str, float | None]) -> None:
        """Run what is missing, then print the table and write the report.

        Args:
            prices: `minutes_per_label` and `cost_per_hour`, for the report.

        Raises:
            SomeInputsFailed: If runs failed; the others are reported.
            TrainingInterrupted: If it was stopped.
        """
        write_plan(self._sweep, self._cells)
        result = self._console.run(self._cells, self._executor)
        if result.exit_code == TrainingInterrupted.exit_code:
            self._tell(result, None)
        again = f", or `ecs-med budget --out {self._sweep.out}`"
        self._console.raise_if_stopped(result, self._cells, again)
        with self._console.quiet_stdout():
            report = self._report(result, prices) if result.done else None
        self._tell(result, report)
        self._console.raise_if_failed(result, self._cells)

    def _report(self, result: SweepResult, prices: Mapping[str, float | None]) -> Path:
        from ecs_med.reporting.sweep.report import write_budget_report

        return write_budget_report(
            self._sweep.out,
            runs=result.done,
            failures=result.failures,
            minutes_per_label=prices["minutes_per_label"],
            cost_per_hour=prices["cost_per_hour"],
        )

    def _tell(self, result: SweepResult, report: Path | None) -> None:
        rows = outcome_rows(self._cells, result)
        if self._console.as_json:
            path = str(report) if report else None
            self._console.print_json({"out": str(self._sweep.out), "report": path, "cells": rows})
            return
        if result.done:
            self._console.show(score_table(rows, self._counts))
        if report is not None:
            self._console.say(f"Report: {report}")
