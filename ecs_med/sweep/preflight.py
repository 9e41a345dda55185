"""What is said of a sweep before its first run: its data, budgets that are one, runs on other data.

Nothing is trained here. The data are examined once for all runs, which find what it told.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from ecs_med.config import TrainConfig
from ecs_med.data.checks.examination import Diagnosis, diagnose
from ecs_med.data.layout import open_data
from ecs_med.errors import BudgetError, RunFolderError
from ecs_med.files import cache_folder
from ecs_med.runs import RunFolder
from ecs_med.splits import Split, SplitDocument, SplitFile, absent_classes, parse_labeled
from ecs_med.sweep.axes import ALL_LABELS
from ecs_med.sweep.plan import Cell
from ecs_med.training.acquired import is_acquired
from ecs_med.training.preflight import (
    contents_of,
    draw_for,
    problems_of_run,
    refuse_empty_draw,
    refuse_errors,
    warnings_of,
    warnings_of_split,
)
from ecs_med.types import CaseCollection

__all__ = ["SweepData", "open_sweep_data"]

_NUM_SHOWN = 3

Draw = tuple[str, int, int | None, str]
"""Budget, seed, fold and draw: what decides which cases are labelled and which are tested on."""


def _draw_of(cell: Cell) -> Draw:
    return cell.labeled, cell.seed, cell.config.fold, cell.config.draw


def _known_draw(config: TrainConfig) -> TrainConfig:
    if not is_acquired(config):
        return config
    return config.model_copy(update={"draw": "random", "draw_from": None})


@dataclass(frozen=True)
class SweepData:
    """The data of a sweep and what its runs draw of them.

    Attributes:
        cells: All runs, as they were planned.
        collection: What the layout found.
        found: What the examination found.
    """

    cells: tuple[Cell, ...]
    collection: CaseCollection
    found: Diagnosis

    @cached_property
    def splits(self) -> Mapping[Draw, Split]:
        """By budget, seed, fold and draw.

        What a rule will ask for is not known before its models are there; as many cases are drawn
        at random in their place.
        """
        first = {_draw_of(cell): _known_draw(cell.config) for cell in reversed(self.cells)}
        return {
            key: draw_for(config, self.collection, self.found)
            for key, config in reversed(first.items())
        }

    def num_labeled(self) -> dict[str, int]:
        """Labels of each budget, drawn with its first seed as training draws them.

        Cases, or the slices of these, of which a volume may have fewer than were asked for.
        """
        counts: dict[str, int] = {}
        for cell in self.cells:
            number = len(self.splits[_draw_of(cell)].labeled)
            if cell.config.unit == "slice":
                number *= cell.config.slices_per_volume or 1
            counts.setdefault(cell.labeled, number)
        return counts

    def merged(self) -> tuple[tuple[Cell, ...], list[str]]:
        """The runs without those of budgets that are the same here as another one.

        Of equal ones the first is kept, or the one that is all labels.

        Returns:
            The runs, and a sentence for each merger.

        Raises:
            BudgetError: If lists of cases are as long as another budget with other cases, for then
                a report could not tell them apart.
        """
        groups: dict[int, list[str]] = defaultdict(list)
        for labeled, drawn in self._drawn().items():
            groups[round(fmean(len(ids) for ids in drawn.values()))].append(labeled)
        dropped: set[str] = set()
        notes = []
        for number, names in groups.items():
            if len(names) < 2:
                continue
            self._refuse_other_cases(names, number)
            kept = ALL_LABELS if ALL_LABELS in names else names[0]
            dropped |= set(names) - {kept}
            labels = f"{number} label" + ("" if number == 1 else "s")
            notes.append(
                f"Budgets {', '.join(names[:-1])} and {names[-1]} are {labels} each in these data: "
                f"they are run as one, {kept}."
            )
        return tuple(cell for cell in self.cells if cell.labeled not in dropped), notes

    def _drawn(self) -> dict[str, dict[tuple[int, int | None, str], frozenset[str]]]:
        drawn: dict[str, dict[tuple[int, int | None, str], frozenset[str]]] = defaultdict(dict)
        for (labeled, seed, fold, draw), split in self.splits.items():
            drawn[labeled][seed, fold, draw] = frozenset(case.id for case in split.labeled)
        return drawn

    def _refuse_other_cases(self, names: Sequence[str], number: int) -> None:
        drawn = self._drawn()
        listed = [name for name in names if isinstance(parse_labeled(name), SplitFile)]
        for name in listed:
            if any(drawn[name] != drawn[other] for other in names):
                raise BudgetError(
                    f"`budgets`: {' and '.join(names)} are {number} labels each, but not the same "
                    "cases, and a report has one point for a number of labels; leave one of them "
                    "out."
                )

    def refuse_faults(self) -> list[str]:
        """Make sure that every run can begin.

        Returns:
            What a person should look at, one sentence each.

        Raises:
            DataError: If masks cannot be understood, or a file that a run uses has a fault.
            BudgetError: If a draw has no foreground to learn from.
        """
        # All runs have to have the same classes, so here the masks of all decide.
        refuse_errors(self.found.understood)
        scheme = self.found.scheme
        assert scheme is not None, "masks that are not understood were refused"
        problems = list(self.found.understood)
        sentences: list[str] = []
        for cell in self.cells:
            split = self.splits[_draw_of(cell)]
            problems += problems_of_run(self.found, self.collection, split, cell.config)
            refuse_empty_draw(
                cell.config, self.collection, self.found, split, scheme, ("budgets", "seeds")
            )
            sentences += (
                *split.warnings,
                *warnings_of_split(self.found, split, scheme, cell.config),
            )
        refuse_errors(problems)
        sentences += (*self._absent(), *warnings_of(dict.fromkeys(problems)))
        return list(dict.fromkeys(sentences))

    def _absent(self) -> Iterable[str]:
        """Classes without one pixel in what some runs draw, and in which of them."""
        scheme = self.found.scheme
        assert scheme is not None
        where: dict[str, list[str]] = defaultdict(list)
        for (labeled, seed, fold, _), split in self.splits.items():
            pixels = self.found.class_pixels
            shown = {
                case.id: [i for i, number in enumerate(pixels[case.id]) if number]
                for case in split.labeled
                if case.id in pixels
            }
            for name in absent_classes(shown, scheme.class_names):
                of_fold = "" if fold is None else f", fold {fold}"
                told = f"{labeled} with seed {seed}{of_fold}"
                if told not in where[name]:
                    where[name].append(told)
        for name, draws in where.items():
            more = f" and {len(draws) - _NUM_SHOWN} more draws" if len(draws) > _NUM_SHOWN else ""
            yield (
                f"The class '{name}' has not one labelled pixel at "
                f"{', '.join(draws[:_NUM_SHOWN])}{more} and cannot be learned there."
            )

    def refuse_other_data(self) -> None:
        """Make sure that what was trained before was trained on these data.

        Raises:
            RunFolderError: If images or masks have changed since: how much, and the remedy.
        """
        self._refuse_other_exclusions()
        scheme = self.found.scheme
        if scheme is None:
            return
        now = contents_of(self.found, scheme)
        changed = []
        for cell in self.cells:
            before = RunFolder(cell.folder).read_contents()
            if before is not None and (changes := before.changes_to(now)):
                changed.append((cell.folder, changes))
        if not changed:
            return
        folder, changes = changed[0]
        runs = "this run" if len(changed) == 1 else f"these {len(changed)} runs"
        names = ", ".join(folder.name for folder, _ in changed[:_NUM_SHOWN])
        more = f" and {len(changed) - _NUM_SHOWN} more" if len(changed) > _NUM_SHOWN else ""
        raise RunFolderError(
            f"{folder}: the data are not those of this run: {changes.words()}; delete {runs} to "
            f"train anew ({names}{more}), or choose another `output`."
        )

    def _refuse_other_exclusions(self) -> None:
        """Runs of one sweep leave the same masks out, though the file that names them may change.

        Raises:
            RunFolderError: If a run left others out than are named now.
        """
        for cell in self.cells:
            file = RunFolder(cell.folder).split_file
            if not file.is_file():
                continue
            before, now = SplitDocument.read(file).excluded(), self.splits[_draw_of(cell)]
            if before != now.excluded:
                raise RunFolderError(
                    f"{cell.folder}: left out other masks than `exclude` names now ({len(before)}, "
                    f"now {len(now.excluded)}); choose another `output`, or name the same ones."
                )


def open_sweep_data(
    cells: Sequence[Cell], progress: Callable[[int, int], None] | None = None
) -> SweepData:
    """Open and examine the data of a sweep.

    Args:
        cells: At least one; all on the same data.
        progress: Told how many of how many cases are decoded, the first time.

    Raises:
        DataError: If the data cannot be opened.
    """
    shared: TrainConfig = cells[0].config
    collection = open_data(shared.data, shared.reading)
    refuse_errors(collection.problems)
    cache = shared.cache or cache_folder("prepared")
    found = diagnose(collection, shared.reading, progress=progress, cache=cache)
    return SweepData(tuple(cells), collection, found)
