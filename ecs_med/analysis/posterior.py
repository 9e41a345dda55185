"""Which learning curves a sweep leaves possible: draws from their posterior over three families."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecs_med.analysis.curves import FAMILIES, Curves, Family
from ecs_med.analysis.points import ScoreTable

__all__ = ["draw_curves"]

Floats = NDArray[np.float64]

# Share of the variance that the runs of a seed have in common.
SHARED = (np.arange(8) + 0.5) / 8
# The spread over seeds goes with labels ** -fall: not at all, or down to a quarter at 16 times.
FALLS = (0.0, 0.25, 0.5)
# Of the families in their order. With equal thirds, intervals missed plateaus a little more often
# than logarithms in simulations: a family without a shape gains by its simplicity.
PRIOR = (0.28, 0.50, 0.22)
# Squared, summed over runs: scores are not known better than to 1e-4, however well they agree.
ROUNDING = 1e-8
# Likelihoods are taken to the power 1 / TEMPER in weights, since no true curve is of a family: a
# family that is a little worse is kept a little longer.
TEMPER = 1.25
MAX_ROUNDS = 30


@dataclass(frozen=True, slots=True, eq=False)
class _Models:
    """All combinations of shape, shared and falling variance of a family, in H x K x G order.

    Attributes:
        log_weight: `(M,)`, log of prior times marginal likelihood.
        center: `(M, 2)`, best scores at the smallest and the largest number of labels.
        root: `(M, 2, 2)`, lower Cholesky factor of the covariance of these, per unit of variance.
        residual: `(M,)`, weighted sum of squared residuals.
        shape: `(M,)`.
    """

    log_weight: Floats
    center: Floats
    root: Floats
    residual: Floats
    shape: Floats


def draw_curves(table: ScoreTable, num_draws: int, seed: int) -> tuple[Curves, ...]:
    """Draw learning curves that another sweep might have followed.

    A run scores `curve(n) + g(n) (u_seed + e)`, with u common to the runs of a seed and e its own,
    both normal; g falls with the labels or not. Everything unknown has a prior, and the data weigh
    it: the family, its shape, the scores at both ends of the measured range, the share of u in the
    variance, the fall of g, and the variance itself. The two scores and the variance are integrated
    exactly (their posterior is a Student's t of as many degrees of freedom as runs less two), the
    others summed over a grid. Curves that fall, begin below 0 or have an asymptote above 1 are
    drawn again, which is the posterior within those bounds.

    Priors: families as `PRIOR`, evidence for what is summed tempered by `TEMPER`. Scores at both
    ends uniform, and shapes such that the share of the rise that lies before the middle of the
    measured range (of log labels) is uniform over what the family can do: both mean the same in
    every family, so that these can be weighed against each other (of the plateau a part is uniform
    in the logarithm of its shape). Share of u uniform; variance uniform in its logarithm.

    Args:
        table: Scores, with at least three numbers of labels and four runs.
        num_draws: Number of curves, over all families.
        seed: Seed of the draws.

    Returns:
        Curves by family, in the order of `FAMILIES`; a family of no weight has none.

    Source:
        O'Hagan and Forster, Bayesian Inference, 2004, chapter 11 (linear model with unknown
        variance); Hoeting et al., Bayesian model averaging: a tutorial, 1999.
    """
    generator = np.random.default_rng(seed)
    models = [_weigh(family, prior, table) for family, prior in zip(FAMILIES, PRIOR, strict=True)]
    kept: list[Floats] = []
    missing = num_draws
    for _ in range(MAX_ROUNDS):
        found = _draw(models, table, num_draws, generator)[:, :missing]
        kept.append(found)
        missing -= found.shape[1]
        if missing <= 0:
            break
    family, *rest = np.concatenate(kept, axis=1)
    return tuple(
        Curves(each, float(table.num_labeled[-1]), *(part[family == place] for part in rest))
        for place, each in enumerate(FAMILIES)
    )


def _weigh(family: Family, prior: float, table: ScoreTable) -> _Models:
    scaled = table.num_labeled / table.num_labeled[-1]
    shapes = family.shapes(float(scaled[0]))
    risen = _risen(family, scaled, shapes)
    log_prior = np.log(prior) + np.log(_shape_prior(family, scaled, shapes))
    runs = ~np.isnan(table.scores)
    parts = [_solve(risen, table.scores, runs, scaled**-fall) for fall in FALLS]
    evidence, center, root, residual = (np.concatenate(part) for part in zip(*parts, strict=True))
    repeats = len(FALLS) * len(SHARED)
    log_weight = evidence / TEMPER + np.tile(log_prior, repeats)
    return _Models(log_weight, center, root, residual, np.tile(shapes, repeats))


def _risen(family: Family, scaled: Floats, shapes: Floats) -> Floats:
    """`(G, B)` share of the rise between the ends of the measured range, 0 to 1."""
    basis = family.basis(scaled, shapes[:, None])
    return (basis - basis[:, :1]) / (basis[:, -1:] - basis[:, :1])


def _shape_prior(family: Family, scaled: Floats, shapes: Floats) -> Floats:
    if shapes.size == 1:
        return np.ones(1)
    middle = np.array([scaled[0], np.sqrt(scaled[0] * scaled[-1]), scaled[-1]])
    density = np.abs(np.gradient(_risen(family, middle, shapes)[:, 1]))
    return np.asarray((1 - family.even) * density / density.sum() + family.even / shapes.size)


def _solve(
    risen: Floats, scores: Floats, runs: NDArray[np.bool_], spread: Floats
) -> Sequence[Floats]:
    """Log marginal likelihood, center, root and residual of each shared share and shape."""
    weight = runs / spread  # (S, B)
    design = np.stack([1 - risen, risen], axis=2)  # (G, B, 2)
    values = np.where(runs, scores, 0.0) / spread
    # With lambda = shared / (1 - shared), (1 + lambda 11')^-1 = 1 - lambda / (1 + lambda n) 11'.
    ratio = SHARED[:, None] / (1 - SHARED[:, None])
    num = runs.sum(axis=1)
    taken = ratio / (1 + ratio * num)  # (K, S)
    sums, total = np.einsum("sb,gbi->sgi", weight, design), values.sum(axis=1)
    square = np.einsum("b,gbi,gbj->gij", (weight**2).sum(axis=0), design, design)
    normal = square - np.einsum("ks,sgi,sgj->kgij", taken, sums, sums)
    right = np.einsum("b,gbi->gi", (weight * values).sum(axis=0), design) - np.einsum(
        "ks,sgi,s->kgi", taken, sums, total
    )
    whole = (values**2).sum() - taken @ total**2
    covariance = np.linalg.inv(normal)
    center = np.einsum("kgij,kgj->kgi", covariance, right)
    residual = np.maximum(whole[:, None] - (right * center).sum(axis=2), 0.0) + ROUNDING
    log_det = np.log1p(ratio * num).sum(axis=1)[:, None] + 2 * (runs * np.log(spread)).sum()
    freedom = num.sum() - 2
    root = np.linalg.cholesky(covariance)
    log_volume = np.log(root[..., 0, 0] * root[..., 1, 1])
    log_likelihood = log_volume - 0.5 * (log_det + freedom * np.log(residual))
    return [part.reshape(-1, *part.shape[2:]) for part in (log_likelihood, center, root, residual)]


def _draw(
    models: Sequence[_Models], table: ScoreTable, number: int, generator: np.random.Generator
) -> Floats:
    """`(4, <= number)`: family, level, gain and shape of the curves within the bounds."""
    log_weight = np.concatenate([model.log_weight for model in models])
    heights = np.cumsum(np.exp(log_weight - log_weight.max()))
    strata = (np.arange(number) + generator.random(number)) / number
    chosen = generator.permutation(np.searchsorted(heights, strata * heights[-1]))
    freedom = int((~np.isnan(table.scores)).sum()) - 2
    heavy = generator.standard_normal((number, 2))
    heavy /= np.sqrt(generator.chisquare(freedom, number))[:, None]
    first, found = 0, []
    for place, (family, model) in enumerate(zip(FAMILIES, models, strict=True)):
        inside = (chosen >= first) & (chosen < first + model.shape.size)
        picked = chosen[inside] - first
        first += model.shape.size
        apart = np.einsum("rij,rj->ri", model.root[picked], heavy[inside])
        ends = model.center[picked] + apart * np.sqrt(model.residual[picked])[:, None]
        shape = model.shape[picked]
        low, high = (
            family.basis(np.full_like(shape, end), shape)
            for end in (table.num_labeled[0] / table.num_labeled[-1], 1.0)
        )
        gain = (ends[:, 1] - ends[:, 0]) / (high - low)
        level = ends[:, 1] - gain * high
        holds = (gain >= 0) & (level <= family.ceiling) & (ends[:, 0] >= 0)
        found.append(np.stack([np.full_like(shape, place), level, gain, shape])[:, holds])
    joined = np.concatenate(found, axis=1)
    return joined[:, generator.permutation(joined.shape[1])]
