"""What `ecs-med compare` does with its options: data, seconds of steps, runs, results, page."""

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecs_med.errors import SettingsError, TrainingInterrupted
from ecs_med.files import make_folder
from ecs_med.methods import available_methods
from ecs_med.runs import RunFolder
from ecs_med.runs.lock import hold_folder
from ecs_med.sweep.axes import parse_budgets, parse_methods, parse_seeds
from ecs_med.sweep.cell import CellOutcome
from ecs_med.sweep.executors import ExecutorOptions, choose_executor
from ecs_med.sweep.plan import Cell
from ecs_med.sweep.preflight import open_sweep_data
from ecs_med_benchmarks.few_labels.comparison import RowScores, compare_rows
from ecs_med_benchmarks.few_labels.grid import EQUALS, Equal, FewLabels, Row
from ecs_med_benchmarks.few_labels.page import Report, write_report
from ecs_med_benchmarks.few_labels.plan import (
    Planned,
    best_rival,
    decided_settings,
    plan_runs,
    steps_by_method,
)
from ecs_med_benchmarks.few_labels.results import ResultStore, read_result
from ecs_med_benchmarks.few_labels.seconds import StepSeconds, measure_method, sizes_of
from ecs_med_benchmarks.few_labels.wording import facts_of, remarks_of
from ecs_med_benchmarks.protocols import protocol_named
from ecs_med_cli.commands.compare import SETTINGS
from ecs_med_cli.console import duration, plain_table
from ecs_med_cli.lean import LEAN_TRAINING
from ecs_med_cli.sweep_console import SweepConsole
from ecs_med_datasets.data_root import find_data

__all__ = ["CompareRequest", "CompareSession"]

_SECONDS_BETWEEN_PAGES = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRequest:
    """What was asked for; `None`: the default that `--help` tells."""

    data: Path | None = None
    sets: Sequence[str] | None = None
    methods: str | None = None
    budgets: str | None = None
    seeds: str | None = None
    equal: Sequence[str] | None = None
    reference: str | None = None
    rival: str | None = None
    output: Path | None = None
    results: Path | None = None
    page_only: bool = False

    def table(self) -> FewLabels:
        """The part of the table that is asked for.

        Raises:
            SettingsError: If something cannot be understood.
        """
        for name in self.sets or ():
            protocol_named(name)
        equals: list[Equal] = []
        for word in self.equal or ():
            if word not in EQUALS:
                raise SettingsError(f"`equal={word}` is unknown; choose steps, seconds, or both.")
            equals.append(word)
        whole = FewLabels(reference=self.reference) if self.reference else FewLabels()
        return whole.restricted(
            sets=self.sets,
            methods=None if self.methods is None else parse_methods(self.methods),
            budgets=None if self.budgets is None else parse_budgets(self.budgets),
            seeds=None if self.seeds is None else parse_seeds(self.seeds),
            equals=equals,
        )


