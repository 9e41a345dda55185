"""How the runs of a budget report came about, and what they cost."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from ecs_med.config import TrainConfig
from ecs_med.reporting.sweep.checks import deciding_settings
from ecs_med.reporting.sweep.grid import Grid
from ecs_med.reporting.sweep.tables import CELL_COLUMNS, cell_values
from ecs_med.reporting.table import Column, Table, Value
from ecs_med.reporting.text import NOTHING, count, decimal, duration, flat, plural
from ecs_med.runs import Manifest

__all__ = [
    "cost_sentence",
    "cost_table",
    "counted_warnings",
    "data_facts",
    "machine_facts",
    "setting_facts",
]

Facts = list[tuple[str, str]]


def _tally(values: Iterable[str]) -> str:
    """One value, or every value with the number of runs that have it, the most frequent first."""
    counts = Counter(values)
    if len(counts) <= 1:
        return next(iter(counts), NOTHING)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(f"{value} ({plural(number, 'run')})" for value, number in ranked)


def data_facts(grid: Grid) -> Facts:
    """The data, the split and the grid."""
    runs, unit = grid.all_runs, grid.unit
    training = [run.split.num_labeled + run.split.num_unlabeled for run in runs]
    data = [run.manifest.data for run in runs]
    return [
        ("data set", grid.title),
        ("layout", _tally(part.layout for part in data)),
        (f"{unit}s in training", _tally(map(str, training))),
        (f"{unit}s in validation", _tally(str(part.num_validation) for part in data)),
        (f"{unit}s in the test", _tally(str(run.split.num_test) for run in runs)),
        ("classes", ", ".join(grid.class_names)),
        ("methods", ", ".join(method.short_name for method in grid.methods)),
        ("budgets", ", ".join(_budget_text(grid, place) for place in range(len(grid.budgets)))),
        ("seeds", ", ".join(map(str, grid.seeds))),
        *(("note", note) for note in dict.fromkeys(note for part in data for note in part.notes)),
    ]


def _budget_text(grid: Grid, place: int) -> str:
    budget = grid.budgets[place]
    mean = "on average " if budget.varies else ""
    return f"{budget.name} ({mean}{budget.num_labeled:,} {grid.unit}s)"


def setting_facts(grid: Grid) -> Facts:
    """All settings, as resolved; where runs differ, every value with its number of runs."""
    runs = grid.all_runs
    # Not every method has every setting: each one over those that have it.
    deciding = deciding_settings(runs)
    keys = dict.fromkeys(key for settings in deciding for key in settings)
    rows = [(key, _tally(found[key] for found in deciding if key in found)) for key in keys]
    machines = [dict(flat(run.config.model_dump(mode="json"))) for run in runs]
    free = ["data", *sorted(TrainConfig.fields_affecting("machine"))]
    return rows + [(key, _tally(settings[key] for settings in machines)) for key in free]


def machine_facts(grid: Grid) -> Facts:
    """Versions, devices, commits and dates."""
    manifests = [run.manifest for run in grid.all_runs]

    def listed(values: Callable[[Manifest], Mapping[str, object]]) -> str:
        texts = (flat(values(manifest)) for manifest in manifests)
        return _tally(", ".join(f"{name} {value}" for name, value in pairs) for pairs in texts)

    return [
        ("versions", listed(lambda manifest: manifest.versions)),
        ("device", listed(lambda manifest: manifest.device)),
        ("precision", _tally(manifest.precision for manifest in manifests)),
        ("git commit", _tally(manifest.git_commit or NOTHING for manifest in manifests)),
        ("initialization", listed(lambda m: m.initialization.model_dump(exclude_none=True))),
        ("validation", _tally(manifest.validation for manifest in manifests)),
        ("first run started", min(manifest.started for manifest in manifests)),
        ("last run finished", max(manifest.finished for manifest in manifests)),
    ]


def counted_warnings(grid: Grid) -> list[tuple[str, int]]:
    """Every warning of the runs with the number of runs that gave it, the most frequent first."""
    counts: Counter[str] = Counter()
    for run in grid.all_runs:
        counts.update({*run.manifest.warnings, *run.split.warnings})
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def cost_sentence(grid: Grid) -> str:
    """Cost of all finished runs in a sentence or two."""
    manifests = [run.manifest for run in grid.all_runs]
    energy = [manifest.energy_wh for manifest in manifests if manifest.energy_wh is not None]
    sentence = (
        f"{plural(len(manifests), 'finished run')} took "
        f"{duration(sum(manifest.seconds for manifest in manifests))} in all; the largest used "
        f"{count(max(manifest.peak_memory_mb for manifest in manifests))} MB."
    )
    if energy:
        sentence += f" The devices report {decimal(sum(energy) / 1000, 2)} kWh for "
        sentence += f"{len(energy)} of them."
    return sentence


def cost_table(grid: Grid) -> Table:
    """Cost by method and budget: mean time of a run, sums, the largest memory."""
    rows: list[dict[str, Value]] = []
    for method, budget, runs in grid.by_method():
        manifests = [run.manifest for run in runs]
        seconds = [manifest.seconds for manifest in manifests]
        energy = [m.energy_wh for m in manifests if m.energy_wh is not None]
        rows.append(
            {
                **cell_values(method, budget),
                "num_runs": len(runs),
                "seconds_mean": statistics.fmean(seconds),
                "seconds_sum": sum(seconds),
                "peak_memory_mb": max(manifest.peak_memory_mb for manifest in manifests),
                "energy_wh": sum(energy) if energy else None,
            }
        )
    with_energy = any(row["energy_wh"] is not None for row in rows)
    columns = (
        *CELL_COLUMNS,
        Column("num_runs", "Runs", "count"),
        Column("seconds_mean", "Time of a run", "time"),
        Column("seconds_sum", "Time in all", "time"),
        Column("peak_memory_mb", "Peak memory", "memory"),
        Column("energy_wh", "Energy in all" if with_energy else "", "energy"),
    )
    return Table("cost", "Cost by method and budget", columns, rows)
