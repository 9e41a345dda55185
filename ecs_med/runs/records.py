"""What the JSON files of a run folder hold, one class a file or a row."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import StringConstraints, model_validator

from ecs_med.metrics import Scores
from ecs_med.records import Record
from ecs_med.runs.history import CorrectorScores

__all__ = [
    "CaseCounts",
    "CorrectorMetrics",
    "DataFacts",
    "Failure",
    "Gallery",
    "GalleryEntry",
    "InitialWeights",
    "LastModel",
    "Manifest",
    "MethodFacts",
    "Metrics",
    "TestCases",
]


CssColor = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
"""Such as `#56b4e9`; anything else has no place in a style attribute."""


class MethodFacts(Record):
    """What a reader of a run has to know of its training method, which may not be installed."""

    name: str
    """Value of the setting `method`."""
    title: str
    """In a heading: `Error-Correcting Supervision (ECS)`."""
    short_name: str
    """In tables and charts: `ECS`."""
    source: str = ""
    """Where it was published."""
    uses_corrector: bool
    """Whether correction maps and certainty can be had."""
    corrects: bool = False
    """Whether corrections are part of the labels that the model gives."""
    uses_unlabeled: bool
    """Whether it learns from unlabelled images."""
    chosen_by: str = "best validation mIoU"
    """What the kept model was chosen by, in words that follow "the weights were kept:"."""
    settings: tuple[str, ...] = ()
    """Sections and fields of `config.json` that mean something to this method alone, dotted."""

    @property
    def with_source(self) -> str:
        """The title and where the method was published."""
        return f"{self.title}, {self.source}" if self.source else self.title


class DataFacts(Record):
    """What a run was trained on."""

    name: str
    """Short name of the data set."""
    root: Path
    """Folder or list file."""
    layout: str
    """Name of the layout that understood it."""
    unit: Literal["image", "volume", "video"]
    """What a case is called."""
    num_cases: int
    """All cases."""
    num_labeled: int
    """Labelled cases that were trained on."""
    num_slices: int = 0
    """Labelled slices of these volumes together; 0 where cases are labelled as a whole."""
    num_unlabeled: int
    """Cases that were trained on without their masks, where the method does so."""
    num_validation: int
    """Validation cases."""
    num_test: int
    """Test cases."""
    notes: tuple[str, ...] = ()
    """How split and labels came about, one sentence each."""


class InitialWeights(Record):
    """Where the first weights came from, in words."""

    segmenter: str
    """Of the segmenter."""
    corrector: str | None = None
    """Of the corrector, `None` without one."""


class Manifest(Record):
    """`manifest.json`: what ran, on what, and for how long."""

    method: MethodFacts
    """The training method."""
    data: DataFacts
    """The data."""
    versions: dict[str, str]
    """Version by package, Python's among them."""
    device: dict[str, str | int]
    """Type, name, memory or threads."""
    processes: int
    """Processes that trained together."""
    precision: str
    """Autocast precision."""
    git_commit: str | None
    """Of the source tree; `None` for an installed copy."""
    initialization: InitialWeights
    """Where the networks began."""
    validation: str
    """How often and on what the model was validated, one sentence."""
    augmentation: str | None = None
    """What happened to training images at random, in words; former versions do not say it."""
    transform: str | None = None
    """The transform of training images that the caller gave, in words."""
    seed: int
    """Of the run."""
    command: tuple[str, ...]
    """As it was typed."""
    warnings: tuple[str, ...] = ()
    """What a person should know of, one sentence each."""
    started: str
    """Time of the first start, ISO 8601, UTC."""
    finished: str
    """Time of the end of training, likewise."""
    seconds: float
    """Of training, preparation and validation included, over all resumptions."""
    validation_seconds: float
    """Of validation."""
    images_per_second: float
    """Training images, labelled and unlabelled, over `seconds`."""
    peak_memory_mb: int
    """Of the device; of the process on a CPU."""
    energy_wh: float | None = None
    """Of the GPU, where it counts it."""


class CorrectorMetrics(Record):
    """What `metrics.json` says of the corrector."""

    validation: CorrectorScores
    """At the chosen iteration."""


class LastModel(Record):
    """What `metrics.json` says of the last model, which nothing was chosen by."""

    iteration: int
    """Iterations of the run."""
    validation: Scores | None
    """On all validation cases; `None` where there are none."""
    test: Scores
    """On the test cases."""


class Metrics(Record):
    """`metrics.json`, written last: where it is, the run is complete."""

    best_iteration: int
    """The model that was kept."""
    validation: Scores | None
    """Of that model on all validation cases; `None` where nothing was chosen on them."""
    test: Scores
    """Of that model on the test cases."""
    class_names: tuple[str, ...]
    """Background first."""
    corrector: CorrectorMetrics | None = None
    """Of the corrector, where it is scored."""
    last: LastModel | None = None
    """Of the last model beside the chosen one, where it was asked for (`score_last`)."""
    absent_classes: tuple[str, ...] = ()
    """Foreground classes that no test reference shows, so that the test says nothing of them."""
    unlabeled_slices: Scores | None = None
    """Of that model on the unlabelled slices of labelled volumes, whose hidden masks are read for
    this alone; `None` where cases are labelled as a whole. Nothing is chosen by it."""

    @model_validator(mode="after")
    def _check_number_of_classes(self) -> Self:
        last = (self.last.validation, self.last.test) if self.last else ()
        for scores in (self.validation, self.test, self.unlabeled_slices, *last):
            if scores is None:
                continue
            per_class = (
                scores.iou_per_class,
                scores.dice_per_class,
                scores.hd95_mm_per_class,
                scores.hd95_num_missing_per_class,
            )
            if any(v is not None and len(v) != len(self.class_names) for v in per_class):
                raise ValueError("a score by class has not as many values as there are classes")
        return self


class CaseCounts(Record):
    """The confusion matrix of one case."""

    case: str
    """Id."""
    confusion: tuple[tuple[int, ...], ...]
    """Row = reference, column = prediction."""


class TestCases(Record):
    """`test_cases.json`: from it scores of any selection of test cases can be taken."""

    __test__ = False
    class_names: tuple[str, ...]
    """Background first."""
    cases: tuple[CaseCounts, ...]
    """Every test case."""


class Failure(Record):
    """`failure.json`: why a run of a sweep has no scores."""

    sentence: str
    """What happened."""
    exit_code: int
    """As the command line would end."""
    time: str
    """ISO 8601, UTC."""


class GalleryEntry(Record):
    """One case, or one slice of a volume, with its panels."""

    case_id: str
    """Id of the case."""
    slice_index: int | None
    """Which slice of a volume; `None` for pictures."""
    rank: str
    """`worst`, `median`, `best`, or empty."""
    score: float | None
    """The score by which cases are ranked."""
    scores: dict[str, float | None]
    """All of its scores."""
    panels: dict[str, str]
    """File name by panel."""

    @property
    def title(self) -> str:
        """Id, and the slice of a volume."""
        return self.case_id + ("" if self.slice_index is None else f", slice {self.slice_index}")


class Gallery(Record):
    """`gallery/gallery.json`, `samples/gallery.json`."""

    class_names: tuple[str, ...]
    """Background first."""
    class_colors: tuple[CssColor | None, ...]
    """CSS colours; `None` for the background."""
    num_candidates: int
    """Cases to choose from."""
    ranked_over_all: bool
    """Whether ranks are among all test cases."""
    items: tuple[GalleryEntry, ...]
    """From the worst to the best."""
