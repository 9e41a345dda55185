"""The tables of the paper: methods with the settings that set them apart, at labelled budgets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from ecs_med.errors import SettingsError
from ecs_med.sweep.axes import ALL_LABELS
from ecs_med_benchmarks.protocol import Protocol

__all__ = [
    "CORRECTORS",
    "DEEPLABV2",
    "ECS",
    "RIVALS",
    "SUPERVISED",
    "TABLES",
    "TableSpec",
    "Variant",
    "numbered",
    "rows_of",
]


Spec = TypeVar("Spec")


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


_MLMT = Variant("s4gan+mlmt", "s4GAN + MLMT [23]", "s4gan+mlmt", "s4gan+mlmt")

DEEPLABV2 = tuple(map(_deeplabv2, (SUPERVISED, _ADVERSARIAL, _S4GAN, _MLMT, ECS)))
"""Table 4: DeepLabv2 at output stride 8, on a ResNet-101 as in [14] and [23], with DeepLabv3+ as
corrector. All of ours are trained by the protocol; the published rivals were by their authors' own
settings."""


CORRECTORS = tuple(
    Variant(
        f"corrector-{short}-{weight:g}",
        f"{loss}, weight {weight:g}",
        "corrector",
        settings={
            "method_settings": {"corrector": {"corrector_loss": loss, "class_weight": weight}}
        },
    )
    for short, loss in (("ce", "cross_entropy"), ("focal", "focal"))
    for weight in (1.0, 2.0)
)
"""Figure 3: the corrector alone on the segmenter of a finished supervised run, four losses."""


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One table.

    Attributes:
        number: In the paper.
        title: What it shows.
        variants: Its rows at every budget, in order; the last one is the paper's own method.
        budgets: Its budgets in the paper; `None`: those of the protocol.
        with_all_labels: Whether supervised training with all labels stands on top.
        per_class: Whether it shows IoU per class.
    """

    number: str
    title: str
    variants: tuple[Variant, ...]
    budgets: tuple[str, ...] | None = None
    with_all_labels: bool = False
    per_class: bool = False


TABLES = {
    spec.number: spec
    for spec in (
        TableSpec(
            "1",
            "Supervised training and ECS",
            (SUPERVISED, ECS),
            with_all_labels=True,
            per_class=True,
        ),
        TableSpec("2", "Ablation of the two terms of ECS", ABLATION, ("1/4",)),
        TableSpec("3", "Rivals with the same segmenter", RIVALS, ("1/8", "1/4")),
        TableSpec("4", "DeepLabv2 as segmenter", DEEPLABV2, ("1/8", "1/4")),
    )
}
"""Every table by its number."""


def numbered(specs: Mapping[str, Spec], number: str, what: Literal["table", "figure"]) -> Spec:
    """The table or figure of that number.

    Raises:
        SettingsError: If there is none.
    """
    if number not in specs:
        *first, last = specs
        raise SettingsError(
            f"`{what}={number}` does not exist; choose {', '.join(first)} or {last}."
        )
    return specs[number]


def rows_of(
    spec: TableSpec, protocol: Protocol, budgets: Sequence[str] | None = None
) -> list[tuple[Variant, str]]:
    """Variant and budget of every row, in the order of the table.

    Args:
        spec: The table.
        protocol: Whose budgets stand where the table names none.
        budgets: As the user asks for; `None`: the table's own. Training with all labels is among
            them only if asked for.

    Example:
        >>> from ecs_med_benchmarks.protocols import VOC
        >>> [(row.key, budget) for row, budget in rows_of(TABLES["1"], VOC)][:3]
        [('supervised', 'all'), ('supervised', '1/2'), ('ecs', '1/2')]
    """
    chosen = list(budgets or spec.budgets or reversed(protocol.budgets))
    rows = []
    if spec.with_all_labels and (budgets is None or ALL_LABELS in chosen):
        rows.append((SUPERVISED, ALL_LABELS))
    partial = [budget for budget in chosen if budget != ALL_LABELS]
    return rows + [(variant, budget) for budget in partial for variant in spec.variants]
