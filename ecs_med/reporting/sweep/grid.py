"""The grid of a budget report: which runs stand for which method at which budget."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ecs_med.analysis import ScorePoint
from ecs_med.errors import BudgetError, RunFolderError
from ecs_med.reporting.run.reading import inner
from ecs_med.reporting.sweep.runs import BudgetRun
from ecs_med.splits import Count, Share, parse_labeled

__all__ = ["BASELINE", "Budget", "Grid", "arrange", "short_name"]

BASELINE = "supervised"
"""The method that the others are held against."""

_NAMES = {
    "ecs": "ECS",
    "supervised": "supervised",
    "advsemiseg": "AdvSemiSeg",
    "s4gan": "s4GAN",
    "s4gan+mlmt": "s4GAN+MLMT",
}


def short_name(method: str) -> str:
    """A method in one word, for tables and charts."""
    return _NAMES.get(method, method)


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


@dataclass(frozen=True, slots=True)
class Grid:
    """Finished runs by method and budget.

    Attributes:
        methods: The baseline first.
        budgets: From few labels to many.
        cells: Runs by seed, ascending; a cell without a run is not there.
        unit: What a case is called, `image` or `volume`.
        title: Name of the data set.
        class_names: Background first.
    """

    methods: tuple[str, ...]
    budgets: tuple[Budget, ...]
    cells: Mapping[tuple[str, Budget], tuple[BudgetRun, ...]]
    unit: str
    title: str
    class_names: tuple[str, ...]

    def runs(self, method: str, budget: Budget) -> tuple[BudgetRun, ...]:
        """Runs of one cell; empty where there is none."""
        return self.cells.get((method, budget), ())

    def pairs(self, method: str, budget: Budget) -> list[tuple[BudgetRun, BudgetRun]]:
        """Runs of a method and of the baseline with the same budget and seed, by seed."""
        base = {run.seed: run for run in self.runs(BASELINE, budget)}
        return [(run, base[run.seed]) for run in self.runs(method, budget) if run.seed in base]

    def points(self, method: str) -> list[ScorePoint]:
        """Scores of a method for the statistics, by budget and seed."""
        return [
            ScorePoint(num_labeled=budget.num_labeled, seed=run.seed, score=run.miou)
            for budget in self.budgets
            for run in self.runs(method, budget)
        ]

    @property
    def rivals(self) -> tuple[str, ...]:
        """Methods that can be held against the baseline; none where it was not run."""
        if BASELINE not in self.methods:
            return ()
        return tuple(method for method in self.methods if method != BASELINE)

    @property
    def all_runs(self) -> list[BudgetRun]:
        """Every finished run."""
        return [run for runs in self.cells.values() for run in runs]

    @property
    def num_runs(self) -> int:
        """Number of finished runs."""
        return len(self.all_runs)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Every seed of a finished run, ascending."""
        return tuple(sorted({run.seed for run in self.all_runs}))


def arrange(runs: Sequence[BudgetRun]) -> Grid:
    """Sort runs into the grid.

    Budgets that are written differently and mean the same (`12.5%`, `1/8`) are one.

    Args:
        runs: Comparable runs, at least one, in any order.

    Raises:
        RunFolderError: If two runs are the same method, budget and seed.
    """
    groups: dict[object, list[BudgetRun]] = {}
    for run in sorted(runs, key=lambda run: (run.labeled, run.seed, run.method, run.name)):
        groups.setdefault(_meaning(run), []).append(run)
    merged: dict[int, list[BudgetRun]] = {}
    for group in groups.values():
        merged.setdefault(_mean_labeled(group), []).extend(group)
    methods = sorted({run.method for run in runs}, key=lambda name: (name != BASELINE, name))
    cells = {}
    budgets = []
    for num_labeled in sorted(merged):
        budget = _budget(num_labeled, merged[num_labeled])
        budgets.append(budget)
        for method in methods:
            inside = [run for run in merged[num_labeled] if run.method == method]
            if inside:
                _refuse_doubles(inside)
                cells[method, budget] = tuple(sorted(inside, key=lambda run: run.seed))
    data = inner(min(runs, key=lambda run: run.name).manifest, "data")
    return Grid(
        methods=tuple(methods),
        budgets=tuple(budgets),
        cells=cells,
        unit="volume" if data.get("unit") == "volume" else "image",
        title=str(data.get("name") or "unnamed data"),
        class_names=runs[0].class_names,
    )


def _refuse_doubles(runs: Sequence[BudgetRun]) -> None:
    seen: dict[int, BudgetRun] = {}
    for run in runs:
        other = seen.setdefault(run.seed, run)
        if other is not run:
            raise RunFolderError(
                f"{other.folder} and {run.folder} are both {run.method} with "
                f"{run.split.num_labeled} labels and seed {run.seed}; name one of them."
            )


def _meaning(run: BudgetRun) -> tuple[str, Fraction]:
    """A budget as a share or as a number of cases, however it is written."""
    try:
        asked = parse_labeled(run.labeled)
    except BudgetError:
        # A split file that lies elsewhere by now: its cases are what counts.
        return "cases", Fraction(run.split.num_labeled)
    if isinstance(asked, Share):
        return "share", asked.fraction
    return "cases", Fraction(asked.count if isinstance(asked, Count) else run.split.num_labeled)


def _mean_labeled(group: Sequence[BudgetRun]) -> int:
    return round(statistics.fmean(run.split.num_labeled for run in group))


def _budget(num_labeled: int, group: Sequence[BudgetRun]) -> Budget:
    shares = [
        run.split.num_labeled / (run.split.num_labeled + run.split.num_unlabeled)
        for run in group
        if run.split.num_labeled
    ]
    everything = any(_meaning(run) == ("share", Fraction(1)) for run in group)
    return Budget(
        name="all" if everything else group[0].labeled,
        num_labeled=num_labeled,
        share=statistics.fmean(shares) if shares else None,
        varies=len({run.split.num_labeled for run in group}) > 1,
    )
