"""From a folder to stores of prepared cases: open, examine, split, look at images."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

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
from ecs_med.types import Case, CaseCollection, UnlabeledCase

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
    """

    labeled: SliceStore
    unlabeled: SliceStore | None
    scored: SliceStore


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
    used: tuple[Case | UnlabeledCase, ...]
    used = (*split.labeled, *split.validation, *split.test, *split.unlabeled)
    readable = [case for case in used if found.facts[case.id].is_readable]
    volumes = [fact for fact in found.facts.values() if fact.is_volume]
    images = look_at_images(readable, config, volumes)
    images = images._replace(up=images_with_up(collection, found.facts.values()))
    # What cannot be trained is refused here, before anything is prepared.
    on_cpu = choose_device(config.device).type == "cpu"
    decided, chosen = with_dimensions(config, images, on_cpu=on_cpu)
    warnings = (
        *changed,
        *split.warnings,
        *warnings_of_split(found, split, scheme, config),
        *warnings_of(problems),
        *images.notes,
        *([chosen] if chosen else []),
        *(images.depth_notes if decided.dims == "3" else ()),
    )
    return DataPlan(collection, split, scheme, images, contents_of(found, scheme), warnings)


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
    unlabeled = None
    warnings = []
    if method_class(config.method).uses_unlabeled and split.unlabeled:
        unlabeled = kind(split.unlabeled, preparation, None, config.cache)
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
    labeled, unlabeled = stores.labeled, stores.unlabeled
    batches: TrainingBatches
    if config.patch is not None:
        assert isinstance(labeled, VolumeStore)
        assert unlabeled is None or isinstance(unlabeled, VolumeStore)
        batches = PatchBatches(
            labeled,
            unlabeled,
            seed=config.seed,
            batch=config.batch,
            patch=config.patch,
            augmentation=config.augmentation,
            num_batches=config.iterations,
            transform=transform,
        )
    else:
        batches = TrainingBatches(
            labeled,
            unlabeled,
            seed=config.seed,
            batch=config.batch,
            crop=config.crop,
            augmentation=config.augmentation,
            num_batches=config.iterations,
            transform=transform,
            context=config.context,
        )
    if transform is not None:
        batches[0]  # What is wrong with it is said before the run begins.
    return batches
