"""The numbers of the page: every row over its seeds, and what it gives over other methods."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ecs_med.analysis import (
    Interval,
    PairedComparison,
    Summary,
    compare_over_seeds_and_cases,
    compare_paired,
    correct_p_values,
    summarize,
)
from ecs_med_benchmarks.few_labels.grid import Row
from ecs_med_benchmarks.few_labels.results import FewScores, RunResult

__all__ = ["Gain", "RowScores", "compare_rows"]


@dataclass(frozen=True, slots=True)
class Gain:
    """What a method gives over another one at a budget, in mIoU of the chosen model, -1..1.

    Attributes:
        over: The other method.
        seeds: Over pairs of runs of a seed, with the paired t-test.
        corrected: Its p-value corrected by Holm for all gains over that method in the table.
        both: The same with the interval over seeds and test cases.
        last: Of the last models, over pairs of a seed; `None` where these are not scored.
    """

    over: str
    seeds: PairedComparison
    corrected: float | None
    both: Interval
    last: PairedComparison | None


@dataclass(frozen=True, slots=True)
class RowScores:
    """A row with its runs.

    Attributes:
        row: Which one.
        label: The method in words.
        results: Finished runs, by seed.
        missing: Seeds without one.
        gains: Over other methods of the same table, data set and budget.
    """

    row: Row
    label: str
    results: tuple[RunResult, ...]
    missing: tuple[int, ...]
    gains: tuple[Gain, ...] = ()

    @property
    def num_labeled(self) -> int | None:
        """Labelled cases."""
        return self.results[0].num_cases["labeled"] if self.results else None

    def summary(self, name: str, model: str = "chosen") -> Summary | None:
        """A score over seeds.

        Args:
            name: A field of `FewScores`.
            model: `chosen` or `last`.
        """
        tested = (_tested(result, model) for result in self.results)
        return _summary(getattr(test, name) for test in tested if test is not None)

    def auroc(self, name: str) -> Summary | None:
        """How well the corrector finds the segmenter's errors, over seeds.

        Args:
            name: A field of `WrongHere`.
        """
        known = (result.wrong_here for result in self.results)
        return _summary(getattr(each, name) for each in known if each is not None)

    @property
    def wall_seconds(self) -> float | None:
        """Mean of a run."""
        seconds = [result.seconds for result in self.results]
        return sum(seconds) / len(seconds) if seconds else None

    def gain(self, over: str) -> Gain | None:
        """The gain over a method, where there are pairs."""
        return next((gain for gain in self.gains if gain.over == over), None)


def _tested(result: RunResult, model: str) -> FewScores | None:
    if model == "chosen":
        return result.chosen.test
    return result.last.test if result.last else None


def _summary(values: Iterable[float | None]) -> Summary | None:
    known = [value for value in values if value is not None]
    return summarize(known) if known else None


def compare_rows(
    runs: Sequence[tuple[Row, int, RunResult | None]], over: Sequence[str]
) -> list[RowScores]:
    """Every row with its gains, in the order in which rows come first.

    Args:
        runs: Row, seed and result of every planned run.
        over: Methods that the others are compared with.
    """
    by_row: dict[Row, dict[int, RunResult | None]] = defaultdict(dict)
    for row, seed, result in runs:
        by_row[row][seed] = result
    rows = [_scores(row, found) for row, found in by_row.items()]
    by_place = {_place(each.row, each.row.method): each for each in rows}
    compared = [replace(each, gains=tuple(_gains(each, by_place, over))) for each in rows]
    return _corrected(compared)


def _scores(row: Row, found: Mapping[int, RunResult | None]) -> RowScores:
    results = tuple(result for _, result in sorted(found.items()) if result is not None)
    label = results[0].method.short_name if results else row.method
    missing = tuple(sorted(seed for seed, result in found.items() if result is None))
    return RowScores(row, label, results, missing)


def _place(row: Row, method: str) -> tuple[str, str, str, str]:
    return row.dataset, row.equal, row.budget, method


def _gains(
    ours: RowScores, rows: Mapping[tuple[str, str, str, str], RowScores], over: Sequence[str]
) -> Iterable[Gain]:
    for method in over:
        theirs = rows.get(_place(ours.row, method))
        if theirs is None or method == ours.row.method:
            continue
        other = {result.seed: result for result in theirs.results}
        pairs = [(each, other[each.seed]) for each in ours.results if each.seed in other]
        seeds = _paired(pairs, "chosen")
        if seeds is not None:
            both = compare_over_seeds_and_cases(
                [a.confusions for a, _ in pairs], [b.confusions for _, b in pairs]
            )
            yield Gain(method, seeds, None, both, _paired(pairs, "last"))


def _paired(pairs: Sequence[tuple[RunResult, RunResult]], model: str) -> PairedComparison | None:
    tested = [(_tested(a, model), _tested(b, model)) for a, b in pairs]
    scores = [(a.miou, b.miou) for a, b in tested if a is not None and b is not None]
    known = [(a, b) for a, b in scores if a is not None and b is not None]
    if not known:
        return None
    return compare_paired([a for a, _ in known], [b for _, b in known])


def _corrected(rows: Sequence[RowScores]) -> list[RowScores]:
    """With p-values corrected within each table of a data set, for each method compared with."""
    families: dict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
    for place, each in enumerate(rows):
        for index, gain in enumerate(each.gains):
            families[each.row.dataset, each.row.equal, gain.over].append((place, index))
    gains = [list(each.gains) for each in rows]
    for members in families.values():
        values = correct_p_values([gains[a][b].seeds.p_value for a, b in members])
        for (place, index), value in zip(members, values, strict=True):
            gains[place][index] = replace(gains[place][index], corrected=value)
    return [replace(each, gains=tuple(own)) for each, own in zip(rows, gains, strict=True)]
