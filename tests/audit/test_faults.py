"""Kinds of fault of masks that are drawn by hand."""

import numpy as np
import pytest

from ecs_med.audit.faults import components, find_fault, mask_dice

SIDE = 40


def mask(*boxes):
    """Boxes of (top, left, height, width, class)."""
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    for top, left, height, width, index in boxes:
        drawn[top : top + height, left : left + width] = index
    return drawn


POLYP = (8, 8, 10, 12, 1)


@pytest.mark.parametrize(
    ("given", "expected", "kind"),
    [
        (mask(POLYP), mask(POLYP), "none"),
        (mask(), mask(), "none"),
        (mask(), mask(POLYP), "missing"),
        (mask(POLYP), mask(POLYP, (28, 28, 8, 8, 1)), "missing"),
        (mask(POLYP), mask(), "extra"),
        (mask(POLYP, (28, 28, 8, 8, 1)), mask(POLYP), "extra"),
        # The same box elsewhere, without and with an overlap.
        (mask((25, 25, 10, 12, 1)), mask(POLYP), "shifted"),
        (mask((12, 13, 10, 12, 1)), mask(POLYP), "shifted"),
        # A long bar where a box is expected.
        (mask((30, 2, 3, 36, 1)), mask(POLYP), "swapped"),
        (mask((14, 2, 3, 36, 1)), mask(POLYP), "swapped"),
        (mask((8, 8, 10, 12, 2)), mask(POLYP), "class"),
        # Twice as wide, and half as wide: the one lies in the other.
        (mask((4, 4, 18, 20, 1)), mask(POLYP), "contour"),
        (mask((10, 10, 6, 8, 1)), mask(POLYP), "contour"),
        # A pixel more all around is no fault.
        (mask((7, 7, 12, 14, 1)), mask(POLYP), "none"),
    ],
)
def test_kinds(given, expected, kind):
    assert find_fault(given, expected, 3).kind == kind


def test_size_class_and_place_of_what_is_missing():
    fault = find_fault(mask(), mask((0, 30, 10, 10, 2)), 3)
    assert (fault.kind, fault.index, fault.given, fault.expected) == ("missing", 2, 0, 100 / 1600)
    assert fault.center == pytest.approx((5 / 40, 35 / 40))


def test_a_wrong_class_names_both():
    fault = find_fault(mask((8, 8, 10, 12, 2)), mask(POLYP), 3)
    assert (fault.kind, fault.index, fault.other) == ("class", 2, 1)


def test_void_hides_what_is_expected_there():
    given = mask()
    given[:24, :24] = 255
    assert find_fault(given, mask(POLYP), 2).kind == "none"


def test_specks_are_passed_over():
    # A thousandth of 1600 pixels is 1.6; one pixel is a speck, a row of three is none.
    assert components(mask((3, 3, 1, 1, 1))) == []
    assert [one.size for one in components(mask((3, 3, 1, 3, 1)))] == [3]


def test_dice():
    first, second = mask(POLYP) > 0, mask((8, 8, 10, 6, 1)) > 0
    assert mask_dice(first, second) == pytest.approx(2 * 60 / 180)
    assert mask_dice(first & False, second & False) == 1
