"""From a plan to prepared cases, batches of them, and strong views of these."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from ecs_med.config import Preparation, TrainConfig
from ecs_med.data.batches import OwnTransform, TrainingBatches
from ecs_med.data.patches import PatchBatches
from ecs_med.data.store import SliceStore
from ecs_med.data.volume_store import VolumeStore
from ecs_med.methods import Method, method_class
from ecs_med.splits import Split, absent_classes_warning
from ecs_med.training.data_plan import DataPlan
from ecs_med.training.images import Images
from ecs_med.views import StrongViews

__all__ = ["Stores", "build_stores", "strong_views", "training_batches"]

_THREADS = 4

Job = Callable[[], frozenset[int]]


@dataclass(frozen=True, slots=True)
class Stores:
    """Prepared cases.

    Attributes:
        labeled: Trained on with their masks.
        unlabeled: Trained on without; `None` where there are none or the method uses none.
        scored: Validation and test cases, with their references on the scans' own grids.
        unlabeled_pixels: What becomes of pixels of labelled images that nobody has annotated, see
            `Method.unlabeled_pixels`.
        notes: What is done with what nobody has annotated, one sentence each.
    """

    labeled: SliceStore
    unlabeled: SliceStore | None
    scored: SliceStore
    unlabeled_pixels: Literal["joined", "own", "ignored"] = "ignored"
    notes: tuple[str, ...] = ()

    @property
    def num_streams(self) -> int:
        """How many times `batch` images go through a step: labelled, unlabelled, joined ones."""
        return 1 + (self.unlabeled is not None) + (self.unlabeled_pixels == "joined")


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
    kind = SliceStore if config.patch is None else VolumeStore
    labeled = kind(split.labeled, preparation, plan.scheme, config.cache)
    scored = SliceStore(
        (*split.validation, *split.test),
        preparation,
        plan.scheme,
        config.cache,
        references="native",
    )
    unlabeled = _unlabeled_store(split, config, preparation, kind)
    stores = [labeled, scored, *([unlabeled] if unlabeled is not None else [])]
    jobs: list[Job] = [
        partial(store.classes, index) for store in stores for index in range(len(store))
    ]
    present = _run_all(jobs, progress)
    shown = {case.id: present[i] for i, case in enumerate(split.labeled)}
    labeled, warnings = _without_void(labeled, split, plan, shown)
    pixels, notes = _unlabeled_pixels(config, labeled)
    if method_class(config.method).uses_unlabeled and unlabeled is None and pixels == "ignored":
        warnings.append(
            f"Method {config.method} learns from unlabelled images and there are none; it trains "
            "on the labelled ones alone; lower `labeled`, or add images without masks."
        )
    absent = absent_classes_warning(shown, plan.scheme.class_names)
    return (
        Stores(labeled, unlabeled, scored, pixels, (*_note_on_slices(config, split), *notes)),
        [*warnings, *([absent] if absent else [])],
    )


def _unlabeled_store(
    split: Split, config: TrainConfig, preparation: Preparation, kind: type[SliceStore]
) -> SliceStore | None:
    """Unlabelled cases, and labelled volumes for their unlabelled slices; `None` without any."""
    if not method_class(config.method).uses_unlabeled:
        return None
    assert config.cache is not None
    slices = split.slices() if config.learn_unlabeled_slices else {}
    beside = tuple(case.without_mask() for case in split.labeled if case.id in slices)
    cases = (*split.unlabeled, *beside)
    if not cases:
        return None
    return kind(cases, preparation, None, config.cache, labeled_slices=slices)


def _without_void(
    labeled: SliceStore,
    split: Split,
    plan: DataPlan,
    shown: Mapping[str, frozenset[int]],
) -> tuple[SliceStore, list[str]]:
    """The labelled cases of which a pixel is labelled, for nothing is learned from the others."""
    kept = [c for c in split.labeled if any(i < plan.scheme.num_classes for i in shown[c.id])]
    num_void = len(split.labeled) - len(kept)
    if not num_void or not kept:
        return labeled, []
    noun = "case is" if num_void == 1 else "cases are"
    warning = (
        f"{num_void} of {len(split.labeled)} labelled {noun} void throughout and not trained on; "
        "annotate some of their pixels, or take their masks away."
    )
    return labeled.of(kept), [warning]


def _unlabeled_pixels(
    config: TrainConfig, labeled: SliceStore
) -> tuple[Literal["joined", "own", "ignored"], list[str]]:
    """What becomes of pixels that nobody has annotated, and a sentence where there are any."""
    counts = [labeled.num_pixels(index) for index in range(len(labeled))]
    num_labeled, num_unlabeled = (sum(column) for column in zip(*counts, strict=True))
    if not num_unlabeled:
        return "ignored", []
    method = method_class(config.method)
    share = num_labeled / (num_labeled + num_unlabeled)
    note = f"Of the pixels of labelled images {share:.2%} are annotated ({num_labeled:,})"
    if not method.uses_unlabeled or method.unlabeled_pixels == "ignored":
        return "ignored", [f"{note}; {method.short_name} does not learn from the others."]
    if not config.learn_unlabeled_pixels:
        return "ignored", [f"{note}; the others are ignored (learn_unlabeled_pixels is off)."]
    return method.unlabeled_pixels, [
        f"{note}; {method.short_name} learns from the others as from unlabelled images "
        "(learn_unlabeled_pixels)."
    ]


def _note_on_slices(config: TrainConfig, split: Split) -> list[str]:
    if not split.num_slices or not method_class(config.method).uses_unlabeled:
        return []
    what = "are unlabelled images in training" if config.learn_unlabeled_slices else "lie unused"
    return [f"The unlabelled slices of labelled volumes {what} (learn_unlabeled_slices)."]


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
    stores: Stores,
    config: TrainConfig,
    images: Images,
    transform: OwnTransform | None = None,
) -> TrainingBatches:
    """All batches of a run with resolved settings.

    Args:
        stores: Of the run.
        config: Its settings.
        images: What they have in common.
        transform: A caller's own.

    Raises:
        SettingsError: If a caller's `transform` does not keep to its contract.
    """
    assert config.batch is not None
    assert config.crop is not None
    assert config.iterations is not None
    labeled, unlabeled = stores.labeled, stores.unlabeled
    shared: dict[str, Any] = {
        "seed": config.seed,
        "batch": config.batch,
        "augmentation": config.augmentation,
        "num_batches": config.iterations,
        "transform": transform,
        "has_colors": images.has_colors,
    }
    batches: TrainingBatches
    if config.patch is not None:
        assert isinstance(labeled, VolumeStore)
        assert unlabeled is None or isinstance(unlabeled, VolumeStore)
        batches = PatchBatches(labeled, unlabeled, patch=config.patch, **shared)
    else:
        batches = TrainingBatches(
            labeled, unlabeled, crop=config.crop, context=config.context, **shared
        )
    if transform is not None:
        batches[0]  # What is wrong with it is said before the run begins.
    return batches


def strong_views(method: Method, config: TrainConfig, images: Images) -> StrongViews | None:
    """Makes as many strongly varied views as the method learns from; `None`: from none."""
    count = method.strong_views
    return StrongViews(config.augmentation.strong, count, images.has_colors) if count else None
