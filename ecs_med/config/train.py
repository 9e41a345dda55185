"""Settings of a training run: validated once, frozen, written whole into every run folder.

Fields that default to `None` or `"auto"` are resolved from the data and the
device before training starts (`ecs_med.training.resolve`); `config.json` of a
run holds the resolved values.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from ecs_med.config.base import MACHINE, PLACE, Settings, read_settings
from ecs_med.config.data import AugmentationSettings, ReadingSettings
from ecs_med.config.methods import (
    AdvSemiSegSettings,
    EcsSettings,
    MlmtSettings,
    OptimizerSettings,
    S4GanSettings,
)

__all__ = ["TrainConfig"]


class TrainConfig(Settings):
    """Everything that decides a training run."""

    data: Path = Field(json_schema_extra=PLACE)
    """Folder or list file."""
    method: str = "ecs"
    """Name of a training method, one of `ecs_med.methods.METHODS`."""
    labeled: str = "all"
    """Labelled budget: `10%`, `1/8`, `0.1`, a count, `all`, or a split file."""
    draw: Literal["random", "foreground", "stratified"] = "random"
    """How the labelled cases are drawn: at `random`; with two of three among those that show
    `foreground`; or `stratified` by classes and foreground size."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Draws the labelled subset, the order, the crops and the initial weights."""
    run: Path | None = Field(None, json_schema_extra=PLACE)
    """Run folder; `None`: `runs/<data>-<method>-<labeled>-s<seed>`."""
    iterations: int | None = Field(None, ge=1)
    """Training iterations; `None`: 1,000 on CPU, 10,000 on a GPU."""
    batch: int | None = Field(None, ge=2)
    """Labelled images per iteration, and as many unlabelled ones; `None`: 8."""
    crop: int | None = Field(None, ge=32)
    """Side of the square training crop in pixels; `None`: fits the images, at most 512."""
    max_size: int | None = Field(None, ge=0)
    """Longer side, in pixels, to which larger images are brought down first; 0: never; `None`: 128
    on CPU and 1,024 on a GPU. Scores are always taken on the original grid."""
    min_size: int | None = Field(None, ge=0)
    """Longer side, in pixels, to which smaller images are brought up first, since the decoder works
    at a quarter of the resolution; 0: never; `None`: 128, or `max_size` where that is less."""
    network: Literal["deeplabv3plus", "deeplabv2"] = "deeplabv3plus"
    """Architecture of the segmenter."""
    start_from: Path | None = None
    """Finished run whose segmenter (and corrector, where both have one) this run begins with; what
    is left open here (encoders, network, sizes of images) is taken from it. The method `corrector`
    needs it."""
    encoder: str = "auto"
    """Segmenter's encoder, any name of segmentation-models-pytorch or timm."""
    corrector_encoder: str = "auto"
    """Corrector's encoder; `auto`: resnet34 for a resnet50, else the segmenter's."""
    encoder_weights: str = "auto"
    """`imagenet`, `none`, or a file; `auto`: ImageNet weights that are on this machine."""
    output_stride: Literal[8, 16] = 16
    """Stride of the segmenter's encoder."""
    corrector_output_stride: Literal[8, 16] = 16
    """Stride of the corrector's encoder; the corrector is DeepLabv3+ whatever the segmenter is."""
    aspp_rates: tuple[int, ...] = Field((6, 12, 18, 24), min_length=1)
    """DeepLabv2: dilations of the convolutions whose sum gives the class logits; the public code of
    Hung et al. 2018 returns early and so uses `(6, 12)` only."""
    frozen_norm: bool = False
    """Leave scale and shift of the segmenter encoder's batch normalization as they were loaded, as
    Hung et al. 2018 do; its running statistics go on."""
    device: str = Field("auto", json_schema_extra=MACHINE)
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", json_schema_extra=MACHINE)
    """Autocast precision; `auto`: bf16 on a GPU that has it."""
    keep: Literal["best", "last"] = "best"
    """Which model is kept: the best on `validation`, or the `last`, as published protocols do; with
    `last`, a data set without test cases is tested on all of its validation cases."""
    tile: int | None = Field(None, ge=32)
    """Slices with a longer side are segmented in overlapping tiles of this side, in pixels; `None`:
    1,024, or `crop` where that is more."""
    evaluate_every: int | None = Field(None, ge=1)
    """Iterations between validations and checkpoints; `None`: a tenth of all."""
    workers: int = Field(0, ge=0, json_schema_extra=MACHINE)
    """Processes that prepare batches; 0: the training process itself."""
    cache: Path | None = Field(None, json_schema_extra=PLACE)
    """Folder of prepared images; `None`: the user's cache folder."""
    tensorboard: bool = Field(False, json_schema_extra=PLACE)
    """Write TensorBoard event files into the run folder."""
    segmenter_optimizer: OptimizerSettings | None = None
    """`None`: SGD at 0.01 (section 4.4) from 10,000 iterations on, Adam at 3e-4 in shorter runs."""
    corrector_optimizer: OptimizerSettings | None = None
    """`None`: Adam at 1e-4 (section 4.4) from 10,000 iterations on, at 1e-3 in shorter runs."""
    discriminator_optimizer: OptimizerSettings = OptimizerSettings(name="adam", lr=1e-4)
    """Of the rivals that have a discriminator."""
    classifier_optimizer: OptimizerSettings = OptimizerSettings(name="adam", lr=1e-4)
    """Of the multi-label classifier of `s4gan+mlmt`."""
    ecs: EcsSettings = EcsSettings()
    """Numbers of the methods `ecs` and `corrector`."""
    advsemiseg: AdvSemiSegSettings = AdvSemiSegSettings()
    """Numbers of the method `advsemiseg`."""
    s4gan: S4GanSettings = S4GanSettings()
    """Numbers of the methods `s4gan` and `s4gan+mlmt`."""
    mlmt: MlmtSettings = MlmtSettings()
    """Numbers of the method `s4gan+mlmt`."""
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
