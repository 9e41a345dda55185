"""What `ecs-med benchmark` does with its options: data, plan, runs, tables, page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from ecs_med.config import merge_settings
from ecs_med.errors import SettingsError
from ecs_med.sweep.axes import parse_budgets, parse_seeds
from ecs_med.sweep.budget import count_labels
from ecs_med.sweep.executors import ExecutorOptions, choose_executor
from ecs_med.sweep.plan import SweepConfig, decide_open_settings
from ecs_med.sweep.preflight import open_sweep_data
from ecs_med.sweep.sweep import SweepResult
from ecs_med_benchmarks.documents import FigureDocument, TableDocument, table_document, trial_mark
from ecs_med_benchmarks.figures import FIGURES, FigureSpec, corrector_cells, write_figure
from ecs_med_benchmarks.plan import deviations, plan_runs, write_splits
from ecs_med_benchmarks.protocol import Protocol
from ecs_med_benchmarks.protocols import protocol_named
from ecs_med_benchmarks.tables import TABLES, Variant, numbered, rows_of
from ecs_med_cli.console import plain_table
from ecs_med_cli.lean import LEAN_TRAINING
from ecs_med_cli.sweep_console import SweepConsole
from ecs_med_datasets.data_root import find_data

__all__ = ["BenchmarkRequest", "BenchmarkSession"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkRequest:
    """What of a benchmark was asked for; `None`: the default that `--help` tells."""

    name: str
    data: Path | None = None
    download: bool = False
    tables: Sequence[str] = ()
    figures: Sequence[str] = ()
    budgets: str | None = None
    seeds: str | None = None
    scale: float = 1.0
    output: Path | None = None
    splits: Path | None = None


class BenchmarkSession:
    """One call of `ecs-med benchmark NAME`.

    Args:
        asked: What is asked for.
        overrides: Fields of `TrainConfig` that the user gave.
        place: Fields of `ExecutorOptions` as given.
        dry_run: Nothing will be run.
        as_json: Print one JSON object on stdout and everything else on stderr.

    Raises:
        EcsMedError: If something that is asked for cannot be.
    """

    def __init__(
        self,
        asked: BenchmarkRequest,
        overrides: Mapping[str, Any],
        *,
        place: Mapping[str, Any],
        dry_run: bool,
        as_json: bool,
    ) -> None:
        self._console = SweepConsole(as_json=as_json)
        self._asked = asked
        full = protocol_named(asked.name)
        tables = asked.tables or (() if asked.figures else ("1",))
        self._specs = [numbered(TABLES, n, "table") for n in dict.fromkeys(tables)]
        self._figures = [numbered(FIGURES, n, "figure") for n in dict.fromkeys(asked.figures)]
        budgets = None if asked.budgets is None else parse_budgets(asked.budgets)
        self._seeds = full.seeds if asked.seeds is None else parse_seeds(asked.seeds)
        protocol = full.scaled(asked.scale)
        self._deviations = deviations(protocol, overrides)
        self._protocol = _with(protocol, overrides)
        self._rows = {spec.number: rows_of(spec, protocol, budgets) for spec in self._specs}
        self._drawn = {
            spec.number: [(spec.variant, budget) for budget in budgets or protocol.budgets]
            for spec in self._figures
        }
        self._out = asked.output or Path(f"benchmark-{asked.name}")
        with self._console.only_json():
            if asked.download:
                _download(asked, self._console)
            self._data = find_data(asked.name, asked.data)
            device = overrides.get("device") or "auto"
            self._executor = choose_executor(
                ExecutorOptions(**place, preload=LEAN_TRAINING), device, self._out
            )
            if not dry_run:
                self._executor.prepare()
            self._settings = self._decided(merge_settings(protocol.train_settings(), overrides))
            self._cells = plan_runs(
                self._all_rows(),
                self._settings,
                overrides=overrides,
                is_published=protocol.is_published,
                data=self._data,
                out=self._out,
                seeds=self._seeds,
                splits=asked.splits,
            )

    def _decided(self, settings: dict[str, Any]) -> dict[str, Any]:
        budgets = tuple(dict.fromkeys(budget for _, budget in self._all_rows()))
        sweep = SweepConfig.parse(
            {"data": self._data, "out": self._out, "budgets": budgets, "settings": settings}
        )
        return decide_open_settings(sweep, here=self._executor.here).settings

    def _all_rows(self) -> list[tuple[Variant, str]]:
        grids = (*self._rows.values(), *self._drawn.values())
        return [row for rows in grids for row in rows]

    def write_splits(self, folder: Path) -> None:
        """Write the labelled subsets of all budgets and seeds."""
        budgets = list(dict.fromkeys(cell.labeled for cell in self._cells))
        files = write_splits(folder, self._data, self._settings, budgets, self._seeds)
        if self._console.as_json:
            self._console.print_json({"splits": [str(path) for path in files]})
        else:
            self._console.say(f"{len(files)} split files in {folder}; use them by --splits.")

    def plan(self) -> None:
        """Print what would be run and how long it will take."""
        self._announce()
        self._console.plan(str(self._out), self._cells, count_labels(self._cells), self._executor)

    def _announce(self) -> None:
        mark = trial_mark(self._asked.scale)
        if mark:
            self._console.say(mark)
        if self._deviations:
            self._console.say(f"Differs from the protocol in: {'; '.join(self._deviations)}.")

    def run(self) -> None:
        """Run what is missing, print every table and write the page.

        Raises:
            SomeInputsFailed: If runs failed; the others are reported.
            TrainingInterrupted: If it was stopped.
        """
        from ecs_med.runs.folder import REPORT_FOLDERS
        from ecs_med.runs.lock import hold_folder
        from ecs_med.runs.outputs import claim_folder
        from ecs_med_benchmarks.page import PAGE_NAME

        self._announce()
        with hold_folder(self._out):
            claim_folder(self._out, {"runs", "logs", PAGE_NAME, *REPORT_FOLDERS})
            self._run()

    def _run(self) -> None:
        with self._console.only_json(), self._console.bar("examining the data") as moved:
            open_sweep_data(self._cells, moved).refuse_other_data()
        result = self._console.run(self._cells, self._executor)
        self._console.raise_if_stopped(result, self._cells, "")
        documents = self._tables_written(result)
        figures = [self._figure_written(spec) for spec in self._figures]
        from ecs_med_benchmarks.page import write_page

        page = write_page(self._out, self._protocol.title)
        if self._console.as_json:
            self._console.print_json(
                {
                    "out": str(self._out),
                    "report": str(page),
                    "tables": [table.to_json() for table in documents],
                    "figures": [
                        figure.model_dump(mode="json", exclude={"picture"})
                        for figure in figures
                        if figure is not None
                    ],
                }
            )
        else:
            self._console.say(f"Report: {page}")
        self._console.raise_if_failed(result, self._cells)

    def _figure_written(self, spec: FigureSpec) -> FigureDocument | None:
        drawn = {(variant.key, budget) for variant, budget in self._drawn[spec.number]}
        cells = [cell for cell in self._cells if (cell.method, cell.labeled) in drawn]
        if spec.number == "3":
            cells = corrector_cells(cells)
            result = self._console.run(cells, self._executor)
            self._console.raise_if_stopped(result, cells, "")
        with self._console.only_json():
            document = write_figure(
                self._out,
                spec,
                self._protocol,
                cells,
                scale=self._asked.scale,
                deviations=self._deviations,
                device=self._settings.get("device") or "auto",
            )
        if document is not None:
            self._console.say(f"{document.title}: {self._out / 'figures'}")
        return document

    def _tables_written(self, result: SweepResult) -> list[TableDocument]:
        from ecs_med_benchmarks.comparison import collect
        from ecs_med_benchmarks.page import write_table

        if not result.done:
            return []
        documents = []
        for spec in self._specs:
            rows = collect(self._rows[spec.number], self._cells)
            document = table_document(
                spec, self._protocol, rows, scale=self._asked.scale, deviations=self._deviations
            )
            write_table(self._out, document)
            documents.append(document)
            if not self._console.as_json:
                self._console.show(_printed(document))
                for remark in document.remarks:
                    self._console.say(remark)
        return documents


def _with(protocol: Protocol, overrides: Mapping[str, Any]) -> Protocol:
    """The protocol as it is run, for what the outputs say of it."""
    fields = type(protocol).model_fields
    given = {k: v for k, v in overrides.items() if v is not None and k in fields}
    return protocol.model_copy(update=given)


def _download(asked: BenchmarkRequest, console: SweepConsole) -> None:
    from ecs_med_datasets.fetching import fetch_sbd, fetch_voc

    if asked.name != "voc":
        raise SettingsError(
            f"--download fetches voc only; leave it out, and {asked.name} says where its data are "
            "had."
        )
    if asked.data is None:
        raise SettingsError("--download needs --data FOLDER to fetch into.")
    for title, fetch in (("PASCAL VOC 2012, 2 GB", fetch_voc), ("SBD, 1.4 GB", fetch_sbd)):
        console.say(f"Fetching {title}.")
        fetch(asked.data)


def _printed(document: TableDocument) -> Table:
    from ecs_med_benchmarks.page import printed_table

    printed = printed_table(document)
    table = plain_table(*printed.headings, left=2, title=f"{document.title}, {document.dataset}")
    for cells in printed.rows:
        table.add_row(*cells)
    return table
