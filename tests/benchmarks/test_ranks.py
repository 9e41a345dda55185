"""Rank correlation against ranks counted pixel by pixel."""

import math

import numpy as np
import pytest

from ecs_med_benchmarks.rank_correlation import correlate, spearman


def slow_spearman(first: list[float], second: list[float]) -> float:
    """Pearson's coefficient of ranks; the rank of equal values is the mean of theirs."""

    def ranks(values: list[float]) -> list[float]:
        return [
            sum(other < value for other in values)
            + (sum(other == value for other in values) + 1) / 2
            for value in values
        ]

    a, b = ranks(first), ranks(second)
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    covariance = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    spread = sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b)
    return covariance / math.sqrt(spread)


@pytest.mark.parametrize("seed", range(5))
def test_ties_share_their_mean_rank(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 6, (2, 40)).astype(float)
    expected = slow_spearman(first.tolist(), second.tolist())
    assert spearman(first, second) == pytest.approx(expected, abs=1e-12)


def test_a_case_by_hand() -> None:
    """Ranks 1 2 3 4 and 2 1 4 3: all differences are 1, rho = 1 - 6 * 4 / (4 * 15)."""
    assert spearman(np.array([1.0, 2, 3, 4]), np.array([5.0, 0, 9, 7])) == pytest.approx(0.6)


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0, 2.0]])
def test_undefined_is_none(values: list[float]) -> None:
    constant = np.array(values)
    assert spearman(constant, np.arange(len(values), dtype=float)) is None
    assert spearman(np.arange(len(values), dtype=float), constant) is None


def test_classes_are_correlated_apart() -> None:
    rising = np.array([[0.1, -3.0], [0.2, -2.0], [0.3, -1.0]])
    falling = rising[:, [0]], rising[::-1, [1]]
    pairs = np.concatenate([rising, np.concatenate(falling, axis=1)])
    labels = np.array([0, 0, 0, 2, 2, 2])
    found = correlate(pairs, [pairs[labels == label] for label in range(3)], num_images=2)
    assert found.rho_per_class == (pytest.approx(1), None, pytest.approx(-1))
    assert found.num_pixels_per_class == (3, 0, 3)
    assert found.rho_foreground == pytest.approx(-1)
    assert found.num_pixels_foreground == 3
    assert found.rho == pytest.approx(slow_spearman(*pairs.T.tolist()))