class CompareSession:
    """One call of `ecs-med compare`.

    Args:
        asked: What is asked for.
        overrides: Fields of `TrainConfig` that the user gave.
        place: Fields of `ExecutorOptions` as given.
        as_json: Print one JSON object on stdout and everything else on stderr.

    Raises:
        EcsMedError: If something that is asked for cannot be.
    """

    def __init__(
        self,
        asked: CompareRequest,
        overrides: Mapping[str, Any],
        *,
        place: Mapping[str, Any],
        as_json: bool,
    ) -> None:
        self._console = SweepConsole(as_json=as_json)
        self._asked, self._overrides = asked, overrides
        self._out = asked.output or Path("compare")
        self._results = asked.results or self._out / "results"
        self._table, self._absent = asked.table().with_installed(available_methods())
        if not self._table.methods:
            raise SettingsError(
                f"None of the methods is installed ({', '.join(self._absent)}); name others by "
                "`methods`."
            )
        for method in self._absent:
            self._console.say(f"{method}: is not installed, and left out.")
        self._data = dict.fromkeys(self._table.sets, Path())
        if not asked.page_only:
            self._data = {name: find_data(name, asked.data) for name in self._table.sets}
        device = overrides.get("device") or "auto"
        self._executor = choose_executor(
            ExecutorOptions(**place, preload=LEAN_TRAINING), device, self._out
        )
        with self._console.only_json():
            self._settings = decided_settings(
                self._table, overrides, self._data, here=self._executor.here
            )
        self._store = ResultStore(self._results)
        self._seconds = self._read_seconds()
        self._page_written = time.monotonic()
        self._set_of: dict[str, str] = {}

    def _read_seconds(self) -> StepSeconds:
        path = self._results / "step_seconds.json"
        return StepSeconds.read(path) if path.is_file() else StepSeconds()

    def _measure(self, *, anew: bool) -> None:
        """Measure what is missing, each method in turns with the reference."""
        if "seconds" not in self._table.equals and not anew:
            return
        import torch

        torch.set_num_threads(self._executor.threads or torch.get_num_threads())
        examples = {(each.row.dataset, each.row.method): each.cell for each in self._planned("few")}
        for (dataset, method), cell in examples.items():
            config = cell.config.model_copy(update={"run": None})
            known = self._seconds.find(dataset, method, sizes_of(config))
            if known and known.reference == self._table.reference and not anew:
                continue
            with self._console.only_json():
                measured = measure_method(dataset, config, self._table.reference)
            self._seconds = self._seconds.with_method(measured)
            self._seconds.write(make_folder(self._results) / "step_seconds.json")
            self._console.say(
                f"{dataset}, {method}: {measured.seconds:.3f} s a step, "
                f"{measured.ratio:.2f} of {measured.reference}"
            )

    def _iterations(self) -> int:
        [first, *_] = self._settings.values()
        return int(first["iterations"])

    def _planned(self, what: str = "all") -> list[Planned]:
        """All runs; with `few`, one a data set and method at equal steps, to be measured."""
        table, rival = self._table, self._asked.rival
        if what == "few":
            seeds, budgets = table.seeds[:1], table.few[-1:]
            table = table.restricted(seeds=seeds, budgets=budgets, equals=("steps",))
        steps = steps_by_method(
            table, self._iterations(), self._seconds, measured_only=self._asked.page_only
        )

        def planned(rival: str | None) -> list[Planned]:
            cells = table.cells(steps, rival)
            return plan_runs(cells, self._settings, self._data, self._out)

        found = planned(rival)
        if rival is None and what == "all" and table.more:
            rival = best_rival(table, found, self._store)
            found = planned(rival) if rival else found
        return found

    def run(self, *, measure: bool = False) -> None:
        """Run what is missing, and write results and page.

        Args:
            measure: Measure the seconds of all steps anew.

        Raises:
            SomeInputsFailed: If runs failed; the others are on the page.
            TrainingInterrupted: If it was stopped.
        """
        with hold_folder(self._out):
            self._measure(anew=measure)
            for sentence in self._store.outdated(each.cell for each in self._planned()):
                self._console.say(sentence)
            tried: dict[str, Cell] = {}
            # The best rival is known when all others are done, and has runs of its own then.
            while cells := [c for c in self._open_cells() if c.name not in tried]:
                tried |= {cell.name: cell for cell in cells}
                self._examine(cells)
                result = self._console.run(cells, self._executor, self._ended)
                if result.exit_code == TrainingInterrupted.exit_code:
                    self.write_page()
                self._console.raise_if_stopped(result, cells, "")
            self.write_page()
            if tried:
                self._console.raise_if_failed(result, list(tried.values()))

    def _open_cells(self) -> list[Cell]:
        """Runs without a stored result, each once; finished ones are stored first."""
        planned = {each.cell.name: each for each in self._planned()}
        self._set_of = {name: each.row.dataset for name, each in planned.items()}
        for each in planned.values():
            if self._store.find(each.cell) is None:
                self._collect(each.cell, each.row.dataset)
        return [each.cell for each in planned.values() if self._store.find(each.cell) is None]

    def _collect(self, cell: Cell, dataset: str) -> None:
        """Store what a finished run has left, if it is the one that is planned."""
        result = read_result(cell, dataset)
        if result is None or result.differs_from(cell):
            return
        self._store.add(result)
        for path in RunFolder(cell.folder).checkpoint_files():
            path.unlink(missing_ok=True)

    def _ended(self, cell: Cell, outcome: CellOutcome) -> None:
        if outcome.progress == "done":
            self._collect(cell, self._set_of[cell.name])
        if time.monotonic() - self._page_written > _SECONDS_BETWEEN_PAGES:
            self.write_page()

    def _examine(self, cells: Sequence[Cell]) -> None:
        for folder in dict.fromkeys(cell.config.data for cell in cells):
            own = [cell for cell in cells if cell.config.data == folder]
            with self._console.only_json(), self._console.bar("examining the data") as moved:
                open_sweep_data(own, moved).refuse_other_data()

    def plan(self) -> None:
        """Print how many runs there are, how many are done, and how long the others take."""
        self._measure(anew=False)
        table = plain_table("data", "equal", "budget", "method", "steps", "runs", "done", left=4)
        rows: dict[Row, list[Cell]] = {}
        for each in self._planned():
            rows.setdefault(each.row, []).append(each.cell)
        for row, cells in rows.items():
            done = sum(self._store.find(cell) is not None for cell in cells)
            words = (row.dataset, row.equal, row.budget, row.method, f"{row.steps:,}")
            table.add_row(*words, str(len(cells)), str(done))
        open_runs = {
            each.cell.name: each for each in self._planned() if self._store.find(each.cell) is None
        }
        found = [self._seconds.find(e.row.dataset, e.row.method) for e in open_runs.values()]
        steps = [each.row.steps for each in open_runs.values()]
        seconds = sum(f.seconds * n for f, n in zip(found, steps, strict=True) if f)
        if self._console.as_json:
            names = list(open_runs)
            self._console.print_json({"open": names, "step_cpu_seconds": round(seconds)})
            return
        self._console.show(table)
        self._console.say(
            f"{len(open_runs)} runs to be done; {duration(seconds)} of training steps, "
            f"{self._executor.places} runs at once, and validation, test and start beside."
        )

    def write_page(self) -> None:
        """Draw the page from what is stored."""
        runs = [(e.row, e.cell.seed, self._store.find(e.cell)) for e in self._planned()]
        found = [result for *_, result in runs if result is not None]
        self._page_written = time.monotonic()
        if not found:
            self._console.say("No run has a score yet, so there is no page.")
            return
        over = tuple(dict.fromkeys((self._table.methods[0], self._table.reference)))
        rows = compare_rows(runs, over)
        report = Report(
            rows=rows,
            over=over,
            seconds=self._seconds,
            facts=facts_of(found),
            remarks=remarks_of(rows, self._seconds, self._table, self._absent),
            command=self._command,
        )
        page = write_report(self._results, report)
        if self._console.as_json:
            self._console.print_json({"page": str(page), "results": len(found)})
        else:
            self._console.say(f"Page: {page}, from {len(found)} results")

    def _command(self, each: RowScores) -> str:
        """What reproduces a row; a row of equal seconds is an ordinary one of so many steps."""
        row = each.row
        seeds = sorted({*(result.seed for result in each.results), *each.missing})
        words = ["ecs-med", "compare", "--data", "DATA", "--sets", row.dataset]
        words += ["--methods", row.method, "--budgets", "1" if row.budget == "all" else row.budget]
        words += ["--seeds", ",".join(map(str, seeds)), "--equal", "steps"]
        words += ["--iterations", str(row.steps)]
        for option in SETTINGS:
            value = self._overrides.get(option.setting or option.name)
            if value is not None and option.name != "iterations":
                words += [option.flag, str(value)]
        return shlex.join(words)
