"""Boxes by their counts, windows against SciPy's interpolation."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from ecs_med.views.mixing import boxes, cutmix_boxes, partner, paste, zoom_windows


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def corners(inside: torch.Tensor) -> tuple[list[int], list[int]]:
    """First pixel and sides of what is inside, which has to be a box."""
    places = inside.nonzero()
    low = places.min(dim=0).values
    sides = places.max(dim=0).values - low + 1
    assert sides.prod() == len(places), "no box"
    return low.tolist(), sides.tolist()


@pytest.mark.parametrize("spatial", [(12, 9), (6, 9, 12)])
def test_boxes_have_the_sides_asked_for(spatial: tuple[int, ...]) -> None:
    images = torch.zeros(40, 1, *spatial)
    for inside in boxes(images, torch.tensor([2 / 3] * len(spatial))):
        assert corners(inside)[1] == [size * 2 // 3 for size in spatial]
    assert boxes(images, torch.ones(len(spatial))).all()
    assert not boxes(images, torch.zeros(len(spatial))).any()


def test_boxes_have_sides_of_their_own() -> None:
    sides = torch.tensor([[0.5, 0.25], [0.25, 1.0]])
    found = [corners(inside)[1] for inside in boxes(torch.zeros(2, 1, 8, 8), sides)]
    assert found == [[4, 2], [2, 8]]


def test_every_place_is_equally_likely() -> None:
    torch.manual_seed(0)
    found = boxes(torch.zeros(3000, 1, 4, 5), torch.tensor([0.5, 0.4]))
    starts = torch.tensor([corners(inside)[0] for inside in found])
    counts = torch.bincount(starts[:, 0] * 4 + starts[:, 1])
    assert len(counts) == 12
    # Of 3,000 draws 250 each, with a standard deviation of 15.
    assert (counts - 250).abs().max() < 60


@pytest.mark.parametrize("spatial", [(200, 160), (48, 40, 56)])
def test_a_box_covers_the_share_that_is_drawn(spatial: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    found = cutmix_boxes(torch.zeros(400, 1, *spatial), 1.0, (0.02, 0.4))
    covered = found.flatten(1).double().mean(1)
    assert covered.min() > 0.013
    assert covered.max() < 0.42
    assert covered.mean().item() == pytest.approx(0.21, abs=0.02)  # uniform, nothing cut off
    sides = torch.tensor([corners(inside)[1] for inside in found]) / torch.tensor(spatial)
    ratios = sides.amin(1) / sides.amax(1)
    assert ratios.min() > 0.25
    assert ratios.max() > 0.9


def test_large_boxes_stay_within_the_image_and_keep_their_size() -> None:
    found = cutmix_boxes(torch.zeros(200, 1, 100, 100), 1.0, (0.9, 0.9))
    assert (found.flatten(1).double().mean(1) - 0.9).abs().max() < 0.01
    assert cutmix_boxes(torch.zeros(4, 1, 9, 9), 1.0, (1.0, 1.0)).all()


def test_some_images_are_not_mixed() -> None:
    torch.manual_seed(0)
    images = torch.zeros(400, 1, 16, 16)
    assert 0.4 < cutmix_boxes(images, 0.5).flatten(1).any(1).double().mean() < 0.6
    assert not cutmix_boxes(images, 0.0).any()
    assert cutmix_boxes(images, 1.0, (0.1, 0.4)).flatten(1).any(1).all()


def test_the_partner_is_another_image() -> None:
    assert partner(torch.tensor([0, 1, 2])).tolist() == [1, 2, 0]
    assert partner(torch.tensor([True, False])).tolist() == [False, True]


def test_paste_takes_the_other_inside() -> None:
    inside = torch.tensor([[[True, False]]])
    own, other = torch.tensor([[[1, 2]]]), torch.tensor([[[3, 4]]])
    assert paste(own, other, inside).tolist() == [[[3, 2]]]
    found = paste(own[:, None], other[:, None], inside, channels=True)
    assert found.tolist() == [[[[3, 2]]]]


@pytest.mark.parametrize("spatial", [(12, 9), (6, 9, 12)])
def test_windows_are_scipys_interpolation(spatial: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    images = torch.from_numpy(generator.random((5, 2, *spatial)))
    labels = torch.from_numpy(generator.integers(0, 4, (5, 1, *spatial))).double()
    resample = zoom_windows(images, (0.3, 0.8))
    # Where pixels come from is read off pictures of coordinates, away from the borders, where
    # they go on beyond the last pixel.
    ramps = torch.from_numpy(np.indices(spatial)).double().expand(5, -1, *[-1] * len(spatial))
    for index, ramp in enumerate(resample(ramps, "bilinear")):
        places = [window_of(ramp[axis].movedim(axis, 0).flatten(1)[:, 0].numpy(), size)
                  for axis, size in enumerate(spatial)]  # fmt: skip
        grid = np.meshgrid(*places, indexing="ij")
        for channel, found in zip(images[index], resample(images, "bilinear")[index], strict=True):
            expected = ndimage.map_coordinates(channel.numpy(), grid, order=1, mode="nearest")
            np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)
        nearest = tuple(np.clip(np.rint(place), 0, n - 1).astype(int)
                        for place, n in zip(grid, spatial, strict=True))  # fmt: skip
        np.testing.assert_array_equal(
            resample(labels, "nearest")[index, 0].numpy(), labels[index, 0].numpy()[nearest]
        )


def window_of(places: np.ndarray, size: int) -> np.ndarray:
    """Evenly spaced places, of which those beyond the first and last pixel were cut."""
    inner = np.flatnonzero((places > 1e-9) & (places < size - 1 - 1e-9))
    first, last = inner[0], inner[-1]
    step = (places[last] - places[first]) / (last - first)
    assert 0.3 <= step <= 0.8
    whole = places[first] + step * (np.arange(size) - first)
    # The window lies within the image, whose first pixel begins at -1/2.
    assert whole[0] - step / 2 >= -0.5 - 1e-9
    assert whole[-1] + step / 2 <= size - 0.5 + 1e-9
    np.testing.assert_allclose(np.clip(whole, 0, size - 1), places, atol=1e-9)
    return whole


def test_a_window_of_the_whole_image_is_the_image() -> None:
    images = torch.rand(2, 3, 8, 5, dtype=torch.float64)
    resample = zoom_windows(images, (1.0, 1.0))
    torch.testing.assert_close(resample(images, "bilinear"), images)
    assert torch.equal(resample(images, "nearest"), images)
