"""What a verdict says, in sentences for a person."""

from collections.abc import Sequence

from ecs_med.audit.verdict import Verdict

__all__ = ["KIND_TITLES", "place_words", "sentence"]

KIND_TITLES = {
    "missing": "missing object",
    "extra": "extra object",
    "shifted": "shifted",
    "swapped": "swapped with another image's mask",
    "class": "wrong class",
    "contour": "rough contour",
    "none": "no fault seen",
}
"""By kind of fault."""

_THIRDS = (1 / 3, 2 / 3)


def sentence(verdict: Verdict, class_names: Sequence[str], fits: str | None = None) -> str:
    """What seems to be wrong with a mask, with size, class and place.

    Args:
        verdict: What was kept of it.
        class_names: Background first.
        fits: Id of another case, as whose mask the given one is expected.
    """
    what = _object(class_names[verdict.index])
    given, expected = _share(verdict.given), _share(verdict.expected)
    where = place_words(verdict.center)
    if verdict.kind == "missing":
        text = f"{what} of {expected} is expected {where}, and none is drawn"
    elif verdict.kind == "extra":
        text = f"{what} of {given} is drawn {where}, and none is expected"
    elif verdict.kind == "class":
        other = _object(class_names[verdict.other])
        text = f"{what} of {given} is drawn {where}, and {_lower(other)} is expected there"
    elif verdict.kind == "shifted":
        text = f"{what} of {expected} is expected {where}, and one like it is drawn beside that"
    elif verdict.kind == "swapped":
        text = (
            f"{what} of {expected} is expected {where}, and what is drawn has another shape and "
            f"place ({given})"
        )
    elif verdict.kind == "contour":
        text = _contour(verdict, what, where)
    elif verdict.dice >= 0.9995:
        text = "The mask is as it is expected"
    else:
        text = f"The mask is about as it is expected, with a Dice of {verdict.dice:.2f}"
    if fits is not None:
        text += f"; the mask would fit {fits}"
    if verdict.layer is not None and verdict.kind != "none":
        text = f"Slice {verdict.layer}: {_lower(text)}"
    return f"{text}."


def place_words(center: tuple[float, float]) -> str:
    """Where in a picture a place lies, by thirds.

    Example:
        >>> place_words((0.1, 0.1)), place_words((0.5, 0.9)), place_words((0.5, 0.5))
        ('at the upper left', 'at the right', 'in the middle')
    """
    row, column = (sum(value > third for third in _THIRDS) for value in center)
    words = [("upper", "", "lower")[row], ("left", "", "right")[column]]
    named = " ".join(filter(None, words))
    if not named:
        return "in the middle"
    return f"at the {named}" if words[1] else f"at the {'top' if row == 0 else 'bottom'}"


def _contour(verdict: Verdict, what: str, where: str) -> str:
    given, expected = verdict.given, verdict.expected
    if given >= 1.25 * expected:
        how = f"too wide: {_share(given)}, where {_number(expected)} are expected"
    elif expected >= 1.25 * given:
        how = f"too narrow: {_share(given)}, where {_number(expected)} are expected"
    else:
        how = f"rough: as large as expected ({_share(given)}), but other than that"
    return f"{what} is drawn {where} with an outline that looks {how}"


def _object(name: str) -> str:
    if name.startswith("class "):
        return f"An object of {name}"
    return f"{'An' if name[:1].lower() in 'aeiou' else 'A'} {name}"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _number(share: float) -> str:
    percent = 100 * share
    return f"{percent:.1f} %" if percent >= 0.1 else "less than 0.1 %"


def _share(share: float) -> str:
    return f"{_number(share)} of the picture"
