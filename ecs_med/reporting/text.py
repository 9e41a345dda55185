"""Numbers as a reader expects them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = [
    "FORMS",
    "NOTHING",
    "budget_share",
    "capitalized",
    "count",
    "decimal",
    "duration",
    "flat",
    "minute",
    "percent",
    "plural",
    "points",
]

NOTHING = "–"  # noqa: RUF001 - an en dash stands for a value that is not there


def decimal(value: float | None, digits: int = 3) -> str:
    """A score such as `0.823`; a dash where there is none."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def points(difference: float | None, digits: int = 1) -> str:
    """A difference of scores (0..1) in points such as `+2.3`; a dash where there is none."""
    if difference is None:
        return NOTHING
    shown = f"{100 * difference:+.{digits}f}"
    return shown if float(shown) else f"{0:.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """A share such as `93.2 %`, never rounded up to a false 100 or down to a false 0."""
    if value is None:
        return NOTHING
    shown = f"{100 * value:.{digits}f}"
    smallest = 10**-digits
    if value < 1 and float(shown) >= 100:
        return f"> {100 - smallest:.{digits}f} %"
    if value > 0 and float(shown) == 0:
        return f"< {smallest:.{digits}f} %"
    return f"{shown} %"


def budget_share(value: float | None) -> str:
    """A labelled share as it is planned, such as `6.25 %`; a dash where there is none."""
    return NOTHING if value is None else f"{100 * value:.3g} %"


def count(value: float | None) -> str:
    """A number of things such as `12,345`; a dash where there is none."""
    return NOTHING if value is None else f"{round(value):,}"


def plural(value: float | None, singular: str) -> str:
    """`1 image`, `720 images`."""
    return f"{count(value)} {singular}{'' if value == 1 else 's'}"


def duration(seconds: float | None) -> str:
    """A time such as `45 s`, `5 min 12 s` or `3 h 04 min`."""
    if seconds is None:
        return NOTHING
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def minute(time: str) -> str:
    """An ISO 8601 time to the minute, such as `2026-01-31 09:05`."""
    return time[:16].replace("T", " ")


def capitalized(text: str) -> str:
    """The same with a capital first letter, the others as they are."""
    return text[:1].upper() + text[1:]


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


def _p_value(value: float | None) -> str:
    if value is None:
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return NOTHING if value is None else f"{round(value):+,}" if round(value) else "0"


FORMS: Mapping[str, Callable[[Any], str]] = {
    "text": lambda value: NOTHING if value is None else str(value),
    "count": count,
    "score": decimal,
    "sd": lambda value: decimal(value, 4),
    "points": points,
    "plain points": lambda value: NOTHING if value is None else f"{100 * value:.1f}",
    "fine points": lambda value: points(value, 2),
    "minutes": lambda value: NOTHING if value is None else f"{value:,.1f}",
    "share": percent,
    "budget share": budget_share,
    "p": _p_value,
    "signed": _signed,
    "hours": lambda value: NOTHING if value is None else f"{value:+,.1f}",
    "time": duration,
    "memory": lambda value: NOTHING if value is None else f"{count(value)} MB",
    "energy": lambda value: NOTHING if value is None else f"{value:,.1f} Wh",
}
"""How the values of a table are printed."""
