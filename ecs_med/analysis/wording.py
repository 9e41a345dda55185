"""Labels in words: how many a wanted score needs, and what those saved mean in a clinic."""

from dataclasses import dataclass
from typing import Literal

from ecs_med.analysis.savings import LabelsSaved

__all__ = ["LabelsNeeded", "describe_savings", "labels_needed"]

NO_INTERVAL = "With so few seeds there is no interval, and this may be chance."
WHOLLY = "The 95 % interval lies wholly on that side."
UNKNOWN = "This is not certain: the 95 % interval takes in all that was measured."


@dataclass(frozen=True, slots=True)
class LabelsNeeded:
    """Number of labels at which the expected score reaches a wanted one.

    Attributes:
        estimate: The number; `None` where it lies below the measured numbers of labels or beyond
            the range of the forecast.
        lower: Lower end of the 95 % interval; `None` likewise.
        upper: Upper end; `None` where the data do not bound it.
        sentence: The same in words.
    """

    estimate: float | None
    lower: float | None
    upper: float | None
    sentence: str


def labels_needed(
    score: float, numbers: tuple[float, float, float], *, smallest: float, horizon: float
) -> LabelsNeeded:
    """Keep what lies within the range of a forecast, and put it into words.

    Args:
        score: The wanted score, in 0..1.
        numbers: Lower end, estimate and upper end, in labels, rising; infinite where the curve
            never reaches the score.
        smallest: Smallest measured number of labels.
        horizon: Largest number of labels that the forecast speaks of.

    Returns:
        The numbers within the range, the others `None`, and a sentence.

    Example:
        >>> labels_needed(0.8, (90, 120, float("inf")), smallest=50, horizon=800).sentence
        'A score of 0.80 needs about 120 labels (95 % interval 90 to more than 800).'
    """
    lower, estimate, upper = (
        float(number) if smallest <= number <= horizon else None for number in numbers
    )
    sentence = f"A score of {_figures(score)} {_describe(numbers, smallest, horizon)}."
    return LabelsNeeded(estimate, lower, upper, sentence)


def _describe(numbers: tuple[float, float, float], smallest: float, horizon: float) -> str:
    lower, estimate, upper = numbers
    beyond = f"{horizon:,.0f} labels, four times the largest number measured"
    if lower > horizon:
        return f"is not within reach of {beyond}"
    high = f"{upper:,.0f}" if upper <= horizon else f"more than {horizon:,.0f}"
    if estimate < smallest:
        more = f"; the upper end of the 95 % interval is {high}" if upper > smallest else ""
        return f"is expected with {smallest:,.0f} labels, the fewest measured{more}"
    low = f"{max(lower, smallest):,.0f}" + (" or fewer" if lower < smallest else "")
    if estimate > horizon:
        return f"probably needs more than {beyond}; the lower end of the 95 % interval is {low}"
    return f"needs about {estimate:,.0f} labels (95 % interval {low} to {high})"


def _figures(score: float) -> str:
    """Two decimals, or three where two would change the score."""
    return f"{score:.2f}" if abs(round(score, 2) - score) < 1e-9 else f"{score:.3f}"


def describe_savings(
    saved: LabelsSaved,
    unit: str = "image",
    minutes_per_label: float | None = None,
    cost_per_hour: float | None = None,
    *,
    method: str,
    against: str = "supervised training",
    currency: str = "",
) -> str:
    r"""Say what one number of labels is worth.

    Labels are rounded to whole ones first; hours are those labels times the minutes, divided by
    60, and money is those hours times the cost, so that a reader can check the sum.

    Args:
        saved: What was read off the curves.
        unit: What one label is given to, singular: `image`, `volume`, `case`.
        minutes_per_label: Minutes that an expert needs for one label; hours are left out without.
        cost_per_hour: Cost of an hour of the expert; money is left out without.
        method: What the other method is called.
        against: What is called that it is held against.
        currency: Name or sign of the currency, put behind the sum.

    Returns:
        One to three sentences. A saving whose interval reaches 0 is called uncertain, more labels
        than supervised training are called a cost, and beyond the measured labels only
        the bound is stated.

    Raises:
        ValueError: If minutes or cost are not positive, or there is a cost without minutes.

    Example:
        >>> found = LabelsSaved(50, 0.71, 170.0, None, 90.0, 260.0, 0.0)
        >>> said = describe_savings(
        ...     found, method="ECS", minutes_per_label=6, cost_per_hour=100, currency="EUR"
        ... )
        >>> print(said.replace(": ", ":\n").replace(". ", ".\n"))
        With 50 labelled images ECS is as good as supervised training with about 170:
        it saves about 120 images (12 hours, 1,200 EUR).
        The 95 % interval is 40 images saved to 210 images saved.
    """
    for name, value in (("minutes_per_label", minutes_per_label), ("cost_per_hour", cost_per_hour)):
        if value is not None and not value > 0:
            raise ValueError(f"{name} must be above 0, not {value}")
    if cost_per_hour is not None and minutes_per_label is None:
        raise ValueError("cost_per_hour needs minutes_per_label, since cost is counted by the hour")
    units = _Units(unit, minutes_per_label, cost_per_hour, currency, against)
    tell = _outside if saved.outside else _inside
    return f"With {units.count(saved.num_labeled, 'labelled ')} {method} is {tell(saved, units)}"


