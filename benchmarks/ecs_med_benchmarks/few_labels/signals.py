"""How well correctors know where segmenters are wrong, from what runs have recorded of it."""

from collections.abc import Mapping
from typing import Any

from ecs_med.records import Record

__all__ = ["WrongHere", "wrong_here"]


class WrongHere(Record):
    """Areas under the curve of "wrong here", 0..1; `None` where a run has recorded none."""

    validation: float | None = None
    """Of the corrector, on all pixels of validation cases."""
    validation_foreground: float | None = None
    """On their foreground pixels."""
    validation_confidence: float | None = None
    """Of the segmenter's own confidence, on all pixels of validation cases."""
    unlabeled_foreground: float | None = None
    """Of the corrector, on foreground pixels of unlabelled cases, whose masks training never sees.
    """


def wrong_here(
    corrector: Mapping[str, Any] | None, pseudo_labels: Mapping[str, Any] | None
) -> WrongHere | None:
    """Those of the chosen model; `None` for a method without a corrector.

    Args:
        corrector: Its scores on validation, as `metrics.json` has them.
        pseudo_labels: Their health, as `history.jsonl` has it.
    """
    if corrector is None:
        return None
    found = {
        "validation": _at(corrector, "all_pixels", "corrector"),
        "validation_foreground": _at(corrector, "foreground", "corrector"),
        "validation_confidence": _at(corrector, "all_pixels", "confidence"),
        "unlabeled_foreground": _at(pseudo_labels, "foreground", "corrector"),
    }
    return WrongHere(**found)


def _at(record: Mapping[str, Any] | None, pixels: str, detector: str) -> float | None:
    """The number in a record of this version or of one that has none."""
    value: Any = record
    for name in ("detection", pixels, detector, "auroc"):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, float) else None
