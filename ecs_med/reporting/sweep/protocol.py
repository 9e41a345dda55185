"""How the runs of a budget report came about: data, protocol, versions, machines, warnings."""

from collections import Counter
from collections.abc import Iterable, Sequence

from ecs_med.reporting.run.reading import inner, texts
from ecs_med.reporting.sweep.checks import FREE_SETTINGS, protocol
from ecs_med.reporting.sweep.grid import Grid, short_name
from ecs_med.reporting.sweep.runs import BudgetRun
from ecs_med.reporting.text import NOTHING, flat, plural

__all__ = ["counted_warnings", "data_facts", "machine_facts", "setting_facts"]

Facts = list[tuple[str, str]]

_SHOWN_FREE = sorted(FREE_SETTINGS - {"method", "labeled", "seed", "run", "cache"})
"""Settings that may differ and that a reader may still want to know."""


def _tally(values: Iterable[str]) -> str:
    """One value, or every value with the number of runs that have it, the most frequent first."""
    counts = Counter(values)
    if len(counts) <= 1:
        return next(iter(counts), NOTHING)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(f"{value} ({plural(number, 'run')})" for value, number in ranked)


def data_facts(grid: Grid) -> Facts:
    """The data, the split and the grid."""
    runs = grid.all_runs
    data = [inner(run.manifest, "data") for run in runs]

    def of(key: str) -> str:
        return _tally(str(part.get(key, NOTHING)) for part in data)

    unit = grid.unit
    return [
        ("data set", grid.title),
        ("layout", of("layout")),
        (f"{unit}s in training", _tally(str(_training_size(run)) for run in runs)),
        (f"{unit}s in validation", of("num_validation")),
        (f"{unit}s in the test", _tally(str(run.split.num_test) for run in runs)),
        ("classes", ", ".join(grid.class_names)),
        ("methods", ", ".join(map(short_name, grid.methods))),
        ("budgets", ", ".join(_budget_text(grid, place) for place in range(len(grid.budgets)))),
        ("seeds", ", ".join(map(str, grid.seeds))),
        *(("note", note) for note in _unique(texts(part.get("notes")) for part in data)),
    ]


def _training_size(run: BudgetRun) -> int:
    return run.split.num_labeled + run.split.num_unlabeled


def _budget_text(grid: Grid, place: int) -> str:
    budget = grid.budgets[place]
    mean = "on average " if budget.varies else ""
    return f"{budget.name} ({mean}{budget.num_labeled:,} {grid.unit}s)"


def _unique(groups: Iterable[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(text for group in groups for text in group))


def setting_facts(grid: Grid) -> Facts:
    """All settings, as resolved; where runs differ, every value with its number of runs."""
    runs = grid.all_runs
    # Runs without a corrector do not have its settings: each setting over those that have it.
    protocols = [protocol(run.config) for run in runs]
    keys = list(dict.fromkeys(key for settings in protocols for key in settings))
    rows = [(key, _tally(found[key] for found in protocols if key in found)) for key in keys]
    free = [dict(flat(run.config)) for run in runs]
    return rows + [
        (key, _tally(settings.get(key, NOTHING) for settings in free)) for key in _SHOWN_FREE
    ]


def machine_facts(grid: Grid) -> Facts:
    """Versions, devices, commits and dates."""
    runs = grid.all_runs
    manifests = [run.manifest for run in runs]

    def listed(key: str) -> str:
        return _tally(
            ", ".join(f"{name} {value}" for name, value in flat(inner(manifest, key))) or NOTHING
            for manifest in manifests
        )

    def dates(key: str) -> list[str]:
        return sorted(str(manifest[key]) for manifest in manifests if manifest.get(key))

    started, finished = dates("started"), dates("finished")
    return [
        ("versions", listed("versions")),
        ("device", listed("device")),
        ("precision", _tally(str(m.get("precision") or NOTHING) for m in manifests)),
        ("git commit", _tally(str(m.get("git_commit") or NOTHING) for m in manifests)),
        ("initialization", listed("initialization")),
        ("first run started", started[0] if started else NOTHING),
        ("last run finished", finished[-1] if finished else NOTHING),
    ]


def counted_warnings(grid: Grid) -> list[tuple[str, int]]:
    """Every warning of the runs with the number of runs that gave it, the most frequent first."""
    counts: Counter[str] = Counter()
    for run in grid.all_runs:
        counts.update({*texts(run.manifest.get("warnings")), *run.split.warnings})
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
