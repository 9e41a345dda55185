"""The numbers of a budget report: summaries, gains, classes, forecasts, labels saved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecs_med.analysis import (
    Forecast,
    Interval,
    LabelsSaved,
    PairedComparison,
    Refusal,
    Resolution,
    Summary,
    bootstrap_case_difference,
    bootstrap_cases,
    compare_paired,
    correct_p_values,
    forecast,
    labels_saved,
    resolvable_difference,
    summarize,
)
from ecs_med.errors import RunFolderError
from ecs_med.reporting.sweep.grid import Budget, Grid
from ecs_med.reporting.sweep.runs import FinishedRun
from ecs_med.runs import MethodFacts, RunFolder, TestCases

__all__ = ["SIGNIFICANT", "CellScore", "Gain", "Statistics", "compute_statistics", "read_counts"]

SIGNIFICANT = 0.05
"""A p-value below it, corrected for all comparisons of the report, counts as a difference."""

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CellScore:
    """Scores of one method at one budget.

    Attributes:
        seeds: mIoU over seeds, 0..1.
        cases: The same mean with the interval over test cases; `None` where the runs have no
            counts by case, or not the same test cases.
    """

    method: MethodFacts
    budget: Budget
    seeds: Summary
    cases: Interval | None


@dataclass(frozen=True, slots=True)
class Gain:
    """What a method gives over the baseline at one budget.

    Attributes:
        seeds: Difference of mIoU over pairs of runs with the same seed.
        corrected: P-value corrected for all gains of the report; `None` for a single pair.
        cases: The same difference with the interval over test cases, or `None`.
        resolution: Which difference these test cases and seeds can tell from chance; `None` where
            runs have no counts by case, or are all equal.
        against: What the baseline is called in a sentence.
    """

    method: MethodFacts
    budget: Budget
    seeds: PairedComparison
    corrected: float | None
    cases: Interval | None
    resolution: Resolution | None = None
    against: str = "supervised training"


@dataclass(frozen=True, slots=True)
class Statistics:
    """Everything that is computed from the scores.

    Attributes:
        scores: By budget, then method.
        gains: By budget, then method; empty without the baseline.
        forecasts: By method.
        saved: Labels saved by method; only where the baseline was run at two or more budgets.
        notes: What could not be computed and why, one sentence each.
    """

    scores: tuple[CellScore, ...]
    gains: tuple[Gain, ...]
    forecasts: Mapping[MethodFacts, Forecast | Refusal]
    saved: Mapping[MethodFacts, tuple[LabelsSaved, ...]]
    notes: tuple[str, ...]

    def score(self, method: MethodFacts, budget: Budget) -> CellScore | None:
        """The score of a cell; `None` where no run of it is finished."""
        found = (s for s in self.scores if s.method == method and s.budget == budget)
        return next(found, None)

    def gain(self, method: MethodFacts, budget: Budget) -> Gain | None:
        """The gain of a method at a budget; `None` where there is no pair."""
        found = (g for g in self.gains if g.method == method and g.budget == budget)
        return next(found, None)


def compute_statistics(grid: Grid) -> Statistics:
    """Compute all statistics of a report; the same runs give the same numbers."""
    scores: list[CellScore] = []
    gains: list[Gain] = []
    notes: list[str] = []
    for budget in grid.budgets:
        # One budget at a time: the counts of a large test set fill gigabytes for a whole sweep.
        counts = _counts_of(grid, budget, notes)
        for method in grid.methods:
            runs = grid.runs(method, budget)
            if runs:
                seeds = summarize([run.miou for run in runs])
                # Counts are of all runs at a budget or of none.
                cases = bootstrap_cases([counts[run.folder] for run in runs]) if counts else None
                scores.append(CellScore(method, budget, seeds, cases))
        gains += [
            _gain(grid, method, budget, counts)
            for method in grid.rivals
            if grid.pairs(method, budget)
        ]
    corrected = correct_p_values([gain.seeds.p_value for gain in gains])
    return Statistics(
        scores=tuple(scores),
        gains=tuple(
            replace(gain, corrected=value) for gain, value in zip(gains, corrected, strict=True)
        ),
        forecasts={method: forecast(grid.points(method)) for method in grid.methods},
        saved=_saved(grid),
        notes=tuple(dict.fromkeys(notes)),
    )


def _gain(grid: Grid, method: MethodFacts, budget: Budget, counts: Mapping[Path, Counts]) -> Gain:
    pairs = grid.pairs(method, budget)
    compared = compare_paired([a.miou for a, _ in pairs], [b.miou for _, b in pairs])
    cases = None
    if counts:
        ours, theirs = ([counts[pair[side].folder] for pair in pairs] for side in (0, 1))
        cases = bootstrap_case_difference(ours, theirs)
    resolution = _resolution(pairs, counts)
    return Gain(method, budget, compared, None, cases, resolution, grid.against)


def _resolution(
    pairs: Sequence[tuple[FinishedRun, FinishedRun]], counts: Mapping[Path, Counts]
) -> Resolution | None:
    """From the counts that were read; where seeds have test cases of their own, from the files."""
    sides: tuple[list[dict[str, Counts]], list[dict[str, Counts]]] = ([], [])
    for pair in pairs:
        for run, side in zip(pair, sides, strict=True):
            known = counts.get(run.folder)
            names, matrices = read_counts(run) if known is None else ((), known)
            if matrices is None:
                return None
            # Counts that were read together are of the same cases in the same order.
            named = names or tuple(map(str, range(len(matrices))))
            side.append(dict(zip(named, matrices, strict=True)))
    try:
        return resolvable_difference(*sides)
    except ValueError:
        # Not the same test cases, or not one counted pixel: the notes tell of files like these.
        return None


def _saved(grid: Grid) -> dict[MethodFacts, tuple[LabelsSaved, ...]]:
    base = grid.points(grid.baseline) if grid.baseline else []
    if len({point.num_labeled for point in base}) < 2:
        return {}
    return {method: tuple(labels_saved(base, grid.points(method))) for method in grid.rivals}


def _counts_of(grid: Grid, budget: Budget, notes: list[str]) -> dict[Path, Counts]:
    """Counts by case of all runs at a budget; empty where they cannot be drawn together."""
    runs = [run for method in grid.methods for run in grid.runs(method, budget)]
    if len({run.split.test for run in runs}) > 1:
        notes.append(
            "The seeds have test cases of their own, so there is no interval over test cases; "
            "the interval over seeds holds both kinds of chance."
        )
        return {}
    counts: dict[Path, Counts] = {}
    shared: tuple[str, ...] | None = None
    for run in runs:
        cases, matrices = read_counts(run)
        if matrices is None or (shared is not None and cases != shared):
            notes.append(
                "Some runs have no usable test_cases.json, so the interval over test cases is "
                f"missing (first: {run.name})."
            )
            return {}
        shared = cases
        counts[run.folder] = matrices
    return counts


def read_counts(run: FinishedRun) -> tuple[tuple[str, ...], Counts | None]:
    """Ids in order and `(num_cases, K, K)` counts of the test cases of a run, or of all its folds.

    Returns:
        No ids and `None` where the file is not usable.
    """
    try:
        parts = run.parts or (run,)
        found = [TestCases.read(RunFolder(part.folder).test_cases_file) for part in parts]
        rows = sorted((row for each in found for row in each.cases), key=lambda row: row.case)
        matrices = np.array([row.confusion for row in rows], dtype=np.int64)
    except (RunFolderError, ValueError, OverflowError):
        return (), None
    sound = matrices.ndim == 3 and matrices.shape[1] == matrices.shape[2] and matrices.size > 0
    if not sound or matrices.min() < 0 or matrices.sum() == 0:
        return (), None
    return tuple(row.case for row in rows), matrices
