"""The tables of the paper, as grids of variants and budgets."""

from collections.abc import Sequence
from dataclasses import dataclass

from ecs_med.errors import SettingsError
from ecs_med.sweep.axes import ALL_LABELS
from ecs_med_benchmarks.protocol import Protocol
from ecs_med_benchmarks.variants import ABLATION, DEEPLABV2, ECS, RIVALS, SUPERVISED, Variant

__all__ = ["TABLES", "TableSpec", "rows_of", "table_numbered"]


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


def table_numbered(number: str) -> TableSpec:
    """The table of that number.

    Raises:
        SettingsError: If there is none.
    """
    if number not in TABLES:
        *first, last = TABLES
        raise SettingsError(
            f"`table={number}` does not exist; choose {', '.join(first)} or {last}."
        )
    return TABLES[number]


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
        >>> from ecs_med_benchmarks.protocols import Voc
        >>> [(row.key, budget) for row, budget in rows_of(TABLES["1"], Voc())][:3]
        [('supervised', 'all'), ('supervised', '1/2'), ('ecs', '1/2')]
    """
    chosen = list(budgets or spec.budgets or reversed(protocol.budgets))
    rows = []
    if spec.with_all_labels and (budgets is None or ALL_LABELS in chosen):
        rows.append((SUPERVISED, ALL_LABELS))
    partial = [budget for budget in chosen if budget != ALL_LABELS]
    return rows + [(variant, budget) for budget in partial for variant in spec.variants]
