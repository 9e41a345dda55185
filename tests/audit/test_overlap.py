"""Soft Dice by hand: piece by piece, void, an empty mask that is right and one that is not."""

import pytest
import torch

from ecs_med.audit.overlap import Overlap


def maps(foreground):
    """Probabilities of two classes, `(1, 2, rows, W)`."""
    p = torch.tensor(foreground)[None]
    return torch.stack([1 - p, p], dim=1)


def test_by_hand_in_pieces():
    found = Overlap(100, 2)
    found.add(maps([[0.8, 0.3]]), torch.tensor([[[1, 0]]]))
    found.add(maps([[0.5, 0.9]]), torch.tensor([[[1, 255]]]))
    # Of the three labelled pixels; a hundredth of 100 pixels is agreed upon.
    background, foreground = found.of_classes
    assert foreground == pytest.approx((2 * (0.8 + 0.5) + 1) / (1.6 + 2 + 1))
    assert background == pytest.approx((2 * 0.7 + 1) / (0.2 + 0.7 + 0.5 + 1 + 1))


def test_an_empty_mask_is_suspicious_where_something_is_expected():
    empty = torch.zeros(1, 10, 10, dtype=torch.uint8)
    right, wrong = Overlap(100, 2), Overlap(100, 2)
    right.add(maps([[0.001] * 10] * 10), empty)
    wrong.add(maps([[0.9] * 10] * 3 + [[0.001] * 10] * 7), empty)
    assert right.of_classes[1] == pytest.approx(1 / (0.1 + 1))
    assert wrong.of_classes[1] == pytest.approx(1 / (27 + 0.07 + 1))
