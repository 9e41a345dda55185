"""The grid of a budget report: which runs stand for which method at which budget."""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from ecs_med.analysis import ScorePoint
from ecs_med.errors import BudgetError, RunFolderError
from ecs_med.reporting.sweep.runs import FinishedRun
from ecs_med.reporting.sweep.series import SeriesFacts, is_usual
from ecs_med.runs import MethodFacts
from ecs_med.splits import Count, Share, parse_labeled

__all__ = ["Budget", "Cell", "Grid", "arrange"]


@dataclass(frozen=True, slots=True)
class Budget:
    """One labelled budget.

    Attributes:
        name: As it was asked for, such as `1/8`; `all` for everything.
        num_labeled: Labelled cases; the rounded mean over seeds where whole patients are drawn.
        share: Of the training cases, 0..1; `None` where it is not known.
        varies: Whether seeds have different numbers of labelled cases.
    """

    name: str
    num_labeled: int
    share: float | None
    varies: bool = False


class Cell(NamedTuple):
    """The finished runs of one method at one budget."""

    method: MethodFacts
    budget: Budget
    runs: tuple[FinishedRun, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """Finished runs by method and budget.

    Attributes:
        methods: The baseline first, the others by name.
        baseline: The method that the others are held against, which learns from labelled images
            alone: of several such methods one without a corrector, of several of these the first
            by name; with labels drawn at random, where they are chosen in several ways. Where one
            method is there with several draws, it is the one at random. `None` where every method
            learns from unlabelled images; then nothing is compared.
        budgets: From few labels to many.
        cells: Runs by seed, ascending; a cell without a run is not there.
        unit: What is labelled at a time: what a case is called, or `slice`.
        case_unit: What a case is called.
        title: Name of the data set.
        class_names: Background first.
    """

    methods: tuple[MethodFacts, ...]
    baseline: MethodFacts | None
    budgets: tuple[Budget, ...]
    cells: Mapping[tuple[MethodFacts, Budget], tuple[FinishedRun, ...]]
    unit: str
    case_unit: str
    title: str
    class_names: tuple[str, ...]

    def runs(self, method: MethodFacts, budget: Budget) -> tuple[FinishedRun, ...]:
        """Runs of one cell; empty where there is none."""
        return self.cells.get((method, budget), ())

    def by_method(self) -> Iterator[Cell]:
        """Every cell that has runs, method by method."""
        for method in self.methods:
            for budget in self.budgets:
                if runs := self.runs(method, budget):
                    yield Cell(method, budget, runs)

    def pairs(self, method: MethodFacts, budget: Budget) -> list[tuple[FinishedRun, FinishedRun]]:
        """Runs of a method and of the baseline with the same budget and seed, by seed."""
        if self.baseline is None:
            return []
        base = {run.seed: run for run in self.runs(self.baseline, budget)}
        return [(run, base[run.seed]) for run in self.runs(method, budget) if run.seed in base]

    def points(self, method: MethodFacts) -> list[ScorePoint]:
        """Scores of a method for the statistics, by budget and seed."""
        return [
            ScorePoint(num_labeled=budget.num_labeled, seed=run.seed, score=run.miou)
            for budget in self.budgets
            for run in self.runs(method, budget)
        ]

    @property
    def against(self) -> str:
        """What the baseline is called in a sentence."""
        if self.baseline is None or not self.baseline.uses_unlabeled:
            usual = self.baseline is None or not isinstance(self.baseline, SeriesFacts)
            return "supervised training" if usual else "supervised training on labels at random"
        return self.baseline.short_name

    @property
    def rivals(self) -> tuple[MethodFacts, ...]:
        """Methods that can be held against the baseline; none without one."""
        if self.baseline is None:
            return ()
        return tuple(method for method in self.methods if method != self.baseline)

    @property
    def main(self) -> MethodFacts | None:
        """The method that the report is about: the first with a corrector, else the first rival."""
        others = [method for method in self.methods if method != self.baseline]
        corrected = [method for method in others if method.uses_corrector]
        return next(iter(corrected or others), None)

    def place(self, method: MethodFacts) -> int:
        """Of a method's colour and marker: 0 for the main method, 1 for the baseline."""
        fixed = [self.main, self.baseline]
        others = [other for other in self.methods if other not in fixed]
        return fixed.index(method) if method in fixed else 2 + others.index(method)

    @property
    def all_runs(self) -> list[FinishedRun]:
        """Every finished run."""
        return [run for runs in self.cells.values() for run in runs]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Every seed of a finished run, ascending."""
        return tuple(sorted({run.seed for run in self.all_runs}))


def arrange(runs: Iterable[FinishedRun]) -> Grid:
    """Sort runs into the grid.

    Budgets that are written differently and mean the same (`12.5%`, `1/8`), or drew the same cases
    of a small set (`1/16`, `1/8`), are one, with one run a seed.

    Args:
        runs: Comparable runs, at least one, in any order.

    Raises:
        RunFolderError: If two runs are the same method, budget and seed.
    """
    runs = sorted(runs, key=lambda run: (run.labeled, run.seed, run.method.name, run.name))
    groups: dict[object, list[FinishedRun]] = {}
    for run in runs:
        groups.setdefault(_meaning(run), []).append(run)
    merged: dict[int, list[FinishedRun]] = {}
    for group in groups.values():
        mean = round(statistics.fmean(run.split.num_labeled for run in group))
        merged.setdefault(mean, []).extend(group)
    facts = {run.method.name: run.method for run in reversed(runs)}
    baseline = _baseline(facts.values())
    methods = sorted(facts.values(), key=lambda method: (method != baseline, method.name))
    cells = {}
    budgets = {_budget(number, group): group for number, group in sorted(merged.items())}
    for budget, group in budgets.items():
        for method in methods:
            inside = [run for run in group if run.method.name == method.name]
            if inside:
                for labeled in dict.fromkeys(run.labeled for run in inside):
                    _refuse_doubles([run for run in inside if run.labeled == labeled])
                cells[method, budget] = _without_twins(inside)
                _refuse_doubles(cells[method, budget])
    data = min(runs, key=lambda run: run.name).manifest.data
    return Grid(
        methods=tuple(methods),
        baseline=baseline,
        budgets=tuple(budgets),
        cells=cells,
        unit="slice" if runs[0].split.labels_slices else data.unit,
        case_unit=data.unit,
        title=data.name,
        class_names=runs[0].metrics.class_names,
    )


def _baseline(methods: Iterable[MethodFacts]) -> MethodFacts | None:
    usual = [method for method in methods if is_usual(method)]
    candidates = [method for method in usual if not method.uses_unlabeled]
    if not candidates and len(usual) == 1 and isinstance(usual[0], SeriesFacts):
        candidates = usual
    return min(candidates, key=lambda method: (method.uses_corrector, method.name), default=None)


def _without_twins(runs: Sequence[FinishedRun]) -> tuple[FinishedRun, ...]:
    """The runs by seed; of those whose budgets are written differently and drew the same, one."""
    kept: list[FinishedRun] = []
    for run in sorted(runs, key=lambda run: run.seed):
        same = (other for other in kept if other.seed == run.seed)
        if not any(o.split.labeled == run.split.labeled and o.labeled != run.labeled for o in same):
            kept.append(run)
    return tuple(kept)


def _refuse_doubles(runs: Sequence[FinishedRun]) -> None:
    """Refuse two runs of a seed."""
    for other, run in pairwise(sorted(runs, key=lambda run: run.seed)):
        if other.seed == run.seed:
            raise RunFolderError(
                f"{other.folder} and {run.folder} are both {run.method.name} with "
                f"{run.split.num_labeled} labels and seed {run.seed}; name one of them."
            )


def _meaning(run: FinishedRun) -> tuple[str, Fraction]:
    """A budget as a share or as a number of cases, however it is written."""
    number = Fraction(run.split.num_labeled_cases)
    try:
        asked = parse_labeled(run.labeled)
    except BudgetError:
        # A split file that lies elsewhere by now: its cases are what counts.
        return "cases", number
    if isinstance(asked, Share):
        return "share", asked.fraction
    return "cases", Fraction(asked.count) if isinstance(asked, Count) else number


def _budget(num_labeled: int, group: Sequence[FinishedRun]) -> Budget:
    shares = [run.split.num_labeled_cases / run.split.num_training for run in group]
    everything = any(_meaning(run) == ("share", Fraction(1)) for run in group)
    return Budget(
        name="all" if everything else group[0].labeled,
        num_labeled=num_labeled,
        share=statistics.fmean(shares),
        varies=len({run.split.num_labeled for run in group}) > 1,
    )
