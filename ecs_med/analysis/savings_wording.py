"""What labels saved mean in a clinic: images, hours of an expert, money."""

from dataclasses import dataclass

from ecs_med.analysis.savings import LabelsSaved

__all__ = ["describe_savings"]

NO_INTERVAL = "With so few seeds there is no interval, and this may be chance."
WHOLLY = "The 95 % interval lies wholly on that side."
UNKNOWN = "This is not certain: the 95 % interval takes in all that was measured."


def describe_savings(
    saved: LabelsSaved,
    unit: str = "image",
    minutes_per_label: float | None = None,
    cost_per_hour: float | None = None,
    *,
    currency: str = "",
    method: str = "ECS",
) -> str:
    r"""Say what one number of labels is worth.

    Labels are rounded to whole ones first; hours are those labels times the minutes, divided by
    60, and money is those hours times the cost, so that a reader can check the sum.

    Args:
        saved: What was read off the curves.
        unit: What one label is given to, singular: `image`, `volume`, `case`.
        minutes_per_label: Minutes that an expert needs for one label; hours are left out without.
        cost_per_hour: Cost of an hour of the expert; money is left out without.
        currency: Name or sign of the currency, put behind the sum.
        method: What the better method is called.

    Returns:
        One to three sentences. A saving whose interval reaches 0 is called uncertain, more labels
        than supervised training are called a cost, and beyond the measured labels only
        the bound is stated.

    Raises:
        ValueError: If minutes or cost are not positive, or there is a cost without minutes.

    Example:
        >>> found = LabelsSaved(50, 0.71, 170.0, None, 90.0, 260.0, 0.0)
        >>> said = describe_savings(found, minutes_per_label=6, cost_per_hour=100, currency="EUR")
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
    units = _Units(unit, minutes_per_label, cost_per_hour, currency)
    start = f"With {units.labeled(saved.num_labeled)} {method} is "
    if saved.outside == "above":
        return start + _above(saved, units)
    if saved.outside == "below":
        return start + _below(saved, units)
    return start + _inside(saved, units)


@dataclass(frozen=True, slots=True)
class _Units:
    unit: str
    minutes_per_label: float | None
    cost_per_hour: float | None
    currency: str

    def count(self, labels: int) -> str:
        return f"{labels:,} {self.unit}{'' if labels == 1 else 's'}"

    def labeled(self, labels: int) -> str:
        return f"{labels:,} labelled {self.unit}{'' if labels == 1 else 's'}"

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
    if difference > 0:
        first = (
            f"as good as supervised training with about {equal:,}: it saves about "
            f"{units.amount(difference)}."
        )
    elif difference < 0:
        first = (
            f"only as good as supervised training with about {equal:,}: it costs about "
            f"{units.amount(-difference)} more."
        )
    else:
        first = "as good as supervised training with the same number: it saves no labels."
    if not saved.has_interval:
        return f"{first} {NO_INTERVAL}"
    ends = f"{_lower_end(saved, units)} to {_upper_end(saved, units)}"
    lowest = None if saved.lower is None else round(saved.lower) - saved.num_labeled
    highest = None if saved.upper is None else round(saved.upper) - saved.num_labeled
    if (lowest is not None and lowest > 0) or (highest is not None and highest < 0):
        return f"{first} The 95 % interval is {ends}."
    return f"{first} This is not certain: the 95 % interval reaches from {ends}."


def _lower_end(saved: LabelsSaved, units: _Units) -> str:
    if saved.lower is not None:
        return units.end(saved.lower, saved.num_labeled)
    if saved.measured is None or saved.measured[0] >= saved.num_labeled:
        return "a loss that the measured range does not show"
    return f"more than {units.end(saved.measured[0], saved.num_labeled)}"


def _upper_end(saved: LabelsSaved, units: _Units) -> str:
    if saved.upper is not None:
        return units.end(saved.upper, saved.num_labeled)
    if saved.measured is None or saved.measured[1] <= saved.num_labeled:
        return "a saving that the measured range does not show"
    return f"more than {units.end(saved.measured[1], saved.num_labeled)}"


def _above(saved: LabelsSaved, units: _Units) -> str:
    most = None if saved.measured is None else saved.measured[1]
    first = "better than supervised training with the most labels measured"
    first += "" if most is None else f" ({most:,})"
    if most is not None and most > saved.num_labeled:
        first += f": it saves more than {units.amount(most - saved.num_labeled)}."
    else:
        first += "; how many labels it saves cannot be read off."
    if not saved.has_interval:
        return f"{first} {NO_INTERVAL}"
    if saved.lower is not None:
        end = units.end(saved.lower, saved.num_labeled)
        if round(saved.lower) > saved.num_labeled:
            return f"{first} The 95 % interval begins at {end}."
        return f"{first} This is not certain: the 95 % interval begins at {end}."
    return f"{first} {WHOLLY if saved.share_unbounded >= 0.975 else UNKNOWN}"


def _below(saved: LabelsSaved, units: _Units) -> str:
    fewest = None if saved.measured is None else saved.measured[0]
    first = "worse than supervised training with the fewest labels measured"
    first += "" if fewest is None else f" ({fewest:,})"
    if fewest is not None and fewest < saved.num_labeled:
        first += f": it costs more than {units.amount(saved.num_labeled - fewest)}."
    else:
        first += "; how many labels that costs cannot be read off."
    if not saved.has_interval:
        return f"{first} {NO_INTERVAL}"
    if saved.upper is not None:
        end = units.end(saved.upper, saved.num_labeled)
        if round(saved.upper) < saved.num_labeled:
            return f"{first} The 95 % interval ends at {end}."
        return f"{first} This is not certain: the 95 % interval ends at {end}."
    return f"{first} {WHOLLY if saved.share_unbounded == 0 else UNKNOWN}"
