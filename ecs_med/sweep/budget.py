"""What labels buy: a sweep over labelled budgets from the data to its report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ecs_med.config import ReadingSettings
from ecs_med.errors import SettingsError, TrainingInterrupted
from ecs_med.names import file_name
from ecs_med.runs.lock import hold_folder
from ecs_med.sweep.axes import parse_budgets, parse_draws, parse_methods, parse_seeds
from ecs_med.sweep.executors import ExecutorOptions, choose_executor
from ecs_med.sweep.executors.base import Executor, Stop
from ecs_med.sweep.plan import Cell, SweepConfig, decide_open_settings, plan_cells
from ecs_med.sweep.sweep import SweepRequest, merge_request, read_plan, run_sweep, write_plan

__all__ = [
    "BudgetReport",
    "BudgetSweep",
    "budget",
    "count_labels",
    "plan_budget",
    "requested_sweep",
]

_AXES = {
    "budgets": parse_budgets,
    "draws": parse_draws,
    "methods": parse_methods,
    "seeds": parse_seeds,
}
DEFAULT_BUDGETS = ("1/16", "1/8", "1/4", "1/2", "all")


@dataclass(frozen=True, slots=True)
class BudgetReport:
    """What has become of a sweep.

    Attributes:
        path: `budget.html`; `None` where no run has a score.
        runs: Folders of the runs with scores.
        failures: Name of every failed run, and why it failed.
        notes: Budgets that were run as one, and what a person should look at in the data.
    """

    path: Path | None
    runs: tuple[Path, ...]
    failures: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()


def budget(
    data: Path | str | None = None,
    *,
    budgets: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    folds: int | None = None,
    settings: Mapping[str, Any] | None = None,
    output: Path | str | None = None,
    executor: ExecutorOptions | str = "inline",
    stop: Stop | None = None,
) -> BudgetReport:
    """Train every method at every budget and seed, and report what labels buy.

    Called again for the same `output` it does only what is missing; budgets, methods and seeds
    may be added. With `executor="processes"` a script has to guard its calls by
    `if __name__ == "__main__":`, since the processes import it.

    Args:
        data: Folder or list file; may be left out where `output` holds a sweep.
        budgets: Shares such as `1/8` or `10%`, numbers of cases, `all`; 1/16 to all by default.
        methods: Names of training methods; the default one and its baseline by default.
        seeds: Each draws a labelled subset, the same for every method; 0 to 2 by default.
        folds: Cross-validation: a run for each of so many parts of all cases that have masks;
            `None`: without.
        settings: Fields of `TrainConfig` that all runs share.
        output: Folder of the sweep; `sweeps/<data>` by default.
        executor: Where the runs run: `inline` (here, one after the other), `processes`, `ray`,
            `slurm`, or one of them with its options.
        stop: To ask the sweep to stop from another thread.

    Returns:
        The report and the runs behind it; `write_budget_report` writes it anew with prices.

    Raises:
        EcsMedError: If something that is asked for cannot be.
        TrainingInterrupted: If it was stopped, with everything saved.

    Example:
        >>> import ecs_med
        >>> grid = {"budgets": ["all"], "methods": ["supervised"], "seeds": [0]}
        >>> report = ecs_med.budget(folder, **grid, settings=settings, output="out")
        >>> report.path.name, len(report.runs)
        ('budget.html', 1)
    """
    asked = {
        "data": data,
        "out": output,
        "budgets": budgets,
        "methods": methods,
        "seeds": seeds,
        "folds": folds,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    options = ExecutorOptions(name=executor) if isinstance(executor, str) else executor
    sweep = plan_budget({**given, "settings": dict(settings or {})}, options)
    with hold_folder(sweep.out):
        return _run_budget(sweep, stop or Stop())


@dataclass(frozen=True, slots=True)
class BudgetSweep:
    """A sweep that is decided and ready to run.

    Attributes:
        config: With every setting decided.
        cells: Its runs.
        executor: Where they run.
        num_labeled: Labelled cases of each budget, drawn with the first seed.
        notes: Budgets that are run as one, a sentence each.
        warnings: What a person should look at in the data, a sentence each.
    """

    config: SweepConfig
    cells: tuple[Cell, ...]
    executor: Executor
    num_labeled: Mapping[str, int]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def out(self) -> Path:
        """Folder of the sweep."""
        return self.config.out


def _run_budget(sweep: BudgetSweep, stop: Stop) -> BudgetReport:
    write_plan(sweep.config, sweep.cells)
    result = run_sweep(sweep.cells, sweep.executor, lambda *_: None, stop)
    if result.exit_code == TrainingInterrupted.exit_code:
        raise TrainingInterrupted(
            f"Stopped with {len(result.done)} of {len(sweep.cells)} runs done, everything is saved "
            f"in {sweep.out}; the same call goes on."
        )
    path = None
    if result.done:
        from ecs_med.reporting.sweep.report import write_budget_report

        path = write_budget_report(sweep.out, result.done, failures=result.failures)
    notes = (*sweep.notes, *sweep.warnings)
    return BudgetReport(path, tuple(result.done), tuple(result.failures), notes)


def plan_budget(
    asked: SweepRequest,
    options: ExecutorOptions,
    *,
    starts_soon: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> BudgetSweep:
    """Decide everything about a sweep, so that mistakes are found before its first run.

    Args:
        asked: Fields of `SweepConfig`, its axes as `ecs_med.sweep.axes` reads them; `data` may be
            left out where `out` holds a sweep, `out` for `sweeps/<data>`, and the others for
            their defaults.
        options: Where the runs run.
        starts_soon: Let the executor begin what takes seconds.
        progress: Told how many of how many cases are decoded, where that is not known yet.

    Raises:
        EcsMedError: If something that is asked for cannot be, contradicts the sweep that is
            there, or the data are not fit for training.
    """
    sweep = requested_sweep(asked)
    executor = choose_executor(options, sweep.settings.get("device", "auto"), sweep.out)
    if starts_soon:
        executor.prepare()
    from ecs_med.methods import method_class

    for method in sweep.methods:
        method_class(method)
    sweep = decide_open_settings(sweep, here=executor.here)
    from ecs_med.sweep.preflight import open_sweep_data

    data = open_sweep_data(plan_cells(sweep), progress)
    cells, notes = data.merged()
    data = replace(data, cells=cells)
    warnings = data.refuse_faults()
    data.refuse_other_data()
    counts = data.num_labeled()
    sweep = sweep.model_copy(update={"budgets": tuple(b for b in sweep.budgets if b in counts)})
    return BudgetSweep(sweep, cells, executor, counts, tuple(notes), tuple(warnings))


def requested_sweep(asked: SweepRequest) -> SweepConfig:
    """What is asked for, laid over what lies in its folder.

    Args:
        asked: As for `plan_budget`.

    Raises:
        EcsMedError: If something is wrong, or contradicts the sweep that is there.
    """
    values = dict(asked)
    for name in _AXES.keys() & values.keys():
        values[name] = _AXES[name](values[name])
    values["out"] = Path(values["out"]) if "out" in values else _default_folder(values)
    stored = read_plan(values["out"])
    if stored is None:
        values.setdefault("budgets", DEFAULT_BUDGETS)
        if "data" not in values:
            raise SettingsError(f"{values['out']}: holds no sweep to go on with; name `data`.")
    return merge_request(stored, values)


def _default_folder(asked: SweepRequest) -> Path:
    from ecs_med.data.layout import open_data

    if "data" not in asked:
        raise SettingsError("Name `data` to begin a sweep, or `output` to go on with one.")
    reading = ReadingSettings.parse(asked.get("settings", {}).get("reading") or {})
    name = open_data(Path(asked["data"]), reading).name
    return Path("sweeps") / file_name(name)


def count_labels(cells: Sequence[Cell]) -> dict[str, int]:
    """Labelled cases of each budget, drawn with its first seed as training draws them.

    Args:
        cells: At least one; all on the same data.

    Raises:
        DataError: If the data cannot be opened.
        BudgetError: If a budget asks for more than there is.
    """
    from ecs_med.sweep.preflight import open_sweep_data

    return open_sweep_data(cells).num_labeled()
