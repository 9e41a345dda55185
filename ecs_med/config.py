"""Settings of a training run: validated once, frozen, written whole into every run folder.

Fields that default to `None` or `"auto"` are resolved from the data and the
device before training starts (`ecs_med.training.resolve`); `config.json` of a
run holds the resolved values.
"""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ecs_med.errors import SettingsError

__all__ = [
    "AugmentationSettings",
    "EcsSettings",
    "OptimizerSettings",
    "ReadingSettings",
    "Settings",
    "TrainConfig",
    "read_settings",
]


class Settings(BaseModel):
    """Base of all settings: keyword-only, frozen, unknown keys refused with the nearest known."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _name_the_nearest_key(cls, values: Any) -> Any:
        if isinstance(values, Mapping):
            for key in values:
                if key not in cls.model_fields:
                    near = difflib.get_close_matches(str(key), cls.model_fields, n=1)
                    hint = f"did you mean '{near[0]}'" if near else "see the documentation"
                    raise ValueError(f"unknown setting '{key}'; {hint}?")
        return values

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Validate `values`.

        Raises:
            SettingsError: One sentence that names the first wrong field and its value.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            message = first["msg"].removeprefix("Value error, ")
            got = (
                ""
                if not where or isinstance(first["input"], Mapping)
                else f" (got {first['input']!r})"
            )
            raise SettingsError(f"{where + ': ' if where else ''}{message}{got}.") from None


class ReadingSettings(Settings):
    """How files become cases, and stored values become classes and intensities."""

    layout: str = "auto"
    """Name of the layout, or `auto` to recognise it."""
    patient: str = "auto"
    """Where the patient of a case is known from: `none`, `folder` (the innermost one that is not
    part of the layout), `column` (of a list file), `regex:PATTERN` with one group searched in the
    path, or `auto` (the column where a list has one, else none)."""
    mask_values: tuple[int, ...] | None = None
    """Stored value of each class in order, such as `(0, 50, 100)`; `None` to understand it."""
    mask_threshold: int | None = Field(None, ge=1, le=255)
    """Two classes: stored values from here on are class 1; `None` to understand it."""
    mask_colors: tuple[tuple[int, int, int], ...] | None = None
    """RGB colour of each class in order, for colour-coded masks."""
    void_values: tuple[int, ...] | None = None
    """Stored values to ignore; `None`: 255 where the masks are label maps."""
    class_names: tuple[str, ...] | None = None
    """Names in class order, background first; `None`: from the data set, else numbered."""
    axis: Literal["auto", "0", "1", "2"] = "auto"
    """Array axis along which volumes are sliced; `auto`: the axis of coarsest spacing."""
    window: tuple[float, float] | None = None
    """CT window (lower, upper) in the units of the file (HU); `None`: percentiles."""
    percentiles: tuple[float, float] = (0.5, 99.5)
    """Percentiles of a volume's own intensities that become 0 and 1."""


class OptimizerSettings(Settings):
    """One optimiser; the learning rate decays as `lr * (1 - iter / max_iter) ** 0.9`."""

    name: Literal["sgd", "adam"]
    """`sgd` with `momentum`, or `adam` with `betas`."""
    lr: float = Field(gt=0)
    """Learning rate at iteration 0."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """For SGD."""
    betas: tuple[float, float] = (0.9, 0.99)
    """For Adam."""
    weight_decay: float = Field(1e-4, ge=0)
    """L2 penalty, on all parameters."""


class EcsSettings(Settings):
    """The numbers of Error-Correcting Supervision (Mendel et al. 2020, sections 3 and 4.4)."""

    correction_weight: float = Field(0.1, ge=0)
    """Lambda of eq. 3: weight of the corrector's judgement in the supervised loss."""
    gamma: float = Field(2.0, ge=0)
    """Focusing parameter of eq. 5."""
    class_weight: float = Field(2.0, gt=0)
    """Alpha of the N real classes in the corrector's loss; the class "right" has 1."""
    corrector_loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    """Loss of the corrector (section 4.6: no significant difference)."""
    unlabeled_loss: Literal["negated_focal", "cross_entropy", "none"] = "negated_focal"
    """Loss on pseudo-labels; the other two are Table 2's ablation."""


