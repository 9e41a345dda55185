"""Judges the pseudo-labels of a run, in sentences."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ecs_med.reporting.run.findings import chosen_iteration
from ecs_med.reporting.run.history import number
from ecs_med.reporting.run.reading import RunRecord, inner
from ecs_med.reporting.text import count, decimal, percent, plural

__all__ = ["Health", "examine_health"]

RIGHT_SHARE_LIMIT = 0.999
"""A corrector that finds more than this share right leaves pseudo-labels as they were."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the pseudo-labels of a run did.

    Attributes:
        rows: Validation rows that carry `pseudo_labels`; empty where the method has none.
        reading: What the figures say, in sentences; empty without rows.
        warnings: What is wrong, one sentence each.
    """

    rows: tuple[Mapping[str, Any], ...] = ()
    reading: str = ""
    warnings: tuple[str, ...] = ()


def examine_health(record: RunRecord) -> Health:
    """Judge the pseudo-labels at the chosen iteration, or at the last one logged before it."""
    rows = tuple(row for row in record.history.validation if inner(row, "pseudo_labels"))
    if not rows:
        return Health()
    chosen = chosen_iteration(record)
    until = [row for row in rows if chosen is None or row["iteration"] <= chosen] or [rows[0]]
    scores = inner(until[-1], "pseudo_labels")
    where = f"At iteration {count(until[-1]['iteration'])}"
    reading = f"{where}, {_activity(scores)} {_benefit(scores)}"
    warnings = []
    right, gain = number(scores.get("right_share")), _gain(scores)
    if right is not None and right > RIGHT_SHARE_LIMIT:
        warnings.append(
            f"{where}, the corrector found {percent(right, 2)} of the pixels right: it hardly "
            "corrects, and the pseudo-labels are the segmenter's own output."
        )
    if gain is not None and gain < 0:
        num_harmed = sum((_gain(inner(row, "pseudo_labels")) or 0) < 0 for row in rows)
        warnings.append(
            f"{where}, the corrections harm: the pseudo-labels score mIoU "
            f"{decimal(scores.get('miou'))}, the segmenter alone "
            f"{decimal(scores.get('segmenter_miou'))} (they harm in {num_harmed} of "
            f"{plural(len(rows), 'validation')})."
        )
    return Health(rows, reading, tuple(warnings))


def _activity(scores: Mapping[str, Any]) -> str:
    right, accuracy = number(scores.get("right_share")), number(scores.get("correction_accuracy"))
    if right is None:
        return "the share of pixels marked as wrong was not logged."
    cases = number(scores.get("num_cases"))
    where = f" of {plural(cases, 'unlabelled case')}" if cases else ""
    sentence = f"the corrector marked {percent(1 - right)} of the pixels{where} as wrong"
    if accuracy is not None:
        sentence += f" and mended {percent(accuracy)} of the segmenter's errors"
    return f"{sentence}."


def _benefit(scores: Mapping[str, Any]) -> str:
    gain = _gain(scores)
    if gain is None:
        return "There are no hidden masks to score the pseudo-labels against."
    effect = "help" if gain > 0 else "do not help"
    return (
        f"Against the hidden masks the pseudo-labels score mIoU {decimal(scores.get('miou'))}, the "
        f"segmenter alone {decimal(scores.get('segmenter_miou'))}: the corrections {effect} "
        f"({gain:+.3f})."
    )


def _gain(scores: Mapping[str, Any]) -> float | None:
    pseudo, segmenter = number(scores.get("miou")), number(scores.get("segmenter_miou"))
    return None if pseudo is None or segmenter is None else pseudo - segmenter
