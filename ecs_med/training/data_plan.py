"""From a folder to stores of prepared cases: open, split, understand masks, look at images."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ecs_med.config import Preparation, ReadingSettings, TrainConfig
from ecs_med.data.batches import OwnTransform, TrainingBatches
from ecs_med.data.layout import open_data
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.reading import read_labels, understand_masks
from ecs_med.data.store import SliceStore
from ecs_med.errors import DataError
from ecs_med.methods import method_class
from ecs_med.splits import Split, absent_classes_warning, draw_split
from ecs_med.training.resolve import Images, look_at_images
from ecs_med.types import Case, CaseCollection, Problem

__all__ = [
    "DataPlan",
    "Stores",
    "build_stores",
    "class_pixels",
    "plan_data",
    "training_batches",
]

_THREADS = 4

Job = Callable[[], frozenset[int]]


@dataclass(frozen=True, slots=True)
class DataPlan:
    """What a run is made from.

    Attributes:
        collection: What the layout found.
        split: Which case is for what.
        scheme: How stored mask values become classes; learned from the masks in the budget,
            of validation and of test, never from hidden ones.
        images: What the images have in common.
        warnings: Sentences for the user.
    """

    collection: CaseCollection
    split: Split
    scheme: LabelScheme
    images: Images
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stores:
    """Prepared cases.

    Attributes:
        labeled: Trained on with their masks.
        unlabeled: Trained on without; `None` where there are none or the method uses none.
        scored: Validation and test cases, with their references on the scans' own grids.
    """

    labeled: SliceStore
    unlabeled: SliceStore | None
    scored: SliceStore


def plan_data(config: TrainConfig, split_file: Path | None = None) -> DataPlan:
    """Open the data and decide which case is for what.

    Args:
        config: Settings of the run.
        split_file: The run's own split, when resuming.

    Raises:
        DataError: If data or masks cannot be used.
        BudgetError: If the labelled budget cannot be drawn.
    """
    collection = open_data(config.data, config.reading)
    _refuse_errors(collection.problems)
    if split_file is not None:
        split = Split.read(split_file, collection.cases)
    else:
        content = None
        if config.draw != "random":
            content = class_pixels(collection, config.reading)
        split = draw_split(
            collection.cases,
            config.labeled,
            config.seed,
            draw=config.draw,
            content=content,
            has_validation=config.keep == "best",
        )
    referenced = [*split.labeled, *split.validation, *split.test]
    masks = [case.mask for case in referenced if case.mask is not None]
    scheme, problems = understand_masks(masks, config.reading, collection.labels)
    _refuse_errors(problems)
    images = look_at_images([*referenced, *split.unlabeled], config.reading.axis, config.plane)
    noticed = [p for p in (*collection.problems, *problems) if p.severity == "warning"]
    warnings = (*split.warnings, *(problem.sentence() for problem in noticed))
    return DataPlan(collection, split, scheme, images, warnings)


def _refuse_errors(problems: Sequence[Problem]) -> None:
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        more = f" ({len(errors) - 1} more: run `ecs-med check`)" if len(errors) > 1 else ""
        raise DataError(errors[0].sentence() + more)


def build_stores(
    plan: DataPlan,
    config: TrainConfig,
    preparation: Preparation,
    progress: Callable[[int, int], None],
) -> tuple[Stores, list[str]]:
    """Prepare every case before the first iteration.

    A broken file so ends the run before it begins, not after hours.

    Args:
        plan: The data.
        config: Resolved settings.
        preparation: How scans are prepared.
        progress: Told how many of how many cases are ready.

    Returns:
        The stores, and warnings: classes without one labelled pixel, nothing unlabelled to
        learn from.

    Raises:
        DataError: If a file cannot be read.
    """
    assert config.cache is not None
    split = plan.split
    labeled = SliceStore(split.labeled, preparation, plan.scheme, config.cache)
    scored = SliceStore(
        (*split.validation, *split.test),
        preparation,
        plan.scheme,
        config.cache,
        references="native",
    )
    unlabeled = None
    warnings = []
    if method_class(config.method).uses_unlabeled and split.unlabeled:
        unlabeled = SliceStore(split.unlabeled, preparation, None, config.cache)
    elif method_class(config.method).uses_unlabeled:
        warnings.append(
            f"Method {config.method} learns from unlabelled images and there are none; it trains "
            "on the labelled ones alone; lower `labeled`, or add images without masks."
        )
    stores = [labeled, scored, *([unlabeled] if unlabeled is not None else [])]
    jobs: list[Job] = [
        partial(store.classes, index) for store in stores for index in range(len(store))
    ]
    present = _run_all(jobs, progress)
    shown = {case.id: present[i] for i, case in enumerate(split.labeled)}
    absent = absent_classes_warning(shown, plan.scheme.class_names)
    return Stores(labeled, unlabeled, scored), [*warnings, *([absent] if absent else [])]


def _run_all(jobs: Sequence[Job], progress: Callable[[int, int], None]) -> list[frozenset[int]]:
    """The jobs' results in order; the first error cancels the rest."""
    results: list[frozenset[int]] = []
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            for done, result in enumerate(pool.map(lambda job: job(), jobs), start=1):
                results.append(result)
                progress(done, len(jobs))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return results


def training_batches(
    stores: Stores, config: TrainConfig, transform: OwnTransform | None = None
) -> TrainingBatches:
    """All batches of a run with resolved settings.

    Raises:
        SettingsError: If a caller's `transform` does not keep to its contract.
    """
    assert config.batch is not None
    assert config.crop is not None
    assert config.iterations is not None
    batches = TrainingBatches(
        stores.labeled,
        stores.unlabeled,
        seed=config.seed,
        batch=config.batch,
        crop=config.crop,
        augmentation=config.augmentation,
        num_batches=config.iterations,
        transform=transform,
    )
    if transform is not None:
        batches[0]  # What is wrong with it is said before the run begins.
    return batches


def class_pixels(
    collection: CaseCollection, reading: ReadingSettings
) -> dict[str, tuple[int, ...]]:
    """Pixels of each class in every training case that has a mask, in and outside the budget.

    This is read before the budget is drawn and given to the draw alone; nothing of it reaches
    training.

    Args:
        collection: What the layout found.
        reading: How masks are understood.

    Returns:
        Counts by case id, background first, void left out.

    Raises:
        DataError: If a mask cannot be read.
    """
    cases = [case for case in collection.cases if case.mask is not None]
    masks = [case.mask for case in cases if case.mask is not None]
    scheme, problems = understand_masks(masks, reading, collection.labels)
    _refuse_errors(problems)
    with ThreadPoolExecutor(_THREADS) as pool:
        counts = pool.map(partial(_count, scheme=scheme), cases)
    return dict(zip((case.id for case in cases), counts, strict=True))


def _count(case: Case, scheme: LabelScheme) -> tuple[int, ...]:
    assert case.mask is not None
    labels = read_labels(case.images, case.mask, scheme, case.frame)
    counts: Sequence[int] = np.bincount(labels.ravel(), minlength=256).tolist()
    return tuple(counts[: scheme.num_classes])
