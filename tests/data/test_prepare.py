"""Slicing, scaling and the way back."""

import numpy as np
import pytest
import torch

from ecs_med.config import Preparation
from ecs_med.data.planes import slice_axis
from ecs_med.data.prepare import prepare_labels, prepare_scan, to_native
from ecs_med.data.readers import Scan
from ecs_med.data.slicing import target_size

PLANES = ("sagittal", "coronal", "axial")


def volume(shape: tuple[int, int, int], spacing: tuple[float, float, float] = (1, 1, 1)) -> Scan:
    values = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    return Scan(values, np.diag([*spacing, 1.0]), "volume")


def picture(height: int, width: int) -> Scan:
    pixels = np.random.default_rng(0).integers(0, 256, (3, height, width), dtype=np.uint8)
    return Scan(pixels, None, "picture")


@pytest.mark.parametrize(
    ("spacing", "plane", "expected"),
    [
        ((1, 1, 1), "auto", 2),
        ((1, 1, 5), "auto", 2),
        ((4, 1, 1), "auto", 0),
        ((1, 3, 3), "auto", 2),
        ((1, 1, 5), "coronal", 1),
    ],
)
def test_slices_run_along_the_coarsest_axis(
    spacing: tuple[float, float, float], plane: str, expected: int
) -> None:
    preparation = Preparation.parse({"plane": plane})
    assert slice_axis(volume((4, 5, 6), spacing), preparation) == expected


@pytest.mark.parametrize(("axis", "plane"), list(enumerate(PLANES)))
def test_a_volume_survives_the_way_there_and_back(axis: int, plane: str) -> None:
    scan = volume((4, 5, 6))
    preparation = Preparation.parse({"plane": plane, "percentiles": (0, 100)})
    stack = prepare_scan(scan, preparation)
    assert stack.dtype == np.float16
    assert (stack.min(), stack.max()) == (0, 1)
    back = to_native(torch.tensor(stack).float(), (4, 5, 6), axis)
    low, high = scan.array.min(), scan.array.max()
    np.testing.assert_allclose(back, (scan.array - low) / (high - low), atol=1e-3)


@pytest.mark.parametrize(("axis", "plane"), list(enumerate(PLANES)))
def test_labels_take_the_same_way_as_their_scan(axis: int, plane: str) -> None:
    scan = volume((4, 5, 6))
    labels = np.random.default_rng(1).integers(0, 3, (4, 5, 6), dtype=np.uint8)
    preparation = Preparation.parse({"plane": plane})
    stack = prepare_labels(labels, scan, preparation)
    back = to_native(torch.tensor(stack)[:, None].float(), (4, 5, 6), axis)
    np.testing.assert_array_equal(back[0], labels)


def test_a_picture_that_is_small_enough_is_not_touched() -> None:
    scan = picture(20, 30)
    stack = prepare_scan(scan, Preparation(max_size=30))
    assert stack.shape == (1, 3, 20, 30)
    np.testing.assert_array_equal(stack[0], scan.array)


def test_a_large_picture_is_brought_down_and_a_label_map_by_nearest_neighbour() -> None:
    scan = picture(40, 80)
    labels = np.zeros((40, 80), np.uint8)
    labels[:, 40:] = 7
    preparation = Preparation(max_size=40)
    assert prepare_scan(scan, preparation).shape == (1, 3, 20, 40)
    small = prepare_labels(labels, scan, preparation)
    assert set(np.unique(small)) == {0, 7}
    np.testing.assert_array_equal(small[0, :, :20], 0)


@pytest.mark.parametrize(
    ("size", "longest", "expected"),
    [
        ((10, 20), 0, (10, 20)),
        ((10, 20), 40, (10, 20)),
        ((10, 20), 10, (5, 10)),
        ((1, 999), 9, (1, 9)),
    ],
)
def test_target_size(size: tuple[int, int], longest: int, expected: tuple[int, int]) -> None:
    assert target_size(size, longest) == expected


@pytest.mark.parametrize(
    ("size", "longest", "expected"),
    [
        ((10, 20), 0, (20, 40)),
        ((10, 20), 30, (15, 30)),
        ((41, 80), 60, (31, 60)),
        ((30, 41), 60, (30, 41)),
    ],
)
def test_a_small_slice_is_brought_up(
    size: tuple[int, int], longest: int, expected: tuple[int, int]
) -> None:
    assert target_size(size, longest, 40) == expected


def test_labels_of_an_enlarged_picture_are_those_of_its_pixels() -> None:
    scan = picture(4, 6)
    labels = np.arange(24, dtype=np.uint8).reshape(4, 6)
    preparation = Preparation(min_size=12)
    assert prepare_scan(scan, preparation).shape == (1, 3, 8, 12)
    large = prepare_labels(labels, scan, preparation)
    np.testing.assert_array_equal(large[0], labels.repeat(2, axis=0).repeat(2, axis=1))


def test_a_ct_window_and_a_constant_volume() -> None:
    scan = Scan(np.array([[[[-1000.0, 0.0, 40.0, 400.0]]]], np.float32), np.eye(4), "volume")
    stack = prepare_scan(scan, Preparation(window=(-160, 240), plane="sagittal"))
    np.testing.assert_allclose(stack.ravel(), [0, 0.4, 0.5, 1], atol=1e-3)
    flat = Scan(np.full((1, 2, 2, 2), 7, np.float32), np.eye(4), "volume")
    assert not prepare_scan(flat, Preparation()).any()
