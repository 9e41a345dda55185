"""What a budget report says in the two sentences that everybody reads."""

from collections.abc import Sequence

from ecs_med.reporting.html import Tile
from ecs_med.reporting.sweep.grid import Budget, Grid
from ecs_med.reporting.sweep.statistics import Gain, Statistics
from ecs_med.reporting.text import decimal, plural, points

__all__ = ["SIGNIFICANT", "key_figures", "verdict"]

SIGNIFICANT = 0.05
"""A p-value below it, corrected for all comparisons of the report, counts as a difference."""


def verdict(grid: Grid, found: Statistics) -> str:
    """What the method gives over supervised training at the smallest and the middle budget.

    Args:
        grid: Finished runs.
        found: Their statistics.

    Returns:
        One sentence; without a comparison, the scores of every method.
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
    size = f"{len(grid.methods)} x {len(grid.budgets)} x {len(grid.seeds)}"
    tiles.append(Tile("finished runs", str(grid.num_runs), f"of methods x budgets x seeds, {size}"))
    return tuple(tiles)


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
            f"{opening}, {name} scores {size} {side} supervised training with a single seed, "
            "which cannot tell a gain from chance"
        )
    spread = f"95 % interval {points(seeds.lower)} to {points(seeds.upper)}"
    if seeds.lower <= 0 <= seeds.upper:
        return (
            f"{opening}, the data do not show that {name} differs from supervised training "
            f"({points(seeds.difference)} mIoU points, {spread}, {plural(seeds.num, 'seed')})"
        )
    clause = (
        f"{opening}, {name} scores {size} {side} supervised training "
        f"({spread}, {plural(seeds.num, 'seed')})"
    )
    if gain.corrected is not None and gain.corrected >= SIGNIFICANT:
        clause += ", which is not certain once all comparisons are counted"
    return clause


def _without_comparison(grid: Grid, found: Statistics) -> str:
    sentences = []
    for method in grid.methods:
        cells = [cell for cell in found.scores if cell.method == method]
        ends = _ends([(cell.budget, cell.seeds.mean) for cell in cells], grid.unit)
        name = "Supervised training" if method == grid.baseline else method.short_name
        sentences.append(f"{name} reaches an mIoU of {ends}.")
    if len(grid.methods) == 1:
        closing = "There is no second method to compare it with."
    elif grid.baseline is None:
        closing = "None of them learns from labelled images alone: nothing to compare with."
    else:
        closing = "No two runs share budget and seed with supervised training: nothing to compare."
    return f"{' '.join(sentences)} {closing}"


def _ends(scores: Sequence[tuple[Budget, float]], unit: str) -> str:
    first = f"{decimal(scores[0][1])} with {scores[0][0].num_labeled:,} labelled {unit}s"
    if len(scores) == 1:
        return first
    return f"{first} and {decimal(scores[-1][1])} with {scores[-1][0].num_labeled:,}"
