"""Faults that are planted, by hand, and measures of how well they are found."""

from collections import Counter

import numpy as np
import pytest

from ecs_med.audit.faults import mask_dice
from ecs_med.audit.ranking import mean_ranks
from ecs_med_benchmarks.fault_ranking import rank_faults
from ecs_med_benchmarks.planted_faults import plant, plant_all


def mask(*boxes, side=40):
    """Boxes of (top, left, height, width, class)."""
    drawn = np.zeros((side, side), np.uint8)
    for top, left, height, width, index in boxes:
        drawn[top : top + height, left : left + width] = index
    return drawn


POLYP = mask((15, 15, 10, 10, 1))


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def test_drop_takes_one_object_and_leaves_the_other(generator):
    two = mask((2, 2, 6, 6, 1), (25, 25, 8, 8, 1))
    left = plant(two, "drop", generator)
    assert int(left.sum()) in (36, 64)
    assert ((left == two) | (left == 0)).all()
    assert plant(POLYP, "drop", generator).sum() == 0


def test_swap_is_a_mask_of_another_image_that_shows_something_else(generator):
    alike, other = mask((16, 16, 10, 10, 1)), mask((0, 0, 8, 20, 1))
    assert np.array_equal(plant(POLYP, "swap", generator, [alike, other]), other)
    # Twice as large a picture is brought to this size.
    large = mask((0, 0, 16, 40, 1), side=80)
    assert np.array_equal(plant(POLYP, "swap", generator, [large]), other)


def test_shift_moves_by_a_seventh_to_a_third_and_keeps_most(generator):
    for _ in range(20):
        moved = plant(POLYP, "shift", generator)
        assert moved.sum() >= 60
        if moved.sum() == 100:
            center = np.argwhere(moved).mean(axis=0) - np.argwhere(POLYP).mean(axis=0)
            assert 40 / 7 - 1 <= np.hypot(*center) <= 40 / 3 + 1


def test_swell_doubles_and_shrink_halves(generator):
    # Around a box of 10 x 10: 40 pixels at distance 1, 4 at 1.41, 40 at 2, 8 at 2.24, 4 at 2.83.
    swollen = plant(POLYP, "swell", generator)
    assert swollen.sum() == 100 + 40 + 4 + 40 + 8 + 4
    assert (swollen[POLYP > 0] == 1).all()
    # Inside, boxes of 8, 6, 4 remain; 64 is nearer to 50 than 36 by no pixel, 14 each: the deeper.
    shrunk = plant(POLYP, "shrink", generator)
    assert shrunk.sum() == 36
    assert (POLYP[shrunk > 0] == 1).all()


def test_what_is_gained_gets_the_nearest_class(generator):
    two = mask((10, 10, 6, 6, 1), (10, 26, 6, 6, 2))
    swollen = plant(two, "swell", generator, num_classes=3)
    assert swollen[12, 16] == 1
    assert swollen[12, 25] == 2


def test_a_wrong_class_is_another_one_and_void_stays(generator):
    labels = POLYP.copy()
    labels[0] = 255
    wrong = plant(labels, "class", generator, num_classes=4)
    assert set(np.unique(wrong[1:])) in ({0, 2}, {0, 3})
    assert (wrong[0] == 255).all()


def test_kinds_are_equally_many_and_the_rest_stays():
    places = np.random.default_rng(1).integers(0, 28, (40, 2))
    masks = {f"m{i:02d}": mask((*place, 8, 12, 1)) for i, place in enumerate(places)}
    masks["empty"] = mask()
    wrong, planted = plant_all(masks, 10 / 41, 3, 2)
    assert Counter(planted.values()) == dict.fromkeys(
        ("drop", "swap", "shift", "swell", "shrink"), 2
    )
    assert "empty" not in planted
    for name, labels in masks.items():
        same = np.array_equal(wrong[name], labels)
        assert same == (name not in planted)
        if name in planted:
            assert mask_dice(wrong[name] > 0, labels > 0) < 0.8
    again = plant_all(masks, 10 / 41, 3, 2)
    assert again[1] == planted
    assert all(np.array_equal(again[0][name], wrong[name]) for name in masks)
    assert plant_all(masks, 10 / 41, 4, 2)[1] != planted
    with pytest.raises(ValueError, match="41 masks are to be made wrong, and 40 show"):
        plant_all(masks, 1.0, 0, 2)


def test_measures_by_hand():
    # Ranked: wrong, right, wrong, right, right.
    found = rank_faults([0.1, 0.2, 0.3, 0.4, 0.5], [True, False, True, False, False])
    assert found.auroc == pytest.approx(5 / 6)
    assert found.auprc == pytest.approx((1 + 2 / 3) / 2)
    assert found.precision_at_k == 0.5
    assert found.lift_at_10 == pytest.approx(1 / 0.4)


def test_equal_values_are_drawn_by_lot():
    found = rank_faults([0.0] * 4, [True, False, False, False])
    assert (found.auroc, found.precision_at_k, found.lift_at_10) == (0.5, 0.25, 1.0)


def test_against_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(0)
    quality, wrong = generator.random(60).round(1), generator.random(60) < 0.2
    found = rank_faults(quality, wrong)
    assert found.auroc == pytest.approx(metrics.roc_auc_score(wrong, -quality))
    assert found.auprc == pytest.approx(metrics.average_precision_score(wrong, -quality))


def test_mean_ranks():
    assert mean_ranks({"a": [0.1, 0.2, 0.3], "b": [0.9, 0.9, 0.1]}) == [1.75, 2.25, 2.0]
