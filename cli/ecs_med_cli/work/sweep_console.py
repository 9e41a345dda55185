"""What every command that runs a sweep prints and does: plan, time, runs, failures."""

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from ecs_med.errors import SomeInputsFailed, TrainingInterrupted
from ecs_med.sweep.executors.base import Executor, Stop
from ecs_med.sweep.plan import Cell
from ecs_med.sweep.state import look_at
from ecs_med.sweep.sweep import SweepResult, run_sweep
from ecs_med_cli.progress import duration
from ecs_med_cli.work.budget_progress import SweepDisplay
from ecs_med_cli.work.budget_tables import plan_rows, plan_table

__all__ = ["SweepConsole"]


class SweepConsole:
    """Prints for a person, or one JSON object for a program.

    Args:
        as_json: Print one JSON object on stdout and everything else on stderr.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._console = Console(stderr=as_json)

    def say(self, sentence: str) -> None:
        """One line."""
        self._console.print(sentence, soft_wrap=True, highlight=False, markup=False)

    def show(self, table: Table) -> None:
        """A table."""
        self._console.print(table)

    def print_json(self, content: Mapping[str, Any]) -> None:
        """The one JSON object."""
        json.dump(content, sys.stdout)
        sys.stdout.write("\n")

    def quiet_stdout(self) -> contextlib.AbstractContextManager[Any]:
        """Where a library prints, it would spoil the one JSON object."""
        if self.as_json:
            return contextlib.redirect_stdout(sys.stderr)
        return contextlib.nullcontext()

    def plan(
        self, out: str, cells: Sequence[Cell], counts: Mapping[str, int], executor: Executor
    ) -> None:
        """Print what would be run, what is there already, and how long the rest will take.

        Args:
            out: Folder of the sweep.
            cells: All runs.
            counts: Labelled cases of each budget.
            executor: Where they would run.
        """
        seconds, total = None, None
        if executor.here and any(look_at(c.folder).progress != "done" for c in cells):
            with self.quiet_stdout():
                seconds, total = self._estimate(cells, executor)
        rows = plan_rows(cells, counts, seconds)
        if self.as_json:
            self.print_json({"out": out, "cells": rows, "seconds": total})
            return
        self.show(plan_table(rows))
        self.say(f"Folder: {out}")
        if total is not None:
            places = executor.places
            self.say(f"Time:   about {duration(total)}, {places} at a time, by a short trial")
        elif not executor.here:
            self.say("Time:   not estimated, since the runs are not on this machine")

    def _estimate(self, cells: Sequence[Cell], executor: Executor) -> tuple[list[float], float]:
        from ecs_med.sweep.estimate import cell_seconds, measure_pace, sweep_seconds

        self.say("Trying a few iterations of each method.")
        paces = measure_pace(cells, threads=executor.threads)
        seconds = [cell_seconds(cell, paces[cell.method]) for cell in cells]
        return seconds, sweep_seconds(seconds, executor.places)

    def run(self, cells: Sequence[Cell], executor: Executor) -> SweepResult:
        """Run what is missing, with a line for each run that ends."""
        display = SweepDisplay(self._console, cells, executor.places)
        with self.quiet_stdout():
            return run_sweep(cells, executor, display.ended, Stop())

    def raise_if_stopped(self, result: SweepResult, cells: Sequence[Cell], again: str) -> None:
        """End as the contract says where the sweep was stopped.

        Args:
            result: Of `run`.
            cells: All runs.
            again: The command that goes on.

        Raises:
            TrainingInterrupted: If it was stopped.
        """
        if result.exit_code == TrainingInterrupted.exit_code:
            raise TrainingInterrupted(
                f"Stopped with {len(result.done)} of {len(cells)} runs done, everything is "
                f"saved; go on with the same command{again}."
            )

    def raise_if_failed(self, result: SweepResult, cells: Sequence[Cell]) -> None:
        """End as the contract says where runs failed.

        Raises:
            SomeInputsFailed: If any did; the sentence names them.
        """
        if not result.failures:
            return
        names = "; ".join(label for label, _ in result.failures)
        first = result.failures[0][1].rstrip(".")
        raise SomeInputsFailed(
            f"{len(result.failures)} of {len(cells)} runs failed ({names}), the first one because: "
            f"{first}; start again to try them once more."
        )
