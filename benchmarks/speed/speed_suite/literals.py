"""How each literal step is begun from the networks of a method, and what it is given.

UniMatch, its second version and bidirectional copy-paste are not among them: their literal steps
walk through single pixels, so that tests can hold the methods against them, and say nothing of
speed. The corrector alone has none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ecs_med.types import Batch
from literal_consistency import (
    Images,
    LiteralCps,
    LiteralFixMatch,
    LiteralMeanTeacher,
    LiteralSelfTraining,
)
from literal_ecs import LiteralEcs
from literal_rivals import LiteralAdvSemiSeg, LiteralMlmt, LiteralS4Gan
from literal_supervised import LiteralSupervised

__all__ = ["LITERALS", "Literal"]

Step = Callable[[], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Literal:
    """What a literal step is made of.

    Attributes:
        networks: By name, in training mode but for those that stay.
        optimizers: Over them, PyTorch's own.
        settings: Of the method.
        images: What a step sees, in the usual memory format.
        batch: The same as the method sees it.
        num_classes: N.
    """

    networks: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    settings: Any
    images: Images
    batch: Batch
    num_classes: int


def _supervised(of: Literal) -> Step:
    literal = LiteralSupervised(of.networks["segmenter"], of.optimizers["segmenter"])
    return lambda: literal.step(of.images.labeled, of.images.labels)


def _ecs(of: Literal) -> Step:
    literal = LiteralEcs(
        of.networks["segmenter"],
        of.networks["corrector"],
        of.num_classes,
        of.optimizers["segmenter"],
        of.optimizers["corrector"],
    )
    return lambda: literal.step(of.images.labeled, of.images.labels, of.images.weak)


def _fixmatch(of: Literal) -> Step:
    literal = LiteralFixMatch(
        of.networks["segmenter"],
        of.optimizers["segmenter"],
        ema=of.settings.ema,
        threshold=of.settings.threshold,
    )
    return lambda: literal.step(of.images)


def _mean_teacher(of: Literal) -> Step:
    literal = LiteralMeanTeacher(
        of.networks["segmenter"], of.optimizers["segmenter"], ema=of.settings.ema
    )
    return lambda: literal.step(of.images, 0.5)


def _cps(of: Literal) -> Step:
    names = ("segmenter", "second")
    literal = LiteralCps(*(of.networks[n] for n in names), *(of.optimizers[n] for n in names))
    known = torch.ones_like(of.images.labels, dtype=torch.bool)
    return lambda: literal.step(of.images, known)


def _self_training(of: Literal) -> Step:
    rate = of.optimizers["segmenter"].defaults["lr"]
    literal = LiteralSelfTraining(of.networks["segmenter"], rate)
    literal.begin_again()
    return lambda: literal.teach(of.images)


def _adversarial(of: Literal, cls: Callable[..., Any]) -> Any:
    names = ("segmenter", "discriminator")
    networks, optimizers = (of.networks[n] for n in names), (of.optimizers[n] for n in names)
    return cls(*networks, of.num_classes, *optimizers, threshold=of.settings.threshold)


def _advsemiseg(of: Literal) -> Step:
    literal, images = _adversarial(of, LiteralAdvSemiSeg), of.images
    return lambda: literal.step(
        images.labeled, images.labels, images.weak, images.valid, self_training=True
    )


def _s4gan(of: Literal) -> Step:
    literal, images = _adversarial(of, LiteralS4Gan), of.images
    return lambda: literal.step(images.labeled, images.labels, images.weak, images.valid)


def _mlmt(of: Literal) -> Step:
    gan, images = _s4gan(of), of.images
    classifier = of.networks["classifier"]
    literal = LiteralMlmt(
        classifier, of.num_classes, of.optimizers["classifier"], ema=of.settings.ema
    )
    return lambda: {**gan(), **literal.step(images.labeled, images.labels, images.weak)}


LITERALS: dict[str, Callable[[Literal], Step]] = {
    "advsemiseg": _advsemiseg,
    "cps": _cps,
    "ecs": _ecs,
    "fixmatch": _fixmatch,
    "mean-teacher": _mean_teacher,
    "s4gan": _s4gan,
    "s4gan+mlmt": _mlmt,
    "self-training": _self_training,
    "supervised": _supervised,
}
"""By name of the method."""
