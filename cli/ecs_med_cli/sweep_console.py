"""What every command that runs a sweep prints and does: plan, time, runs, failures."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.table import Table

from ecs_med.errors import SomeInputsFailed, TrainingInterrupted
from ecs_med.sweep.cell import CellOutcome
from ecs_med.sweep.executors.base import Executor, Stop
from ecs_med.sweep.plan import Cell
from ecs_med.sweep.state import read_state
from ecs_med.sweep.sweep import SweepResult, run_sweep
from ecs_med_cli.console import Terminal, duration, plain_table
from ecs_med_cli.sweep_watch import SweepWatch

__all__ = ["SweepConsole", "describe_cell"]


class SweepConsole(Terminal):
    """Where a command that runs a sweep prints."""

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
        if executor.here and any(read_state(c.folder).progress != "done" for c in cells):
            with self.only_json():
                seconds, total = self._estimate(cells, executor)
        rows = _plan_rows(cells, counts, seconds)
        if self.as_json:
            self.print_json({"out": out, "cells": rows, "seconds": total})
            return
        self.show(_plan_table(rows))
        self.say(f"Folder: {out}")
        if total is not None:
            places = executor.places
            self.say(f"Time:   about {duration(total)}, {places} at a time, by a short trial")
        elif not executor.here:
            self.say("Time:   not estimated, since the runs are not on this machine")

    def _estimate(self, cells: Sequence[Cell], executor: Executor) -> tuple[list[float], float]:
        from ecs_med.sweep.estimate import cell_seconds, measure_times, sweep_seconds

        self.say("Trying a few iterations of each method.")
        paces = measure_times(cells, threads=executor.threads)
        seconds = [cell_seconds(cell, paces[cell.method]) for cell in cells]
        return seconds, sweep_seconds(seconds, executor.places)

    def run(
        self,
        cells: Sequence[Cell],
        executor: Executor,
        ended: Callable[[Cell, CellOutcome], None] = lambda *_: None,
    ) -> SweepResult:
        """Run what is missing, with a line for each run that ends and on those under way.

        Args:
            cells: All runs.
            executor: Where they run.
            ended: Told of each of them, too.
        """
        display = _SweepDisplay(self, cells, executor.places)

        def told(cell: Cell, outcome: CellOutcome) -> None:
            display.ended(cell, outcome)
            ended(cell, outcome)

        with self.only_json(), SweepWatch(self.say, cells):
            return run_sweep(cells, executor, told, Stop())

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


class _SweepDisplay:
    """Prints how a sweep goes, and how long it will still take."""

    def __init__(self, terminal: Terminal, cells: Sequence[Cell], places: int) -> None:
        self._terminal = terminal
        self._places = places
        self._total = len(cells)
        self._width = max((len(_curve(cell)) for cell in cells), default=0) + 1
        self._open = {c.name: c for c in cells if read_state(c.folder).progress != "done"}
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self._num_ended = self._total - len(self._open)
        if not cells:
            return
        before = f", {self._num_ended} of them done before" if self._num_ended else ""
        terminal.say(f"{self._total} runs{before}; {places} at a time")
        if self._open:
            terminal.say(f"logs in {cells[0].log.parent}")

    def ended(self, cell: Cell, outcome: CellOutcome) -> None:
        """Print the line of a run."""
        del self._open[cell.name]
        self._num_ended += outcome.progress == "done"
        if outcome.progress == "done":
            self._seconds[cell.method].append(outcome.seconds)
        what = f"{outcome.progress}: {outcome.sentence}"
        if outcome.miou is not None:
            what = f"test mIoU {outcome.miou:.4f}"
        method = _curve(cell)
        fold = "" if cell.config.fold is None else f" fold {cell.config.fold}"
        remaining = self._remaining()
        self._terminal.say(
            f"{method:<{self._width}}{cell.labeled:>6}  seed {cell.seed}{fold}  {what}  "
            f"{duration(outcome.seconds)}  {self._num_ended} of {self._total} done"
            + (f"  {duration(remaining)} left" if remaining else "")
        )

    def _remaining(self) -> float:
        """Seconds to the end at the pace so far, by method where it is known."""
        known = [each for seconds in self._seconds.values() for each in seconds]
        if not known:
            return 0.0
        overall = sum(known) / len(known)
        ahead = 0.0
        for cell in self._open.values():
            own = self._seconds.get(cell.method)
            ahead += sum(own) / len(own) if own else overall
        return ahead / self._places


def _curve(cell: Cell) -> str:
    """The method, and how labels are chosen where that is not at random."""
    draw = cell.config.draw
    return cell.method if draw == "random" else f"{cell.method}, {draw}"


def describe_cell(cell: Cell) -> dict[str, Any]:
    """What a run is, for JSON."""
    return {
        "method": cell.method,
        "labeled": cell.labeled,
        "seed": cell.seed,
        **({} if cell.config.draw == "random" else {"draw": cell.config.draw}),
        **({} if cell.config.fold is None else {"fold": cell.config.fold}),
        "folder": str(cell.folder),
    }


def _plan_rows(
    cells: Sequence[Cell], counts: Mapping[str, int], seconds: Sequence[float] | None
) -> list[dict[str, Any]]:
    rows = []
    for index, cell in enumerate(cells):
        state = read_state(cell.folder)
        rows.append(
            {
                **describe_cell(cell),
                "num_labeled": counts[cell.labeled],
                "state": state.progress,
                "iteration": state.iteration,
                "seconds": None if seconds is None else round(seconds[index], 1),
            }
        )
    return rows


def _plan_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = plain_table("method", "budget", "labels", "seed", "state", "time")
    table.columns[4].justify = "left"
    for row in rows:
        state = row["state"]
        if state == "resumable":
            state = f"resumable at iteration {row['iteration']}"
        time_left = "-" if row["seconds"] is None else duration(row["seconds"])
        labels, seed = str(row["num_labeled"]), str(row["seed"])
        table.add_row(row["method"], row["labeled"], labels, seed, state, time_left)
    return table
