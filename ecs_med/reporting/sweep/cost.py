"""What the runs of a budget report cost: time, memory, energy, by cell and in all."""

import statistics
from collections.abc import Sequence

from ecs_med.reporting.run.history import number
from ecs_med.reporting.sweep.grid import Grid, short_name
from ecs_med.reporting.sweep.runs import BudgetRun
from ecs_med.reporting.table import Column, Table, Value
from ecs_med.reporting.text import count, decimal, duration, plural

__all__ = ["cost_sentence", "cost_table"]


def _values(runs: Sequence[BudgetRun], key: str) -> list[float]:
    return [value for run in runs if (value := number(run.manifest.get(key))) is not None]


def cost_sentence(grid: Grid) -> str:
    """Cost of all finished runs in a sentence or two."""
    runs = grid.all_runs
    seconds, memory = _values(runs, "seconds"), _values(runs, "peak_memory_mb")
    energy = _values(runs, "energy_wh")
    sentence = f"{plural(len(runs), 'finished run')} took {duration(sum(seconds))} in all"
    if len(seconds) < len(runs):
        sentence += f", as far as recorded ({len(seconds)} of them)"
    if memory:
        sentence += f"; the largest needed {count(max(memory))} MB"
    sentence += "."
    if energy:
        sentence += f" The devices report {decimal(sum(energy) / 1000, 2)} kWh for "
        sentence += f"{len(energy)} of them."
    return sentence


def cost_table(grid: Grid) -> Table:
    """Cost by method and budget: mean time of a run, sums, the largest memory."""
    rows: list[dict[str, Value]] = []
    for method in grid.methods:
        for budget in grid.budgets:
            runs = grid.runs(method, budget)
            if not runs:
                continue
            seconds, memory = _values(runs, "seconds"), _values(runs, "peak_memory_mb")
            energy = _values(runs, "energy_wh")
            rows.append(
                {
                    "method": short_name(method),
                    "budget": budget.name,
                    "num_labeled": budget.num_labeled,
                    "num_runs": len(runs),
                    "seconds_mean": statistics.fmean(seconds) if seconds else None,
                    "seconds_sum": sum(seconds) if seconds else None,
                    "peak_memory_mb": max(memory) if memory else None,
                    "energy_wh": sum(energy) if energy else None,
                }
            )
    with_energy = any(row["energy_wh"] is not None for row in rows)
    columns = (
        Column("method", "Method"),
        Column("budget", "Budget"),
        Column("num_labeled", "Labels", "count"),
        Column("num_runs", "Runs", "count"),
        Column("seconds_mean", "Time of a run", "time"),
        Column("seconds_sum", "Time in all", "time"),
        Column("peak_memory_mb", "Peak memory", "memory"),
        Column("energy_wh", "Energy in all" if with_energy else "", "energy"),
    )
    return Table("cost", "Cost by method and budget", columns, rows)
