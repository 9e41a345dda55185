"""Settings of training methods and of their optimisers."""

from typing import Literal

from pydantic import Field

from ecs_med.config.base import Settings

__all__ = [
    "AdvSemiSegSettings",
    "EcsSettings",
    "MlmtSettings",
    "OptimizerSettings",
    "S4GanSettings",
]


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
    head_factor: float = Field(1.0, gt=0)
    """Factor on the learning rate of everything but the encoder; Hung et al. 2018: 10."""


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


class AdvSemiSegSettings(Settings):
    """The numbers of AdvSemiSeg (Hung et al. 2018, as its authors' code sets them)."""

    discriminator: Literal["convolutional", "deeplabv3plus"] = "convolutional"
    """Five strided convolutions (Hung et al.), or DeepLabv3+ (Mendel et al. 2020, section 4.7)."""
    adversarial_weight: float = Field(0.01, ge=0)
    """Weight of the adversarial loss on labelled images."""
    adversarial_weight_unlabeled: float = Field(0.001, ge=0)
    """Weight of the adversarial loss on unlabelled images."""
    semi_weight: float = Field(0.1, ge=0)
    """Weight of the self-training loss on pixels that the discriminator takes for real."""
    threshold: float = Field(0.2, ge=0, le=1)
    """Lowest probability "real" at which a pixel is selected for self-training."""
    semi_start: float = Field(0.25, ge=0, le=1)
    """Share of the run after which self-training begins: 5,000 of 20,000 iterations."""


class S4GanSettings(Settings):
    """The numbers of s4GAN (Mittal et al. 2019)."""

    matching_weight: float = Field(0.1, ge=0)
    """Weight of the feature-matching loss."""
    self_training_weight: float = Field(1.0, ge=0)
    """Weight of the self-training loss on selected images."""
    threshold: float = Field(0.6, ge=0, le=1)
    """Probability "real" above which a whole image is selected; Cityscapes: 0.7."""


class MlmtSettings(Settings):
    """The numbers of MLMT, the multi-label mean teacher beside s4GAN (Mittal et al. 2019)."""

    ema: float = Field(0.999, ge=0, lt=1)
    """Decay of the teacher's moving average."""
    consistency_weight: float = Field(1.0, ge=0)
    """Weight of the cosine consistency between student and teacher on unlabelled images."""
    noise: float = Field(0.1, ge=0)
    """Standard deviation of the noise on the student's view, in units of normalised intensities."""
    presence: float = Field(0.2, ge=0, le=1)
    """A class whose probability by the teacher is below is switched off when predicting."""
