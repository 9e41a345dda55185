"""From a folder to stores of prepared cases: open, examine, split, look at images."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from ecs_med.config import Preparation, TrainConfig
from ecs_med.data.batches import OwnTransform, TrainingBatches
from ecs_med.data.checks.examination import Diagnosis, diagnose
from ecs_med.data.layout import open_data
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.patches import PatchBatches
from ecs_med.data.store import SliceStore
from ecs_med.data.volume_store import VolumeStore
from ecs_med.devices import choose_device
from ecs_med.distributed import main_process_first
from ecs_med.files import cache_folder
from ecs_med.methods import method_class
from ecs_med.runs import DataContents, RunFolder
from ecs_med.sparse import LabeledCase
from ecs_med.splits import Split, absent_classes_warning
from ecs_med.training.augmentation import images_with_up
from ecs_med.training.dimensions import with_dimensions
from ecs_med.training.images import Images
from ecs_med.training.preflight import (
    contents_of,
    draw_for,
    problems_of_run,
    refuse_changed_data,
    refuse_empty_draw,
    refuse_errors,
    scheme_for,
    warnings_of,
    warnings_of_split,
)
from ecs_med.training.resolve import look_at_images
from ecs_med.training.slices import label_slices
from ecs_med.types import CaseCollection, UnlabeledCase

__all__ = [
    "DataPlan",
    "Stores",
    "build_stores",
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
        scheme: How stored mask values become classes, see `scheme_for`.
        images: What the images have in common.
        contents: Digests of all images and masks.
        warnings: Sentences for the user.
    """

    collection: CaseCollection
    split: Split
    scheme: LabelScheme
    images: Images
    contents: DataContents
    warnings: tuple[str, ...]


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


def plan_data(
    config: TrainConfig,
    resumed: RunFolder | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DataPlan:
    """Open the data, examine all of them and decide which case is for what.

    The classes are those of the data set: as declared, else as all masks say. So hidden masks are
    read here, for two things: values are counted, by which all budgets and seeds have the same
    classes, and what is wrong with a file is told. Training itself gets them nowhere: an
    `UnlabeledCase` has no mask, and `HiddenReferences` gives them to reports alone.

    Args:
        config: Settings of the run.
        resumed: The run folder, when resuming: its split counts, and its data must be as they were.
        progress: Told how many of how many cases are decoded, the first time.

    Raises:
        DataError: If data or masks cannot be used.
        BudgetError: If the labelled budget cannot be drawn, or leaves nothing to learn.
        RunFolderError: If the data of the run that is resumed have changed.
    """
    collection = open_data(config.data, config.reading)
    refuse_errors(collection.problems)
    cache = config.cache or cache_folder("prepared")
    found = main_process_first(
        lambda: diagnose(collection, config.reading, progress=progress, cache=cache)
    )
    split, changed = _split_of(config, resumed, collection, found)
    scheme, understood = scheme_for(config, collection, found, split)
    if resumed and (before := resumed.read_contents()):
        scheme = before.labels
    problems = [*problems_of_run(found, collection, split, config), *understood]
    refuse_errors(problems)
    if not resumed:
        refuse_empty_draw(config, collection, found, split, scheme)
    used: tuple[LabeledCase | UnlabeledCase, ...]
    used = (*split.labeled, *split.validation, *split.test, *split.unlabeled)
    readable = [case for case in used if found.facts[case.id].is_readable]
    volumes = [fact for fact in found.facts.values() if fact.is_volume]
    images = look_at_images(readable, config, volumes)
    images = images._replace(up=images_with_up(collection, found.facts.values()))
    # What cannot be trained is refused here, before anything is prepared.
    on_cpu = choose_device(config.device).type == "cpu"
    decided, chosen = with_dimensions(config, images, on_cpu=on_cpu)
    if not resumed:
        split = label_slices(config, split, collection.cases, images, scheme)
    warnings = (
        *changed,
        *split.warnings,
        *warnings_of_split(found, split, scheme, config),
        *_scored_in_part(split),
        *warnings_of(problems),
        *images.notes,
        *([chosen] if chosen else []),
        *(images.depth_notes if decided.dims == "3" else ()),
    )
    return DataPlan(collection, split, scheme, images, contents_of(found, scheme), warnings)


def _scored_in_part(split: Split) -> list[str]:
    scored = (*split.validation, *split.test)
    number = sum(case.annotated is not None for case in scored)
    if not number:
        return []
    return [
        f"{number} of {len(scored)} validation and test cases have masks that cover some classes "
        "alone: false alarms outside what they show are not counted there, and their scores are "
        "too good; keep masks of all classes for these."
    ]


def _split_of(
    config: TrainConfig, resumed: RunFolder | None, collection: CaseCollection, found: Diagnosis
) -> tuple[Split, list[str]]:
    """The split, and what has changed since it was drawn."""
    if resumed is None:
        return draw_for(config, collection, found), []
    changed = []
    if before := resumed.read_contents():
        changed = refuse_changed_data(resumed, before, contents_of(found, before.labels))
    return Split.read(resumed.split_file, collection.cases), changed


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
    transform: OwnTransform | None = None,
    *,
    has_colors: bool = True,
) -> TrainingBatches:
    """All batches of a run with resolved settings.

    Args:
        stores: Of the run.
        config: Its settings.
        transform: A caller's own.
        has_colors: Whether the images are pictures, whose channels are colours.

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
        "has_colors": has_colors,
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
