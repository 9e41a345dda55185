"""Rows of tables: a method with the settings that set it apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ABLATION", "CORRECTORS", "DEEPLABV2", "ECS", "RIVALS", "SUPERVISED", "Variant"]


@dataclass(frozen=True, slots=True)
class Variant:
    """A method as a table names it.

    Attributes:
        key: Part of its run folders' names; equal keys are equal runs.
        label: In tables.
        method: Value of the setting `method`.
        published: As `published.csv` names it, or empty.
        published_table: Table there, where it is not that of the table that is printed.
        settings: Fields of `TrainConfig` that set it apart, laid over the protocol.
        published_settings: More of them, where the protocol is the paper's.
        remark: What a reader should know of it.
    """

    key: str
    label: str
    method: str
    published: str = ""
    published_table: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    published_settings: Mapping[str, Any] = field(default_factory=dict)
    remark: str = ""


SUPERVISED = Variant("supervised", "Supervised", "supervised", "supervised")
ECS = Variant("ecs", "ECS", "ecs", "ecs")


def _ablated(key: str, label: str, weight: float, loss: str, remark: str = "") -> Variant:
    own = {"correction_weight": weight, "unlabeled_loss": loss}
    return Variant(
        key,
        label,
        "ecs",
        f"ecs correction_weight={weight:g} unlabeled_loss={loss}",
        settings={"method_settings": {"ecs": own}},
        remark=remark,
    )


ABLATION = (
    Variant(
        "supervised",
        "λ = 0, no unlabelled loss",
        "supervised",
        "ecs correction_weight=0 unlabeled_loss=none",
        remark="Without both terms ECS trains the segmenter as supervised training does, to the "
        "last bit; the row is that run.",
    ),
    _ablated("ecs-no-judgement", "λ = 0, negated focal loss", 0, "negated_focal"),
    _ablated("ecs-no-unlabeled", "λ = 0.1, no unlabelled loss", 0.1, "none"),
    _ablated("ecs-plain", "λ = 0.1, cross-entropy", 0.1, "cross_entropy"),
    Variant(
        "ecs",
        "λ = 0.1, negated focal loss (ECS)",
        "ecs",
        "ecs correction_weight=0.1 unlabeled_loss=negated_focal",
    ),
)
"""Table 2: the corrector's judgement in the supervised loss, and the loss on unlabelled images."""

_ADVERSARIAL = Variant("advsemiseg", "AdvSemiSeg [14]", "advsemiseg", "advsemiseg")
_OVERPOWERING = Variant(
    "advsemiseg-deeplab",
    "AdvSemiSeg [14], DeepLabv3+ as discriminator",
    "advsemiseg",
    "advsemiseg discriminator=deeplabv3plus",
    "section 4.7",
    {"method_settings": {"advsemiseg": {"discriminator": "deeplabv3plus"}}},
)
_S4GAN = Variant(
    "s4gan", "s4GAN [23]", "s4gan", "s4gan", remark="The paper has s4GAN in Table 4 only."
)

RIVALS = (SUPERVISED, _ADVERSARIAL, _OVERPOWERING, _S4GAN, ECS)
"""Table 3 and section 4.7: the same DeepLabv3+ for all."""


def _deeplabv2(variant: Variant) -> Variant:
    return Variant(
        f"deeplabv2-{variant.key}",
        variant.label,
        variant.method,
        variant.published,
        settings={
            **variant.settings,
            "network": "deeplabv2",
            "network_settings": {"output_stride": 8},
        },
        published_settings={"encoder": "resnet101"},
    )


DEEPLABV2 = (
    _deeplabv2(SUPERVISED),
    _deeplabv2(_ADVERSARIAL),
    _deeplabv2(_S4GAN),
    _deeplabv2(Variant("s4gan+mlmt", "s4GAN + MLMT [23]", "s4gan+mlmt", "s4gan+mlmt")),
    _deeplabv2(ECS),
)
"""Table 4: DeepLabv2 at output stride 8, on a ResNet-101 as in [14] and [23], with DeepLabv3+ as
corrector. All of ours are trained by the protocol; the published rivals were by their authors' own
settings."""


def _corrector(key: str, loss: str, weight: float) -> Variant:
    settings = {"corrector_loss": loss, "class_weight": weight}
    return Variant(
        key,
        f"{loss}, weight {weight:g}",
        "corrector",
        settings={"method_settings": {"corrector": settings}},
    )


CORRECTORS = (
    _corrector("corrector-ce-1", "cross_entropy", 1.0),
    _corrector("corrector-ce-2", "cross_entropy", 2.0),
    _corrector("corrector-focal-1", "focal", 1.0),
    _corrector("corrector-focal-2", "focal", 2.0),
)
"""Figure 3: the corrector alone on the segmenter of a finished supervised run, four losses."""
