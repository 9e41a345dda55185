"""PASCAL VOC 2012 with SBD."""

from typing import Literal

from ecs_med.config import OptimizerSettings
from ecs_med_benchmarks.protocol import PAPER_OPTIMIZERS, Protocol

__all__ = ["Voc"]


class Voc(Protocol):
    """PASCAL VOC 2012 with SBD as in Mendel et al. 2020, sections 4.2 to 4.5.

    Layout: `VOCdevkit/VOC2012` beside `benchmark_RELEASE/dataset`; 10,582 training images (the
    union of VOC train and SBD without VOC's validation images), 1,449 validation images, 20
    classes and background, borders (255) ignored. The validation images are scored at full
    resolution, at one scale, and choose nothing. Images come from Flickr and are for research.

    Expected mIoU in percent, mean of ten seeds (Table 1): supervised 65.20 (0.86) at 1/8, 69.78
    (0.59) at 1/4, 73.42 (0.49) at 1/2, 76.29 (0.12) with all labels; ECS 70.22 (0.75), 72.60
    (0.44), 74.63 (0.19).
    """

    name: str = "voc"
    """PASCAL VOC 2012 with SBD."""
    title: str = "PASCAL VOC 2012 with SBD"
    """Section 4.2."""
    is_published: bool = True
    """Tables 1 to 4."""
    budgets: tuple[str, ...] = ("1/8", "1/4", "1/2")
    """Section 4.4; 1,322, 2,645 and 5,291 labelled images."""
    crop: int = 512
    """Section 4.4; zero-padded, images are 500 pixels wide or high."""
    min_size: int | None = 0
    """Never."""
    batch: int = 14
    """Section 4.4."""
    iterations: int = 22_000
    """Section 4.4."""
    encoder: str = "resnet50"
    """Section 4.3."""
    corrector_encoder: str = "resnet34"
    """Section 4.3."""
    encoder_weights: str = "imagenet"
    """Section 4.4: torchvision's."""
    keep: Literal["best", "last"] = "last"
    """The paper reports the validation set and names no other set to choose on."""
    optimizers: dict[str, OptimizerSettings] = PAPER_OPTIMIZERS
    """Section 4.4."""
