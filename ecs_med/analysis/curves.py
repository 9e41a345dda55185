"""Learning curves of three families, fitted to many sets of scores at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAMILIES", "Family", "FittedCurves", "fit_curves"]

Floats = NDArray[np.float64]

NUM_GRID = 48
NUM_REFINEMENTS = 26
GOLDEN = (5**0.5 - 1) / 2


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
    """

    name: str
    basis: Callable[[Floats, Floats], Floats]
    inverse: Callable[[Floats, Floats], Floats]
    shapes: Callable[[float], Floats]
    ceiling: float


@dataclass(frozen=True, slots=True, eq=False)
class FittedCurves:
    """R curves of one family, each fitted to a set of scores of its own.

    Attributes:
        family: The family.
        reference: Number of labels that is scaled to 1.
        level: `(R,)`, the asymptote, or the score at `reference` for the logarithmic family.
        gain: `(R,)`, at least 0.
        shape: `(R,)`, the nonlinear parameter.
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


def fit_curves(
    family: Family,
    num_labeled: Floats,
    scores: Floats,
    weights: Floats,
    *,
    refined: bool = True,
) -> FittedCurves:
    """Fit curves of a family by weighted least squares.

    For a fixed shape the curve is linear in level and gain, so those two are solved exactly
    (variable projection) on a grid of shapes, for all sets of scores at once; the best
    grid point is then refined by golden-section search between its neighbours.

    Args:
        family: The family.
        num_labeled: `(B,)` rising numbers of labels, at least 2.
        scores: `(R, B)`, a set of scores a row.
        weights: `(B,)`, positive, for example the number of runs behind each score.
        refined: Whether the shape is refined beyond the grid, which moves predictions by little.

    Returns:
        R curves. `level` stays at or below the family's ceiling and `gain` at or above 0, so scores
        that fall with labels give a flat curve.

    Example:
        >>> import numpy as np
        >>> labels = np.array([50.0, 100.0, 200.0, 400.0])
        >>> scores = 0.9 - 2.0 * labels ** -0.5
        >>> fitted = fit_curves(FAMILIES[0], labels, scores[None], np.ones(4))
        >>> round(float(fitted.level[0]), 4), round(float(fitted.shape[0]), 4)
        (0.9, 0.5)

    Source:
        Golub and Pereyra, The differentiation of pseudo-inverses and nonlinear least squares
        problems whose variables separate, 1973.
    """
    reference = float(num_labeled[-1])
    scaled, share = num_labeled / reference, weights / weights.sum()
    shapes = family.shapes(float(scaled[0]))
    grid = family.basis(scaled, shapes[:, None])
    best = np.argmin(_solve("gb,rb->rg", grid, scores, share, family.ceiling)[2], axis=1)
    shape = shapes[best]
    if shapes.size > 1 and refined:
        low, high = shapes[np.maximum(best - 1, 0)], shapes[np.minimum(best + 1, shapes.size - 1)]
        shape = _refine(family, scaled, scores, share, np.log(low), np.log(high))
    basis = family.basis(scaled, shape[:, None])
    level, gain, _ = _solve("rb,rb->r", basis, scores, share, family.ceiling)
    return FittedCurves(family, reference, level, gain, shape)


def _solve(
    over_labels: str, basis: Floats, scores: Floats, share: Floats, ceiling: float
) -> tuple[Floats, Floats, Floats]:
    """Level, gain and squared error of the best curve, level and gain within their bounds.

    `over_labels` says in the notation of `np.einsum` which basis meets which scores: each grid
    point each set of scores, or row by row. All three results have the shape that it names.
    """
    middle, mean = basis @ share, scores @ share
    apart, rest = basis - middle[:, None], scores - mean[:, None]
    spread, variance = (apart * apart) @ share, (rest * rest) @ share
    product = np.einsum(over_labels, apart, rest * share)
    means, variances = mean, variance
    if product.ndim == 2:
        means, variances = mean[:, None], variance[:, None]
    gain = np.maximum(product, 0.0) / np.maximum(spread, 1e-300)
    gain = np.where(spread > 1e-24, gain, 0.0)
    level = means - gain * middle
    error = variances - gain * (2 * product - gain * spread)
    if np.any(level > ceiling):
        bound = _solve_at_ceiling(over_labels, basis, scores - ceiling, share)
        gain = np.where(level > ceiling, bound[0], gain)
        error = np.where(level > ceiling, bound[1], error)
        level = np.minimum(level, ceiling)
    return level, gain, error


def _solve_at_ceiling(
    over_labels: str, basis: Floats, below: Floats, share: Floats
) -> tuple[Floats, Floats]:
    """Gain and squared error with the level held at the ceiling, from scores less the ceiling."""
    product = np.einsum(over_labels, basis, below * share)
    size, total = (basis * basis) @ share, (below * below) @ share
    gain = np.maximum(product, 0.0) / np.maximum(size, 1e-300)
    totals = total[:, None] if product.ndim == 2 else total
    return gain, totals - gain * (2 * product - gain * size)


def _refine(
    family: Family, scaled: Floats, scores: Floats, share: Floats, low: Floats, high: Floats
) -> Floats:
    """Golden-section search for the best shape between two logarithms, for each row of scores."""

    def error(logarithm: Floats) -> Floats:
        basis = family.basis(scaled, np.exp(logarithm)[:, None])
        return _solve("rb,rb->r", basis, scores, share, family.ceiling)[2]

    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    error_left, error_right = error(left), error(right)
    for _ in range(NUM_REFINEMENTS):
        lower = error_left < error_right
        low, high = np.where(lower, low, left), np.where(lower, right, high)
        probe = np.where(lower, high - GOLDEN * (high - low), low + GOLDEN * (high - low))
        error_probe = error(probe)
        left, right = np.where(lower, probe, right), np.where(lower, left, probe)
        error_left, error_right = (
            np.where(lower, error_probe, error_right),
            np.where(lower, error_left, error_probe),
        )
    return np.exp((low + high) / 2)


def _power(scaled: Floats, shape: Floats) -> Floats:
    return -(scaled**-shape)


def _power_inverse(value: Floats, shape: Floats) -> Floats:
    return np.where(value < 0, np.abs(value) ** (-1 / shape), np.inf)


def _saturation(scaled: Floats, shape: Floats) -> Floats:
    return -np.exp(-scaled / shape)


def _saturation_inverse(value: Floats, shape: Floats) -> Floats:
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
        "inverse power law",
        _power,
        _power_inverse,
        lambda _: np.geomspace(0.01, 5.0, NUM_GRID),
        ceiling=1.0,
    ),
    # a - b exp(-n / c)
    Family(
        "exponential saturation",
        _saturation,
        _saturation_inverse,
        lambda smallest: np.geomspace(smallest / 5, 20.0, NUM_GRID),
        ceiling=1.0,
    ),
    # a + b log n
    Family(
        "logarithmic growth",
        _logarithm,
        _logarithm_inverse,
        lambda _: np.ones(1),
        ceiling=np.inf,
    ),
)
