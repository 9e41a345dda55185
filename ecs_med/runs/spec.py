"""What a model is, what a run began with, and what a sweep is asked for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, JsonValue, field_validator, model_validator

from ecs_med.config import Preparation
from ecs_med.config.preparation import MAX_CROP, MAX_SIDE
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.records import Record
from ecs_med.runs.former import config_of_former, spec_of_former

__all__ = ["ModelSpec", "Origin", "PlannedRun", "SweepPlan"]

Side = Annotated[int, Field(ge=16, le=MAX_CROP)]
"""Of a patch, in voxels."""

MAX_CHANNELS = 1024
"""Of an image; more is refused before a network is built for them."""


class ModelSpec(Record):
    """Everything about a model but its weights; `model.json` of a run."""

    format: Literal[2] = 2
    """Version of this file; those of version 1 are read as `ecs_med.runs.former` says."""
    method: str
    """Training method."""
    labels: LabelScheme
    """Classes, and how stored mask values map to them."""
    preparation: Preparation
    """How scans are brought into the form that the networks see."""
    kind: Literal["picture", "volume"]
    """What it was trained on."""
    in_channels: int = Field(ge=1, le=MAX_CHANNELS)
    """Channels of an image."""
    mean: tuple[float, ...]
    """Per channel, for intensities in 0..1."""
    std: tuple[Annotated[float, Field(gt=0)], ...]
    """Per channel."""
    spatial_dims: Literal[2, 3] = 2
    """Dimensions of what networks see: slices, or volumes."""
    context: int = Field(0, ge=0, le=8)
    """Neighbours of a slice on either side, whose channels come before and behind its own."""
    network: str = "deeplabv3plus"
    """Architecture of the segmenter."""
    network_settings: dict[str, JsonValue] = Field(default_factory=dict)
    """What it was told."""
    encoder: str | None
    """Segmenter's encoder, `None` where the network has none."""
    corrector: str | None = None
    """Kind of the corrector, a key of `CORRECTORS`; `None` without one."""
    corrector_encoder: str | None
    """Corrector's encoder; `None` without a corrector, or where it stands on the segmenter's."""
    corrects: bool = False
    """Whether labels are those of the segmenter with the corrector's corrections put in."""
    presence: float | None = Field(None, ge=0, le=1)
    """Classes that the image-level classifier takes for less probable are switched off; `None`
    without a classifier."""
    corrector_output_stride: Literal[8, 16] = 16
    """Of the corrector."""
    crop: int = Field(ge=32, le=MAX_CROP)
    """Side of the training crop in pixels."""
    patch: tuple[Side, Side, Side] | None = None
    """Slices, height and width of the patches in which volumes are segmented, in voxels; `None`
    for networks of slices."""
    tile: int = Field(1024, ge=32, le=MAX_SIDE)
    """Larger slices are segmented in overlapping tiles of this side, in pixels."""
    initialization: str
    """Where the segmenter's weights came from, in words."""

    @model_validator(mode="before")
    @classmethod
    def _read_former(cls, values: Any) -> Any:
        return spec_of_former(values)

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if not len(self.mean) == len(self.std) == self.in_channels:
            raise ValueError(f"mean and std have not {self.in_channels} values, one a channel")
        if (self.patch is None) == (self.spatial_dims == 3):
            raise ValueError("a patch is given where spatial_dims is 3, and only there")
        if self.context and (self.spatial_dims == 3 or self.kind == "picture"):
            raise ValueError("context is for slices of volumes")
        return self

    @property
    def network_channels(self) -> int:
        """Channels of what networks see: those of an image, of a slice and its neighbours."""
        return self.in_channels * (2 * self.context + 1)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names in class order, background first."""
        return self.labels.class_names

    @property
    def num_classes(self) -> int:
        """N."""
        return len(self.labels.class_names)


class Origin(Record):
    """`start.json`: the finished run that this one began with."""

    run: Path
    """Its folder."""
    spec: ModelSpec
    """What its networks are."""
    warnings: tuple[str, ...] = ()
    """Sentences for the user."""


class PlannedRun(Record):
    """One run of a plan."""

    method: str
    """Name of the training method."""
    labeled: str
    """Labelled budget as asked for."""
    seed: int
    """Seed of the run."""
    folder: Path
    """Run folder, relative to that of the sweep."""


class SweepPlan(Record):
    """`sweep.json`: what a sweep was asked for; what has become of it is in its run folders."""

    remedy: ClassVar[str] = "update ecs-med if it is of a later version, or choose another `output`"
    version: Literal[1] = 1
    """Version of this file."""
    data: Path
    """Folder or list file."""
    budgets: tuple[str, ...]
    """Labelled budgets."""
    methods: tuple[str, ...]
    """Names of training methods."""
    seeds: tuple[int, ...]
    """Each draws a labelled subset, the same for every method."""
    draws: tuple[str, ...] = ()
    """Ways to choose the labels, each a curve of its own; none: that of the settings."""
    folds: int | None = None
    """Of cross-validation; `None` without."""
    settings: dict[str, JsonValue]
    """Fields of `TrainConfig` that all runs share."""
    cells: tuple[PlannedRun, ...]
    """Every run."""

    @field_validator("settings", mode="before")
    @classmethod
    def _read_former(cls, settings: Any) -> Any:
        return config_of_former(settings) if isinstance(settings, Mapping) else settings