@dataclass(frozen=True, slots=True)
class _Units:
    unit: str
    minutes_per_label: float | None
    cost_per_hour: float | None
    currency: str
    against: str

    def count(self, labels: int, kind: str = "") -> str:
        return f"{labels:,} {kind}{self.unit}{'' if labels == 1 else 's'}"

    def amount(self, labels: int) -> str:
        """Labels with their hours and cost."""
        if self.minutes_per_label is None:
            return self.count(labels)
        hours = labels * self.minutes_per_label / 60
        parts = [_duration(hours)]
        if self.cost_per_hour is not None:
            parts.append(f"{_digits(hours * self.cost_per_hour, 2)} {self.currency}".rstrip())
        return f"{self.count(labels)} ({', '.join(parts)})"

    def end(self, labels: float, num_labeled: int) -> str:
        """One end of the interval, from the labels that supervised training needs."""
        difference = round(labels) - num_labeled
        if difference == 0:
            return "no difference"
        return f"{self.count(abs(difference))} {'saved' if difference > 0 else 'more'}"


def _duration(hours: float) -> str:
    if hours < 1:
        return f"{_digits(hours * 60, 0)} minutes"
    text = _digits(hours, 1)
    return f"{text} hour{'' if text == '1' else 's'}"


def _digits(value: float, decimals: int) -> str:
    """The value rounded to some decimals, without them where they are all 0."""
    text = f"{value:,.{decimals}f}"
    return (
        text.rstrip("0").removesuffix(".") if decimals and text.endswith("0" * decimals) else text
    )


def _inside(saved: LabelsSaved, units: _Units) -> str:
    assert saved.equal_labels is not None
    equal = round(saved.equal_labels)
    difference = equal - saved.num_labeled
    first = f"as good as {units.against} with "
    if difference > 0:
        first += f"about {equal:,}: it saves about {units.amount(difference)}."
    elif difference < 0:
        first = f"only {first}about {equal:,}: it costs about {units.amount(-difference)} more."
    else:
        first += "the same number: it saves no labels."
    if not saved.has_interval:
        return f"{first} {NO_INTERVAL}"
    ends = f"{_end(saved, units, saved.lower, 0)} to {_end(saved, units, saved.upper, 1)}"
    saves = saved.lower is not None and round(saved.lower) > saved.num_labeled
    costs = saved.upper is not None and round(saved.upper) < saved.num_labeled
    if saves or costs:
        return f"{first} The 95 % interval is {ends}."
    return f"{first} This is not certain: the 95 % interval reaches from {ends}."


def _end(saved: LabelsSaved, units: _Units, end: float | None, side: Literal[0, 1]) -> str:
    """The lower (0) or upper (1) end of the interval, or what the measured range says of it."""
    if end is not None:
        return units.end(end, saved.num_labeled)
    limit = saved.num_labeled if saved.measured is None else saved.measured[side]
    if limit > saved.num_labeled if side else limit < saved.num_labeled:
        return f"more than {units.end(limit, saved.num_labeled)}"
    return f"a {'saving' if side else 'loss'} that the measured range does not show"


def _outside(saved: LabelsSaved, units: _Units) -> str:
    """Only bounds: the score lies above or below all that supervised training was measured at."""
    is_above = saved.outside == "above"
    most = f"better than {units.against} with the most labels measured"
    fewest = f"worse than {units.against} with the fewest labels measured"
    told, difference = most if is_above else fewest, 0
    if saved.measured is not None:
        limit = saved.measured[1 if is_above else 0]
        difference = limit - saved.num_labeled if is_above else saved.num_labeled - limit
        told += f" ({limit:,})"
    if difference > 0:
        told += f": it {'saves' if is_above else 'costs'} more than {units.amount(difference)}."
    else:
        told += f"; how many labels {'it saves' if is_above else 'that costs'} cannot be read off."
    return f"{told} {_bound(saved, units, is_above)}"


def _bound(saved: LabelsSaved, units: _Units, is_above: bool) -> str:
    """The one end of the interval that counts, where the estimate lies outside."""
    if not saved.has_interval:
        return NO_INTERVAL
    end = saved.lower if is_above else saved.upper
    if end is None:
        is_wholly = saved.share_unbounded >= 0.975 if is_above else saved.share_unbounded == 0
        return WHOLLY if is_wholly else UNKNOWN
    difference = round(end) - saved.num_labeled
    is_certain = difference > 0 if is_above else difference < 0
    verb = "begins" if is_above else "ends"
    told = f"95 % interval {verb} at {units.end(end, saved.num_labeled)}."
    return f"The {told}" if is_certain else f"This is not certain: the {told}"
