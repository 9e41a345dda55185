"""Softmin against a literal version and against cleanlab's own; pieces, void, classes."""

import numpy as np
import pytest
import torch

from ecs_med.audit.softmin import PixelScores, softmin


def literal(scores, temperature=0.1):
    weights = np.exp((1 - scores) / temperature)
    return sum(s * w for s, w in zip(scores, weights / weights.sum(), strict=True))


def test_by_hand():
    # Weights e^10 and 1: (0 * 22026.47 + 1) / 22027.47.
    assert softmin([0.0, 1.0]) == pytest.approx(1 / (np.exp(10) + 1), rel=1e-12)


def test_literal():
    scores = np.random.default_rng(0).random(500)
    assert softmin(scores) == pytest.approx(literal(scores), rel=1e-12)


def test_nothing_has_no_softmin():
    with pytest.raises(ValueError, match="nothing"):
        softmin([])


def test_cleanlab_says_the_same():
    rank = pytest.importorskip("cleanlab.segmentation.rank")
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 3, (4, 16, 12))
    probabilities = generator.dirichlet(np.ones(3), (4, 16, 12)).transpose(0, 3, 1, 2)
    expected, _ = rank.get_label_quality_scores(labels, probabilities, verbose=False)
    for given, maps, score in zip(labels, probabilities, expected, strict=True):
        chosen = np.take_along_axis(maps, given[None], axis=0)[0]
        assert softmin(chosen) == pytest.approx(score, rel=1e-9)
        piecewise = PixelScores(1, 3)
        for top in range(0, 16, 5):
            rows = [torch.tensor(a[None, top : top + 5]) for a in (chosen, given, given)]
            piecewise.add(0, *rows)
        assert piecewise.of_case == pytest.approx(score, rel=1e-9)


def test_void_never_counts_and_classes_are_where_given_or_expected():
    scores = torch.tensor([[[0.9, 0.2, 0.0], [0.7, 0.6, 0.1]], [[0.5, 0.5, 0.5], [0.4, 0.3, 0.2]]])
    given = torch.tensor([[[0, 1, 255], [1, 0, 254]], [[255, 255, 255], [255, 255, 255]]])
    expected = torch.tensor([[[0, 0, 1], [1, 1, 1]], [[1, 1, 1], [1, 1, 1]]])
    found = PixelScores(2, 3)
    found.add(0, scores[:1], given[:1], expected[:1])
    found.add(1, scores[1:], given[1:], expected[1:])
    assert found.of_case == pytest.approx(literal(np.array([0.9, 0.2, 0.7, 0.6])), rel=1e-6)
    assert found.of_slices == [pytest.approx(found.of_case), None]
    background, first, second = found.of_classes
    assert background == pytest.approx(literal(np.array([0.9, 0.2, 0.6])), rel=1e-6)
    assert first == pytest.approx(literal(np.array([0.2, 0.7, 0.6])), rel=1e-6)
    assert second is None


def test_a_network_that_has_diverged_is_suspicious_of_all():
    found = PixelScores(1, 2)
    labels = torch.zeros(1, 1, 2, dtype=torch.uint8)
    found.add(0, torch.tensor([[[float("nan"), float("nan")]]]), labels, labels)
    assert found.of_case == 0
