"""Labels needed for a wanted score, in numbers and in words."""

from dataclasses import dataclass

__all__ = ["LabelsNeeded", "labels_needed"]


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
    beyond = f"{horizon:.0f} labels, four times the largest number measured"
    if lower > horizon:
        return f"is not within reach of {beyond}"
    high = f"{upper:.0f}" if upper <= horizon else f"more than {horizon:.0f}"
    if estimate < smallest:
        known = f"is expected with {smallest:.0f} labels, the fewest measured"
        return (
            f"{known}; the upper end of the 95 % interval is {high}" if upper > smallest else known
        )
    low = f"{max(lower, smallest):.0f}" + (" or fewer" if lower < smallest else "")
    if estimate > horizon:
        return f"probably needs more than {beyond}; the lower end of the 95 % interval is {low}"
    return f"needs about {estimate:.0f} labels (95 % interval {low} to {high})"


def _figures(score: float) -> str:
    """Two decimals, or three where two would change the score."""
    return f"{score:.2f}" if abs(round(score, 2) - score) < 1e-9 else f"{score:.3f}"
