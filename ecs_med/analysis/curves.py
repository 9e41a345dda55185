"""Learning curves of three families, many of each at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAMILIES", "Curves", "Family"]

Floats = NDArray[np.float64]

NUM_SHAPES = 240


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """A family of curves `level + gain * basis(n / reference, shape)`, with `gain >= 0`.

    Attributes:
        name: What it is called in a sentence.
        basis: Rising function of the scaled number of labels and the shape.
        inverse: The scaled number of labels at which the basis has a value; infinite where it
            never has.
        shapes: `(G,)` rising grid of the shape for the smallest scaled number of labels; a single
            value where the family has no shape.
        ceiling: Upper bound of `level`: a score cannot pass 1, so no asymptote can. Infinite for a
            family without asymptote.
        even: Share, 0 to 1, of the prior of the shape that is uniform in its logarithm; the rest is
            uniform in the share of the rise before the middle of the measured range.
    """

    name: str
    basis: Callable[[Floats, Floats], Floats]
    inverse: Callable[[Floats, Floats], Floats]
    shapes: Callable[[float], Floats]
    ceiling: float
    even: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """R curves of one family.

    Attributes:
        family: The family.
        reference: Number of labels that is scaled to 1.
        level: `(R,)`, the asymptote, or the score at `reference` for the logarithm.
        gain: `(R,)`, at least 0.
        shape: `(R,)`, the nonlinear parameter.

    Example:
        >>> level, gain, shape = np.array([0.9]), np.array([0.06]), np.array([0.5])
        >>> curve = Curves(FAMILIES[0], 400.0, level, gain, shape)
        >>> curve.score_at(1600.0), curve.labels_for(0.87)
        (array([0.87]), array([1600.]))
    """

    family: Family
    reference: float
    level: Floats
    gain: Floats
    shape: Floats

    def score_at(self, num_labeled: float) -> Floats:
        """`(R,)` scores at a number of labels, cut to 0..1."""
        scaled = np.full_like(self.level, num_labeled / self.reference)
        return np.clip(self.level + self.gain * self.family.basis(scaled, self.shape), 0.0, 1.0)

    def labels_for(self, score: float) -> Floats:
        """`(R,)` numbers of labels at which the curves reach a score; infinite where never.

        A flat curve that lies at or above the score reaches it at 0 labels.
        """
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            wanted = (score - self.level) / self.gain
            labels = self.reference * self.family.inverse(wanted, self.shape)
        flat = np.where(self.level >= score, 0.0, np.inf)
        return np.where(self.gain > 0, labels, flat)


def _power(scaled: Floats, shape: Floats) -> Floats:
    return -(scaled**-shape)


def _power_inverse(value: Floats, shape: Floats) -> Floats:
    return np.where(value < 0, np.abs(value) ** (-1 / shape), np.inf)


def _plateau(scaled: Floats, shape: Floats) -> Floats:
    return -np.exp(-scaled / shape)


def _plateau_inverse(value: Floats, shape: Floats) -> Floats:
    return np.where(value < 0, np.maximum(-shape * np.log(np.abs(value)), 0.0), np.inf)


def _logarithm(scaled: Floats, shape: Floats) -> Floats:
    return np.log(scaled) * np.ones_like(shape)


def _logarithm_inverse(value: Floats, shape: Floats) -> Floats:
    return np.exp(value) * np.ones_like(shape)


# Exponents seen in practice lie near 0.2 to 1. The grid of the exponential reaches from a curve
# that is flat after the first number of labels to one that is still a line at the last.
FAMILIES = (
    # a - b n^-c
    Family(
        "power law",
        _power,
        _power_inverse,
        lambda _: np.geomspace(0.01, 5.0, NUM_SHAPES),
        ceiling=1.0,
    ),
    # a - b exp(-n / c)
    Family(
        "exponential plateau",
        _plateau,
        _plateau_inverse,
        lambda smallest: np.geomspace(smallest / 5, 20.0, NUM_SHAPES),
        ceiling=1.0,
        # Curves that are nearly lines as far as was measured all rise alike there, but plateaus lie
        # far apart: without this most of them were thought too low.
        even=0.7,
    ),
    # a + b log n
    Family(
        "logarithm",
        _logarithm,
        _logarithm_inverse,
        lambda _: np.ones(1),
        ceiling=np.inf,
    ),
)
