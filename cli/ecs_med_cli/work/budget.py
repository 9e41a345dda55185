"""What `ecs-med budget` does with its options: plan, run, tell, report."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from ecs_med.config import TrainConfig
from ecs_med.errors import TrainingInterrupted
from ecs_med.sweep.axes import parse_budgets, parse_methods, parse_seeds
from ecs_med.sweep.executors import ExecutorOptions, choose_executor
from ecs_med.sweep.executors.base import Executor
from ecs_med.sweep.plan import Cell, SweepConfig, decide_open_settings, plan_cells
from ecs_med.sweep.sweep import SweepResult, merge_request, read_plan, write_plan
from ecs_med_cli.console import plain_table
from ecs_med_cli.sweep_console import SweepConsole, describe_cell, label_counts
from ecs_med_cli.work.train import build_config

__all__ = ["BudgetRequest", "BudgetSession", "requested_sweep"]

_DEFAULT_BUDGETS = "1/16,1/8,1/4,1/2,1"


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
            sweep = requested_sweep(asked, settings, config_file)
            device = sweep.settings.get("device", "auto")
            self._executor: Executor = choose_executor(ExecutorOptions(**place), device, sweep.out)
            if not dry_run:
                self._executor.prepare()
            _refuse_unknown_methods(sweep.methods)
            self._sweep = decide_open_settings(sweep, here=self._executor.here)
            self._cells = plan_cells(self._sweep)
            self._counts = label_counts(self._cells)
        if "1" in (asked.budgets or "").replace(" ", "").split(","):
            self._console.say(
                "Budget 1 means all labels; one labelled case cannot be asked for here."
            )

    def plan(self) -> None:
        """Print what would be run, what is there already, and how long the rest will take."""
        self._console.plan(str(self._sweep.out), self._cells, self._counts, self._executor)

    def run(self, minutes_per_label: float | None, cost_per_hour: float | None) -> None:
        """Run what is missing, then print the table and write the report.

        Args:
            minutes_per_label: For the report.
            cost_per_hour: For the report.

        Raises:
            SomeInputsFailed: If runs failed; the others are reported.
            TrainingInterrupted: If it was stopped.
        """
        write_plan(self._sweep, self._cells)
        result = self._console.run(self._cells, self._executor)
        if result.exit_code == TrainingInterrupted.exit_code:
            self._tell(result, None)
        again = f", or `ecs-med budget -o {self._sweep.out}`"
        self._console.raise_if_stopped(result, self._cells, again)
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
        self._console.raise_if_failed(result, self._cells)

    def _tell(self, result: SweepResult, report: Path | None) -> None:
        rows = _outcome_rows(self._cells, result)
        if self._console.as_json:
            path = str(report) if report else None
            self._console.print_json({"out": str(self._sweep.out), "report": path, "cells": rows})
            return
        if result.done:
            self._console.show(_outcome_table(rows, self._counts))
        if report is not None:
            self._console.say(f"Report: {report}")


def requested_sweep(
    asked: BudgetRequest, settings: Mapping[str, Any], config_file: Path | None
) -> SweepConfig:
    """The sweep that is asked for, laid over the one that lies in its folder.

    Args:
        asked: The sweep.
        settings: Settings of every run as given.
        config_file: Settings that `settings` override.

    Raises:
        EcsMedError: If an option is wrong, or contradicts the sweep that is there.
    """
    out, data = asked.output, asked.data
    stored = None if out is None else read_plan(out)
    if data is None and config_file is None and stored is not None:
        data = stored.data
    config = build_config({**settings, "data": data}, config_file=config_file)
    if out is None:
        out = _default_folder(config)
        stored = read_plan(out)
    budgets = asked.budgets or (None if stored else _DEFAULT_BUDGETS)
    request: dict[str, Any] = {
        "data": config.data,
        "out": out,
        "settings": config.model_dump(mode="json", exclude_unset=True, exclude={"data"}),
    }
    if budgets is not None:
        request["budgets"] = parse_budgets(budgets)
    if asked.methods is not None:
        request["methods"] = parse_methods(asked.methods)
    if asked.seeds is not None:
        request["seeds"] = parse_seeds(asked.seeds)
    return merge_request(stored, request)


def _default_folder(config: TrainConfig) -> Path:
    from ecs_med.data.layout import open_data

    name = open_data(config.data, config.reading).name
    return Path("sweeps") / re.sub(r"[^\w.+-]+", "-", name)


def _refuse_unknown_methods(methods: Sequence[str]) -> None:
    from ecs_med.methods import method_class

    for method in methods:
        method_class(method)


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
