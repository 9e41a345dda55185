"""Settings of a training run: validated once, frozen, written whole into every run folder.

Fields that default to `None` or `"auto"` are resolved from the data and the
device before training starts (`ecs_med.training.resolve`); `config.json` of a
run holds the resolved values.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ecs_med.config.augmentation import AugmentationSettings
from ecs_med.config.base import MACHINE, PLACE, Settings, read_settings
from ecs_med.config.preparation import (
    MAX_CROP,
    MAX_SIDE,
    Orientation,
    Plane,
    Spacing,
)
from ecs_med.config.reading import ReadingSettings
from ecs_med.errors import SettingsError

__all__ = [
    "BASELINE_METHOD",
    "DEFAULT_METHOD",
    "NUM_FOLDS",
    "OptimizerSettings",
    "TrainConfig",
]

DEFAULT_METHOD = "ecs-plus"
"""Trained with where none is named: the best at few labels as measured, see the README."""

BASELINE_METHOD = "supervised"
"""What another method is held against where none is named."""


def _as_text(value: Any) -> Any:
    """What YAML reads as a number."""
    return f"{value:g}" if isinstance(value, (int, float)) else value


Dims = Annotated[Literal["auto", "2", "2.5", "3"], BeforeValidator(_as_text)]
"""`2`, `2.5`, `3` or `auto`."""

NUM_FOLDS = 5
"""Of cross-validation, where nothing else is said."""

Share = Annotated[float, Field(ge=0, lt=1)]


class OptimizerSettings(Settings):
    """One optimiser; the learning rate decays as `lr * (1 - iter / max_iter) ** 0.9`."""

    name: Literal["sgd", "adam"]
    """`sgd` with `momentum`, or `adam` with `betas`."""
    lr: float = Field(gt=0, le=1e6)
    """Learning rate at iteration 0."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """For SGD."""
    betas: tuple[Share, Share] = (0.9, 0.99)
    """For Adam."""
    weight_decay: float = Field(1e-4, ge=0, le=1e6)
    """L2 penalty, on all parameters."""
    head_factor: float = Field(1.0, gt=0, le=1e6)
    """Factor on the learning rate of everything but the encoder; Hung et al. 2018: 10."""


class TrainConfig(Settings):
    """Everything that decides a training run.

    Example:
        >>> TrainConfig.parse({"data": "folder", "batch": 4}).batch
        4
    """

    data: Path = Field(json_schema_extra=PLACE)
    """Folder or list file."""
    method: str = DEFAULT_METHOD
    """Name of a training method, one of `ecs_med.methods.available_methods()`."""
    labeled: str = "all"
    """Labelled budget: `10%`, `1/8`, `0.1`, a count, `all`, or a split file."""
    draw: str = Field("random", min_length=1, max_length=100)
    """How the labelled cases are drawn: at `random`; with two of three among those that show
    `foreground`; `stratified` by classes and foreground size; or by a rule of `ecs-med suggest`
    (`coldstart`, `entropy`, `doubt`, `clasp`), which goes on from the run `draw_from`."""
    draw_from: Path | None = None
    """Finished run whose labelled cases are kept, and whose model is asked for the others by the
    rule that `draw` names; `None`: rules that need a model draw at random."""
    unit: Literal["case", "slice"] = "case"
    """What is labelled at a time: a `case` as a whole, or some slices of each labelled volume;
    `labeled` counts volumes either way."""
    slices_per_volume: int | None = Field(None, ge=1)
    """Labelled slices of each labelled volume, with `unit=slice`; `None`: all that are `given`."""
    slice_choice: Literal["even", "random", "content", "given"] = "even"
    """Which slices these are: `even`ly spaced; at `random`; two of three among those that show
    foreground (`content`); or `given` by a list, or by masks that are void elsewhere."""
    learn_unlabeled_slices: bool = True
    """Whether the other slices of these volumes are unlabelled images to methods that learn from
    such; they cost nobody a minute and lie beside labelled ones."""
    learn_unlabeled_pixels: bool = True
    """Whether these methods learn from the pixels of labelled images that nobody has annotated
    (`unlabeled_values`) as from unlabelled images; of a scribbled image they are nearly all."""
    exclude: Path | None = None
    """File of cases whose masks are used for nothing: `decisions.json` of an audit, or the ids in a
    `.txt` or `.csv` file. Such a case is unlabelled; one that would be validated or tested on is
    left out."""
    fold: int | None = Field(None, ge=0, lt=1000)
    """Which of `folds` is tested on, from 0, in cross-validation: every case that has a mask is in
    one of them; `None`: test cases are those of the data set, or drawn by the seed."""
    folds: int | None = Field(None, ge=2, le=1000)
    """How many parts take turns as test cases, where `fold` is given; `None`: 5."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Draws the labelled subset, the order, the crops and the initial weights."""
    run: Path | None = Field(None, json_schema_extra=PLACE)
    """Run folder; `None`: `runs/<data>-<method>-<labeled>-s<seed>`."""
    iterations: int | None = Field(None, ge=1, le=10**8)
    """Training iterations; `None`: 1,000 on CPU, 10,000 on a GPU."""
    batch: int | None = Field(None, ge=2, le=2**12)
    """Labelled images per iteration, and as many unlabelled ones; `None`: 8, in 3-D 2."""
    crop: int | None = Field(None, ge=32, le=MAX_CROP)
    """Side of the square training crop in pixels; `None`: fits the images, at most 512. In 3-D the
    longest side of a patch in voxels; `None`: 48 on CPU, 96 on a GPU."""
    patch: tuple[int, int, int] | None = None
    """Slices, height and width of the training patch in 3-D; `None`: `crop`, and no more than
    volumes have."""
    max_size: int | None = Field(None, ge=0, le=MAX_SIDE)
    """Longer side, in pixels, to which larger images are brought down first; 0: never; `None`: 128
    on CPU and 1,024 on a GPU. Scores are always taken on the original grid."""
    min_size: int | None = Field(None, ge=0, le=MAX_CROP)
    """Longer side, in pixels, to which smaller images are brought up first, since the decoder works
    at a quarter of the resolution; 0: never; `None`: 128, or `max_size` where that is less."""
    field_of_view: Literal["off", "auto"] = "off"
    """`auto`: of pictures, what lies outside an endoscope's field (black border, writing) is left
    out of labelled losses and scores, and is never predicted as foreground; `off`: nothing is."""
    orientation: Orientation = "RAS"
    """Along which axes volumes are sliced: `RAS`, those of the body, or as they are `stored`, which
    is for affines that are wrong."""
    plane: Literal["auto", "sagittal", "coronal", "axial"] = "auto"
    """In which volumes are sliced; `auto`: across the axis of clearly coarsest spacing, else in the
    `usual_plane`."""
    usual_plane: Plane | None = None
    """Plane in which volumes are sliced whose voxels are not clearly coarser along one axis;
    `None`: that of the data set, see `ecs_med.data.planes`."""
    spacing: Spacing = "auto"
    """Side of the pixels to which slices of volumes are resampled before `max_size` and `min_size`
    are applied, in mm; `none`: pixels stay as they are; `auto`: see `ecs_med.data.spacing`."""
    slice_spacing: Spacing = "auto"
    """Distance of slices to which volumes are resampled in 3-D, in mm; `none`: it stays as it is;
    `auto`: the median, where distances differ much, see `ecs_med.data.spacing`."""
    dims: Dims | None = None
    """How volumes are segmented: `2` slice by slice, `2.5` slices with their neighbours, `3` as
    patches of volumes, `auto`: by size and spacing, see `ecs_med.training.dimensions`; `None`: as
    `network` and `context` say."""
    context: int = Field(0, ge=0, le=8)
    """Neighbours of a slice of a volume, on either side, that are further channels of it."""
    network: str = "auto"
    """Architecture of the segmenter, one of `ecs_med.networks.NETWORKS`; `auto`: deeplabv3plus, and
    in 3-D unet3d on a CPU and dynunet on a GPU."""
    network_settings: dict[str, Any] = Field(default_factory=dict)
    """What the network can be told, by name, such as its `output_stride`."""
    start_from: Path | None = None
    """Finished run whose segmenter (and corrector, where both have one) this run begins with; what
    is left open here (encoders, network, sizes of images) is taken from it. Methods that train
    nothing but a corrector need it."""
    encoder: str = "auto"
    """Segmenter's encoder, any name of segmentation-models-pytorch or timm, where the network takes
    one."""
    corrector_encoder: str = "auto"
    """Corrector's encoder; `auto`: resnet34 for a resnet50, else the segmenter's."""
    encoder_weights: str = "auto"
    """`imagenet`, `none`, or a file; `auto`: ImageNet weights that are on this machine."""
    corrector_output_stride: Literal[8, 16] = 16
    """Stride of the corrector's encoder; the corrector is DeepLabv3+ whatever the segmenter is."""
    frozen_norm: bool = False
    """Leave scale and shift of the segmenter encoder's batch normalization as they were loaded, as
    Hung et al. 2018 do; its running statistics go on."""
    freeze_encoder: bool = False
    """Leave the segmenter's encoder as it begins: its weights and the statistics of its batch
    normalization stay, and it costs no backward pass. Other segmenters that a method adds (teacher,
    second network) are frozen alike; the corrector's encoder learns, since gradients pass it."""
    device: str = Field("auto", json_schema_extra=MACHINE)
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", json_schema_extra=MACHINE)
    """Autocast precision; `auto`: bf16 on a GPU that has it."""
    compile: bool = Field(False, json_schema_extra=MACHINE)
    """Have PyTorch compile the networks for training, which takes a minute or more before the first
    step; on a CPU steps take longer then. What cannot be compiled is said, and runs as it is."""
    keep: Literal["best", "last"] = "best"
    """Which model is kept: the best on `validation`, or the `last`, as published protocols do; with
    `last`, a data set without test cases is tested on all of its validation cases."""
    score_last: bool = False
    """Whether the last model is scored beside the chosen one, on all validation and test cases."""
    tile: int | None = Field(None, ge=32, le=MAX_SIDE)
    """Slices with a longer side are segmented in overlapping tiles of this side, in pixels; `None`:
    1,024, or `crop` where that is more."""
    evaluate_every: int | None = Field(None, ge=1)
    """Iterations between validations and checkpoints; `None`: a tenth of all, or more where scoring
    would cost more than the training."""
    validation_cases: int | None = Field(None, ge=1)
    """Validation cases that are scored in between; the chosen model is scored on all of them.
    `None`: all, or fewer where `evaluate_every` is left open too and scoring would cost more than
    the training."""
    workers: int | None = Field(None, ge=0, le=1024, json_schema_extra=PLACE)
    """Processes that prepare batches; 0: the training process itself; `None`: that on a CPU, and on
    a GPU as many as cores and shared memory allow, 8 at most. Batches are the same."""
    cache: Path | None = Field(None, json_schema_extra=PLACE)
    """Folder of prepared images; `None`: the user's cache folder."""
    tensorboard: bool = Field(False, json_schema_extra=PLACE)
    """Write TensorBoard event files into the run folder."""
    method_settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Numbers of methods, a section a method; a run uses and keeps that of its own method."""
    optimizers: dict[str, OptimizerSettings] = Field(default_factory=dict)
    """By the name of the network that is moved (`segmenter`, `corrector`, ...); where one is left
    out, the method decides by the length of the run."""
    augmentation: AugmentationSettings = AugmentationSettings()
    """Random transforms."""
    reading: ReadingSettings = ReadingSettings()
    """How files are understood."""

    @model_validator(mode="after")
    def _check_unit(self) -> Self:
        if self.unit == "case":
            for name in ("slices_per_volume", "slice_choice"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"{name} is of labelled slices; set unit to slice, too")
        elif self.slices_per_volume is None and self.slice_choice != "given":
            raise ValueError("unit slice needs slices_per_volume: how many of each volume")
        return self

    @model_validator(mode="after")
    def _check_fold(self) -> Self:
        if self.fold is None and self.folds is not None:
            raise ValueError(f"folds {self.folds} needs fold: the one that is tested on, from 0")
        last = (self.folds or NUM_FOLDS) - 1
        if self.fold is not None and self.fold > last:
            raise ValueError(f"fold {self.fold} is not among folds 0 to {last}")
        return self

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a JSON or YAML file.

        Raises:
            SettingsError: If the file cannot be read or holds a wrong setting; names the file.
        """
        values = read_settings(path)
        try:
            return cls.parse(values)
        except SettingsError as error:
            raise SettingsError(f"{path}: {error}") from None
