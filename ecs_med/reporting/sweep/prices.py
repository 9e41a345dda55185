"""What an expert's labels cost: minutes by form of annotation, and the price of an hour."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ecs_med.errors import SettingsError

__all__ = ["DRAFT", "LABEL", "Prices"]

LABEL = "label"
"""Form of a plain number of minutes: whatever the sweep counts as a label."""

DRAFT = "draft"
"""A model's draft that an expert corrects."""

_FORMS = {
    "outline": "outlines drawn from nothing",
    DRAFT: "corrected drafts",
    "slice": "outlined slices",
    "scribble": "scribbles",
}


@dataclass(frozen=True, slots=True)
class Prices:
    """What an expert's labels cost.

    Attributes:
        minutes: Minutes of an expert for one label by its form, above 0: `outline`, `draft`,
            `slice`, `scribble`, or `label` for that of the sweep; empty where nobody asked.
        cost_per_hour: Price of an expert's hour in any currency, above 0; needs minutes.

    Raises:
        SettingsError: If a number is not above 0, a form is not known, or a cost has no minutes.
    """

    minutes: Mapping[str, float] = field(default_factory=dict)
    cost_per_hour: float | None = None

    def __post_init__(self) -> None:
        for form, value in self.minutes.items():
            if form not in (*_FORMS, LABEL):
                raise SettingsError(
                    f"`minutes_per_label` has the form '{form}', which is none of "
                    f"{', '.join(_FORMS)}; write outline=6,draft=2, or a number."
                )
            _check("minutes_per_label", value)
        if self.cost_per_hour is not None:
            _check("cost_per_hour", self.cost_per_hour)
            if not self.minutes:
                raise SettingsError(
                    "`cost_per_hour` is counted by the hour; give `minutes_per_label` too."
                )

    @classmethod
    def read(
        cls, minutes: str | float | Mapping[str, float] | None, cost_per_hour: float | None = None
    ) -> "Prices":
        """Prices from what was typed: `6`, or `outline=6,draft=2,slice=1.5,scribble=0.5`.

        Raises:
            SettingsError: If that is neither a number nor pairs, a form occurs twice, and as for
                the class.
        """
        if minutes is None:
            return cls({}, cost_per_hour)
        if isinstance(minutes, Mapping):
            return cls(dict(minutes), cost_per_hour)
        if isinstance(minutes, str):
            return cls(_pairs(minutes), cost_per_hour)
        return cls({LABEL: float(minutes)}, cost_per_hour)

    def by_form(self, unit: str) -> dict[str, float]:
        """Minutes by form; a plain number is that of what the sweep labels."""
        own = self.form_of(unit)
        return {own if form == LABEL else form: value for form, value in self.minutes.items()}

    def minutes_per_label(self, unit: str) -> float | None:
        """Minutes for one label of the sweep; `None` where they are not known."""
        return self.by_form(unit).get(self.form_of(unit))

    @staticmethod
    def form_of(unit: str) -> str:
        """Form of the labels that a sweep counts in this unit."""
        return "slice" if unit == "slice" else "outline"

    @staticmethod
    def named(form: str, number: float) -> str:
        """`10 outlines drawn from nothing`: labels of a form in words."""
        said = f"{number:,.0f}" if number >= 10 else f"{number:.2g}"
        words = _FORMS[form]
        if said == "1":
            words = {"slice": "outlined slice", "outline": "outline drawn from nothing"}.get(
                form, words.removesuffix("s")
            )
        return f"{said} {words}"

    def hours(self, num_labels: int | None, unit: str) -> float | None:
        """Hours for labels; `None` where either is not known."""
        minutes = self.minutes_per_label(unit)
        return None if num_labels is None or minutes is None else num_labels * minutes / 60

    def cost(self, num_labels: int | None, unit: str) -> float | None:
        """Price of labels; `None` where either is not known."""
        hours = self.hours(num_labels, unit)
        return None if hours is None or self.cost_per_hour is None else hours * self.cost_per_hour


def _check(name: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise SettingsError(f"`{name}` {value:g} is not above 0; give a number above 0.")


def _pairs(text: str) -> dict[str, float]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    found: dict[str, float] = {}
    for part in parts or [text]:
        form, sign, number = (piece.strip() for piece in part.rpartition("="))
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if value != value or (not sign and len(parts) > 1):
            raise SettingsError(
                f"`minutes_per_label` cannot be '{text}'; write a number of minutes, or "
                "outline=6,draft=2,slice=1.5,scribble=0.5."
            )
        name = form if sign else LABEL
        if name in found:
            raise SettingsError(f"`minutes_per_label` names '{name}' twice; keep one of them.")
        found[name] = value
    return found
