"""Cityscapes."""

from typing import Literal

from ecs_med.config import OptimizerSettings
from ecs_med_benchmarks.protocol import PAPER_OPTIMIZERS, Protocol

__all__ = ["Cityscapes"]


class Cityscapes(Protocol):
    """Cityscapes as in Mendel et al. 2020, sections 4.1 to 4.5.

    Layout: `leftImg8bit/` beside `gtFine/`, each with train (2,975 images of 2,048 x 1,024) and
    val (500); 34 label ids become 19 classes, the others are ignored. The validation images are
    scored whole at full resolution, at one scale, and choose nothing. Licence: non-commercial
    research, with a free account.

    Expected mIoU in percent, mean of ten seeds (Table 1): supervised 63.12 (0.79) at 1/8, 67.31
    (0.61) at 1/4, 71.22 (0.74) at 1/2, 74.76 (0.08) with all labels; ECS 67.38 (0.96), 70.70
    (0.68), 72.89 (0.54).
    """

    name: str = "cityscapes"
    """Cityscapes."""
    title: str = "Cityscapes"
    """Section 4.1."""
    is_published: bool = True
    """Tables 1 to 4."""
    budgets: tuple[str, ...] = ("1/8", "1/4", "1/2")
    """Section 4.4; 372, 744 and 1,488 labelled images."""
    crop: int = 768
    """Section 4.4."""
    tile: int | None = 2048
    """Full resolution in one piece, section 4.4."""
    min_size: int | None = 0
    """Never."""
    batch: int = 6
    """Section 4.4."""
    iterations: int = 15_000
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
    image_threshold: float = 0.7
    """Of s4GAN on Cityscapes (Mittal et al. 2019)."""