class AugmentationSettings(Settings):
    """Random transforms of training images; the default is the paper's crop and flip."""

    flip: bool = True
    """Mirror left and right with probability 1/2."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Range of the random zoom before cropping; `(0.5, 2.0)` is common."""
    jitter: float = Field(0.0, ge=0, le=1)
    """Strength of random brightness, contrast and, in RGB pictures, saturation."""

    @model_validator(mode="after")
    def _check_scale(self) -> Self:
        if not 0.1 <= self.scale[0] <= self.scale[1] <= 10:
            raise ValueError("scale must be two numbers, 0.1 <= lowest <= highest <= 10")
        return self


class TrainConfig(Settings):
    """Everything that decides a training run."""

    data: Path
    """Folder or list file."""
    method: str = "ecs"
    """Name of a training method: `ecs`, `supervised`."""
    labeled: str = "all"
    """Labelled budget: `10%`, `1/8`, `0.1`, a count, `all`, or a split file."""
    draw: Literal["random", "foreground", "stratified"] = "random"
    """How the labelled cases are drawn: at `random`; with two of three among those that show
    `foreground`; or `stratified` by classes and foreground size."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Draws the labelled subset, the order, the crops and the initial weights."""
    run: Path | None = None
    """Run folder; `None`: `runs/<data>-<method>-<labeled>-s<seed>`."""
    iterations: int | None = Field(None, ge=1)
    """Training iterations; `None`: 1,000 on CPU, 10,000 on a GPU."""
    batch: int | None = Field(None, ge=2)
    """Labelled images per iteration, and as many unlabelled ones; `None`: 8."""
    crop: int | None = Field(None, ge=32)
    """Side of the square training crop in pixels; `None`: fits the images, at most 512."""
    resize: int | None = Field(None, ge=0)
    """Longer side, in pixels, to which larger images are brought down first; 0: never; `None`: 128
    on CPU and 1,024 on a GPU. Scores are always taken on the original grid."""
    enlarge: int | None = Field(None, ge=0)
    """Longer side, in pixels, to which smaller images are brought up first, since the decoder works
    at a quarter of the resolution; 0: never; `None`: 128, or `resize` where that is less."""
    encoder: str = "auto"
    """Segmenter's encoder, any name of segmentation-models-pytorch or timm."""
    corrector_encoder: str = "auto"
    """Corrector's encoder; `auto`: resnet34 for a resnet50, else the segmenter's."""
    encoder_weights: str = "auto"
    """`imagenet`, `none`, or a file; `auto`: ImageNet weights that are on this machine."""
    output_stride: Literal[8, 16] = 16
    """Stride of the encoder's output."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Autocast precision; `auto`: bf16 on a GPU that has it."""
    evaluate_every: int | None = Field(None, ge=1)
    """Iterations between validations and checkpoints; `None`: a tenth of all."""
    workers: int = Field(0, ge=0)
    """Processes that prepare batches; 0: the training process itself."""
    cache: Path | None = None
    """Folder of prepared images; `None`: the user's cache folder."""
    tensorboard: bool = False
    """Write TensorBoard event files into the run folder."""
    segmenter_optimizer: OptimizerSettings | None = None
    """`None`: SGD at 0.01 (section 4.4) from 10,000 iterations on, Adam at 3e-4 in shorter runs."""
    corrector_optimizer: OptimizerSettings | None = None
    """`None`: Adam at 1e-4 (section 4.4) from 10,000 iterations on, at 1e-3 in shorter runs."""
    ecs: EcsSettings = EcsSettings()
    """Numbers of the method."""
    augmentation: AugmentationSettings = AugmentationSettings()
    """Random transforms."""
    reading: ReadingSettings = ReadingSettings()
    """How files are understood."""

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a JSON or YAML file.

        Raises:
            SettingsError: If the file cannot be read or holds a wrong setting.
        """
        return cls.parse(read_settings(path))


def read_settings(path: Path) -> dict[str, Any]:
    """The mapping in a JSON or YAML file, not yet validated.

    Raises:
        SettingsError: If the file cannot be read or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            values = json.loads(text)
        else:
            import yaml

            values = yaml.safe_load(text)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{path}: not readable as settings ({reason}).") from error
    if not isinstance(values, Mapping):
        raise SettingsError(f"{path}: expected a mapping of settings.")
    return dict(values)
