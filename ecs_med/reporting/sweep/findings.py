"""What a sweep says in words: verdict, key figures, how its runs came about and their cost."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from ecs_med.config import TrainConfig
from ecs_med.reporting.html import Tile
from ecs_med.reporting.sweep.checks import deciding_settings
from ecs_med.reporting.sweep.grid import Budget, Grid
from ecs_med.reporting.sweep.runs import FinishedRun
from ecs_med.reporting.sweep.statistics import SIGNIFICANT, Gain, Statistics
from ecs_med.reporting.text import (
    NOTHING,
    capitalized,
    count,
    decimal,
    duration,
    flat,
    plural,
    points,
)
from ecs_med.runs import Manifest

__all__ = [
    "cost_sentence",
    "counted_warnings",
    "data_facts",
    "key_figures",
    "machine_facts",
    "resolution_sentence",
    "setting_facts",
    "verdict",
]

Facts = list[tuple[str, str]]


def verdict(grid: Grid, found: Statistics) -> str:
    """What the method gives over supervised training at the smallest and the middle budget.

    Without a comparison, the scores of every method.
    """
    method = grid.main
    gains = [gain for gain in found.gains if gain.method == method]
    if method is None or not gains:
        return _without_comparison(grid, found)
    shown = [gains[0]] if len(gains) == 1 else [gains[0], gains[len(gains) // 2]]
    clauses = [_gain_clause(gain, grid.unit, first=gain is shown[0]) for gain in shown]
    return f"{'; '.join(clauses)}."


def key_figures(grid: Grid, found: Statistics) -> tuple[Tile, ...]:
    """The tiles below the verdict: best score, gain, labels saved, and how much stands behind."""
    best = max(found.scores, key=lambda cell: cell.seeds.mean)
    tiles = [
        Tile(
            "best mean mIoU",
            decimal(best.seeds.mean),
            f"{best.method.short_name} with {best.budget.num_labeled:,} labels",
            main=True,
        )
    ]
    main = grid.main
    first = next((gain for gain in found.gains if gain.method == main), None)
    if first is not None:
        seeds = first.seeds
        known = seeds.lower is not None and seeds.upper is not None
        is_certain = known and not (seeds.lower or 0) <= 0 <= (seeds.upper or 0)
        remark = f"mIoU points with {first.budget.num_labeled:,} labels{_doubt(is_certain)}"
        tiles.append(Tile("gain, fewest labels", points(first.seeds.difference), remark, main=True))
    saved = found.saved.get(main, ()) if main else ()
    if main and saved and saved[0].equal_labels is not None:
        value = f"{saved[0].equal_labels - saved[0].num_labeled:+,.0f}"
        lower = saved[0].lower
        is_certain = lower is not None and lower > saved[0].num_labeled
        remark = f"by {main.short_name} with {saved[0].num_labeled:,}{_doubt(is_certain)}"
        tiles.append(Tile("labels saved", "0" if value in ("+0", "-0") else value, remark))
    sizes = {"method": grid.methods, "budget": grid.budgets, "seed": grid.seeds}
    size = ", ".join(plural(len(members), name) for name, members in sizes.items())
    tiles.append(Tile("finished runs", str(len(grid.all_runs)), size))
    return tuple(tiles)


def resolution_sentence(grid: Grid, found: Statistics) -> str:
    """Which difference the test set resolves, for the main method where labels are fewest."""
    gain = next((gain for gain in found.gains if gain.method == grid.main), None)
    if gain is None or gain.resolution is None:
        return ""
    told = gain.resolution
    unit = f"test {grid.case_unit}"
    half = told.cases_for(told.difference / 2)
    seeds = "" if told.num_seeds == 1 else f" and {plural(told.num_seeds, 'seed')}"
    more = (
        f"Half of that would take about {_rounded(half)} {unit}s"
        if half is not None
        else f"Half of that takes more seeds: no number of {unit}s is enough"
    )
    single = (
        "" if seeds else " Another training, of which a single seed knows nothing, is left out."
    )
    return (
        f"{plural(told.num_cases, unit)}{seeds} tell a difference of about "
        f"{100 * told.difference:.1f} mIoU points or more from chance ({gain.method.short_name} "
        f"against {gain.against} with {gain.budget.num_labeled:,} labels, by what each case "
        f"adds: found in four of five such comparisons at the 5 % level). {more}.{single}"
    )


def _rounded(number: int) -> str:
    """A number of cases with two figures, since it is an estimate."""
    return f"{float(f'{number:.2g}'):,.0f}"


def _doubt(is_certain: bool) -> str:
    """What a tile adds where the 95 % interval takes in no gain at all."""
    return "" if is_certain else "; may be chance"


def _gain_clause(gain: Gain, unit: str, *, first: bool) -> str:
    name, number = gain.method.short_name, f"{gain.budget.num_labeled:,}"
    opening = f"With {number} labelled {unit}s" if first else f"with {number}"
    seeds = gain.seeds
    size = f"{abs(100 * seeds.difference):.1f} mIoU points"
    side = "above" if seeds.difference >= 0 else "below"
    if seeds.lower is None or seeds.upper is None:
        return (
            f"{opening}, {name} scores {size} {side} {gain.against} with a single seed, "
            "which cannot tell a gain from chance"
        )
    spread = f"95 % interval {points(seeds.lower)} to {points(seeds.upper)}"
    if seeds.lower <= 0 <= seeds.upper:
        return (
            f"{opening}, the data do not show that {name} differs from {gain.against} "
            f"({points(seeds.difference)} mIoU points, {spread}, {plural(seeds.num, 'seed')})"
        )
    clause = (
        f"{opening}, {name} scores {size} {side} {gain.against} "
        f"({spread}, {plural(seeds.num, 'seed')})"
    )
    if gain.corrected is not None and gain.corrected >= SIGNIFICANT:
        clause += ", which is not certain once all comparisons are counted"
    return clause


def _without_comparison(grid: Grid, found: Statistics) -> str:
    sentences = []
    for method in grid.methods:
        cells = [cell for cell in found.scores if cell.method == method]
        ends = [f"{decimal(c.seeds.mean)} with {c.budget.num_labeled:,}" for c in cells]
        ends[0] += f" labelled {grid.unit}s"
        name = capitalized(grid.against) if method == grid.baseline else method.short_name
        reached = " and ".join(dict.fromkeys((ends[0], ends[-1])))
        sentences.append(f"{name} reaches an mIoU of {reached}.")
    if len(grid.methods) == 1:
        closing = "There is no second method to compare it with."
    elif grid.baseline is None:
        closing = "None of them learns from labelled images alone: nothing to compare with."
    else:
        closing = f"No two runs share budget and seed with {grid.against}: nothing to compare."
    return f"{' '.join(sentences)} {closing}"


def _tally(values: Iterable[str]) -> str:
    """One value, or every value with the number of runs that have it, the most frequent first."""
    counts = Counter(values)
    if len(counts) <= 1:
        return next(iter(counts), NOTHING)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(f"{value} ({plural(number, 'run')})" for value, number in ranked)


def data_facts(grid: Grid) -> Facts:
    """The data, the split and the grid."""
    runs, unit = grid.all_runs, grid.case_unit
    training = [run.split.num_training for run in runs]
    data = [run.manifest.data for run in runs]
    return [
        ("data set", grid.title),
        ("layout", _tally(part.layout for part in data)),
        (f"{unit}s in training", _tally(map(str, training))),
        (f"{unit}s in validation", _tally(str(part.num_validation) for part in data)),
        (f"{unit}s in the test", _tally(str(run.split.num_test) for run in runs)),
        *([("cross-validation", _folds(runs))] if any(run.parts for run in runs) else []),
        ("classes", ", ".join(grid.class_names)),
        ("methods", ", ".join(method.short_name for method in grid.methods)),
        ("budgets", ", ".join(_budget_text(budget, grid.unit) for budget in grid.budgets)),
        ("seeds", ", ".join(map(str, grid.seeds))),
        *(("note", note) for note in dict.fromkeys(note for part in data for note in part.notes)),
    ]


def _folds(runs: Sequence[FinishedRun]) -> str:
    """What the reader has to know of scores over folds."""
    return (
        f"{_tally(f'{len(run.parts)} folds' for run in runs)}: every case with a mask is tested on "
        "once, by a network that has not seen it; a score is that of all folds together, time that "
        "of all their runs"
    )


def _budget_text(budget: Budget, unit: str) -> str:
    mean = "on average " if budget.varies else ""
    return f"{budget.name} ({mean}{budget.num_labeled:,} {unit}s)"


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
