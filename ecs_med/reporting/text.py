"""Numbers as a reader expects them, and the words for things that a run only names by key."""

from collections.abc import Mapping, Sequence
from typing import Any

from ecs_med.reporting.run.history import number

__all__ = [
    "NOTHING",
    "count",
    "decimal",
    "duration",
    "flat",
    "label",
    "method_name",
    "percent",
    "plural",
]

NOTHING = "–"  # noqa: RUF001 - an en dash stands for a value that is not there

_METHODS = {
    "ecs": "Error-Correcting Supervision (ECS)",
    "supervised": "supervised training (labelled images only)",
    "advsemiseg": "AdvSemiSeg (Hung et al. 2018)",
    "s4gan": "s4GAN (Mittal et al. 2019)",
    "s4gan+mlmt": "s4GAN with MLMT, a multi-label mean teacher (Mittal et al. 2019)",
}
_LABELS = {
    "segmentation": "segmenter, labelled images",
    "correction": "corrector",
    "judgement": "judgement by the corrector",
    "pseudo": "pseudo-labels, unlabelled images",
    "adversarial": "judged as real, labelled images",
    "adversarial_unlabeled": "judged as real, unlabelled images",
    "self_training": "own labels, selected unlabelled images",
    "discrimination": "discriminator",
    "matching": "features of real and found",
    "presence": "classifier, labelled images",
    "consistency": "classifier and teacher, unlabelled images",
    "selected_share": "unlabelled data selected",
    "fooled_share": "segmentations taken for real",
    "recognized_share": "references taken for real",
    "presence_accuracy": "classes found or ruled out rightly",
}


def method_name(method: object) -> str:
    """A training method in words."""
    return _METHODS.get(str(method), str(method))


def label(key: str) -> str:
    """The name of a loss or a signal in words."""
    return _LABELS.get(key, key.replace("_", " "))


def decimal(value: object, digits: int = 3) -> str:
    """A score such as `0.823`; a dash where there is none."""
    finite = number(value)
    return NOTHING if finite is None else f"{finite:.{digits}f}"


def percent(value: object, digits: int = 1) -> str:
    """A share such as `93.2 %`, never rounded up to a false 100 or down to a false 0."""
    finite = number(value)
    if finite is None:
        return NOTHING
    shown = f"{100 * finite:.{digits}f}"
    smallest = 10**-digits
    if finite < 1 and float(shown) >= 100:
        return f"> {100 - smallest:.{digits}f} %"
    if finite > 0 and float(shown) == 0:
        return f"< {smallest:.{digits}f} %"
    return f"{shown} %"


def count(value: object) -> str:
    """A number of things such as `12,345`; a dash where there is none."""
    finite = number(value)
    return NOTHING if finite is None else f"{round(finite):,}"


def plural(value: object, singular: str) -> str:
    """`1 image`, `720 images`."""
    return f"{count(value)} {singular}{'' if number(value) == 1 else 's'}"


def duration(seconds: object) -> str:
    """A time such as `45 s`, `5 min 12 s` or `3 h 04 min`."""
    finite = number(seconds)
    if finite is None or finite < 0:
        return NOTHING
    whole = round(finite)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as `(dotted name, value)`, in their own order."""
    rows: list[tuple[str, str]] = []
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            rows += flat(value, f"{name}.")
        else:
            rows.append((name, _plain(value)))
    return rows


def _plain(value: object) -> str:
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return ", ".join(_plain(element) for element in value) or NOTHING
    return str(value)
