import numpy as np
import pytest

from ecs_med.data.readers import Scan
from ecs_med.inference.views import (
    draw_labels,
    draw_overlay,
    grey_slices,
    stored_index,
    upright_slices,
)
from ecs_med.palette import class_color


def test_picture_keeps_its_size_and_its_background():
    picture = np.full((20, 30, 3), 100, np.uint8)
    labels = np.zeros((20, 30), np.uint8)
    labels[5:15, 5:25] = 1
    drawn = draw_labels(picture, labels)
    assert drawn.shape == picture.shape
    assert (drawn[labels == 0] == 100).all()
    assert tuple(drawn[5, 5]) == class_color(1)
    filled = 0.65 * 100 + 0.35 * np.array(class_color(1))
    np.testing.assert_allclose(drawn[10, 15], filled, atol=0.51)


def test_nothing_found_draws_nothing():
    scan = Scan(
        np.random.default_rng(0).integers(0, 256, (3, 9, 9)).astype(np.uint8), None, "picture"
    )
    drawn = draw_overlay(scan, np.zeros((9, 9), np.uint8))
    np.testing.assert_array_equal(drawn, np.moveaxis(scan.array, 0, -1))


def colored(drawn):
    return (drawn != drawn[..., :1]).any(axis=-1)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_montage_has_true_proportions(axis):
    shape, spacing = (10, 20, 30), (3.0, 2.0, 1.0)
    labels = np.zeros(shape, np.uint8)
    where = [slice(None)] * 3
    where[axis] = slice(4, 5)
    labels[tuple(where)] = 1
    scan = Scan(np.zeros((1, *shape), np.float32), np.diag([*spacing, 1.0]), "volume")
    drawn = draw_overlay(scan, labels, axis=axis)
    sides = [n * mm for i, (n, mm) in enumerate(zip(shape, spacing, strict=True)) if i != axis]
    assert drawn.shape[0] / drawn.shape[1] == pytest.approx(sides[1] / sides[0], rel=0.01)
    assert max(drawn.shape) == 256


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_the_patients_right_is_on_the_left_however_it_is_stored(flipped, order):
    # One bright, labelled spot at the patient's right front, axial slice.
    values = np.zeros((8, 8, 8), np.float32)
    values[6, 7, 3] = 1
    affine = np.eye(4)
    if flipped:
        values, affine[0, 0] = values[::-1], -1.0
    values = np.transpose(values, order)
    affine = affine[:, [*order, 3]]
    scan = Scan(values[None].copy(), affine, "volume")
    axis = order.index(2)
    drawn = draw_overlay(scan, (values > 0).astype(np.uint8), axis=axis)
    rows, columns = np.nonzero(colored(drawn))
    assert rows.max() < 256 * 1 / 8 + 1
    assert columns.min() > 256 * 1 / 8 - 1
    assert columns.max() < 256 * 2 / 8 + 1


def test_montage_of_twelve_slices_at_most():
    scan = Scan(np.zeros((1, 16, 16, 40), np.float32), np.eye(4), "volume")
    everywhere = draw_overlay(scan, np.ones((16, 16, 40), np.uint8), axis=2)
    assert everywhere.shape == (3 * 258 - 2, 4 * 258 - 2, 3)
    nowhere = draw_overlay(scan, np.zeros((16, 16, 40), np.uint8), axis=2)
    assert not colored(nowhere).any()


def copies(values, affine):
    """The same anatomy as stored in RAS, in LPS, and with its axes in another order."""
    yield values, affine, (0, 1, 2)
    flipped = affine.copy()
    for axis in (0, 1):
        flipped[:, 3] += flipped[:, axis] * (values.shape[axis] - 1)
        flipped[:, axis] *= -1
    yield values[::-1, ::-1], flipped, (0, 1, 2)
    order = (2, 0, 1)
    yield values.transpose(order), affine[:, [*order, 3]], order


@pytest.mark.parametrize("body_axis", [0, 1, 2])
def test_copies_in_other_orientations_give_the_same_pictures(body_axis):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6, 7, 8)).astype(np.float32)
    affine = np.diag([2.0, 1.5, 3.0, 1.0])
    shown = []
    for stored, own_affine, order in copies(values, affine):
        axis = order.index(body_axis)
        slices = upright_slices(stored, own_affine, axis)
        for place in (0, 2):
            index = stored_index(place, len(slices), own_affine, axis)
            plane = np.take(stored, index, axis)
            np.testing.assert_array_equal(np.sort(slices[place].ravel()), np.sort(plane.ravel()))
        scan = Scan(stored[None], own_affine, "volume")
        found = (stored > 1).astype(np.uint8)
        shown.append((slices, draw_overlay(scan, found, axis=axis)))
    for slices, drawn in shown[1:]:
        np.testing.assert_array_equal(slices, shown[0][0])
        np.testing.assert_array_equal(drawn, shown[0][1])
    assert (values > 1).any()


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16])
@pytest.mark.parametrize("window", [None, (20.0, 90.0)])
def test_integers_are_drawn_as_the_same_numbers_in_floating_point(kind, window):
    values = np.random.default_rng(0).integers(0, 120, (1, 9, 10, 30))
    labels = np.zeros(values.shape[1:], np.uint8)
    labels[2:5, 3:6, 7:9] = 1
    volumes = [Scan(values.astype(k), np.diag([-1.0, 1, 2, 1]), "volume") for k in (kind, float)]
    first, second = (draw_overlay(scan, labels, window=window) for scan in volumes)
    np.testing.assert_array_equal(first, second)
    every = grey_slices(volumes[0], 2, window)
    np.testing.assert_array_equal(every[[3, 29]], grey_slices(volumes[1], 2, window, [3, 29]))
