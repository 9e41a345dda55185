"""What `ecs-med budget` does with its options: plan, run, tell, report."""

import contextlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from ecs_med.errors import SomeInputsFailed, TrainingInterrupted
from ecs_med.sweep.executors.base import Executor, Stop
from ecs_med.sweep.executors.choose import choose_executor
from ecs_med.sweep.open_settings import decide_open_settings
from ecs_med.sweep.plan import Cell, plan_cells
from ecs_med.sweep.plan_file import write_plan
from ecs_med.sweep.state import look_at
from ecs_med.sweep.sweep import SweepResult, run_sweep
from ecs_med_cli.budget_progress import SweepDisplay
from ecs_med_cli.budget_request import (
    executor_options,
    label_counts,
    refuse_unknown_methods,
    requested_sweep,
)
from ecs_med_cli.budget_tables import outcome_rows, plan_rows, plan_table, score_table
from ecs_med_cli.progress import duration

__all__ = ["BudgetSession"]

_REMOTE = ("ray", "slurm")


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
        self._console = Console(stderr=as_json)
        self._as_json = as_json
        options = executor_options(place)
        # A library that prints would spoil the one JSON object.
        with self._quiet_stdout():
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
            self._say("Budget 1 means all labels; one labelled case cannot be asked for here.")

    def plan(self) -> None:
        """Print what would be run, what is there already, and how long the rest will take."""
        seconds, total = None, None
        if self._executor.here and any(look_at(c.folder).progress != "done" for c in self._cells):
            with self._quiet_stdout():
                seconds, total = self._estimate()
        rows = plan_rows(self._cells, self._counts, seconds)
        if self._as_json:
            self._print_json({"out": str(self._sweep.out), "cells": rows, "seconds": total})
            return
        self._console.print(plan_table(rows))
        self._say(f"Folder: {self._sweep.out}")
        if total is not None:
            places = self._executor.places
            self._say(f"Time:   about {duration(total)}, {places} at a time, by a short trial")
        elif not self._executor.here:
            self._say("Time:   not estimated, since the runs are not on this machine")

    def _estimate(self) -> tuple[list[float], float]:
        from ecs_med.sweep.estimate import cell_seconds, measure_pace, sweep_seconds

        places = self._executor.places
        self._say("Trying a few iterations of each method.")
        paces = measure_pace(self._cells, threads=self._executor.threads)
        seconds = [cell_seconds(cell, paces[cell.method]) for cell in self._cells]
        return seconds, sweep_seconds(seconds, places)

    def run(self, prices: Mapping[str, float | None]) -> None:
        """Run what is missing, then print the table and write the report.

        Args:
            prices: `minutes_per_label` and `cost_per_hour`, for the report.

        Raises:
            SomeInputsFailed: If runs failed; the others are reported.
            TrainingInterrupted: If it was stopped.
        """
        write_plan(self._sweep, self._cells)
        display = SweepDisplay(self._console, self._cells, self._executor.places)
        with self._quiet_stdout():
            result = run_sweep(self._cells, self._executor, display.ended, Stop())
        if result.exit_code == TrainingInterrupted.exit_code:
            self._tell(result, None)
            raise TrainingInterrupted(
                f"Stopped with {len(result.done)} of {len(self._cells)} runs done, everything is "
                f"saved; go on with the same command, or `ecs-med budget --out {self._sweep.out}`."
            )
        with self._quiet_stdout():
            report = self._report(result, prices) if result.done else None
        self._tell(result, report)
        if result.failures:
            raise SomeInputsFailed(_failed_sentence(result, self._cells))

    def _report(self, result: SweepResult, prices: Mapping[str, float | None]) -> Path:
        from ecs_med.reporting.budget_report import write_budget_report

        return write_budget_report(
            self._sweep.out,
            runs=result.done,
            failures=result.failures,
            minutes_per_label=prices["minutes_per_label"],
            cost_per_hour=prices["cost_per_hour"],
        )

    def _tell(self, result: SweepResult, report: Path | None) -> None:
        rows = outcome_rows(self._cells, result)
        if self._as_json:
            self._print_json(
                {
                    "out": str(self._sweep.out),
                    "report": str(report) if report else None,
                    "cells": rows,
                }
            )
            return
        if result.done:
            self._console.print(score_table(rows, self._counts))
        if report is not None:
            self._say(f"Report: {report}")

    def _say(self, sentence: str) -> None:
        self._console.print(sentence, soft_wrap=True, highlight=False, markup=False)

    def _print_json(self, content: Mapping[str, Any]) -> None:
        json.dump(content, sys.stdout)
        sys.stdout.write("\n")

    def _quiet_stdout(self) -> contextlib.AbstractContextManager[Any]:
        if self._as_json:
            return contextlib.redirect_stdout(sys.stderr)
        return contextlib.nullcontext()


def _failed_sentence(result: SweepResult, cells: list[Cell]) -> str:
    names = "; ".join(label for label, _ in result.failures)
    first = result.failures[0][1].rstrip(".")
    return (
        f"{len(result.failures)} of {len(cells)} runs failed ({names}), the first one because: "
        f"{first}; start again to try them once more."
    )
