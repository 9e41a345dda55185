"""From a folder to what a run is made from: open, examine, split, look at images."""

from collections.abc import Callable
from dataclasses import dataclass

from ecs_med.config import TrainConfig
from ecs_med.data.checks.examination import Diagnosis, diagnose
from ecs_med.data.layout import open_data
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.devices import choose_device
from ecs_med.distributed import main_process_first
from ecs_med.files import cache_folder
from ecs_med.runs import DataContents, RunFolder
from ecs_med.sparse import LabeledCase
from ecs_med.splits import Split
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

__all__ = ["DataPlan", "plan_data"]


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
