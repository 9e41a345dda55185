import numpy as np
import pytest
import torch

from ecs_med.data.depth import (
    depth_weights,
    native_slices,
    resampled_labels,
    resampled_slices,
    with_context,
)


def test_slices_in_between_are_means_by_distance() -> None:
    expected = [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]
    np.testing.assert_allclose(depth_weights(2, 4), expected)
    stack = np.array([0, 8], np.float16).reshape(2, 1, 1, 1)
    assert resampled_slices(stack, 4).ravel().tolist() == [0, 2, 6, 8]


@pytest.mark.parametrize(("old", "new"), [(7, 3), (3, 7), (40, 11), (1, 5), (5, 1)])
def test_weights_are_a_triangle_around_each_centre(old: int, new: int) -> None:
    """Worked out slice by slice: as wide as the coarser of both distances, cut at the ends."""
    scale = max(old / new, 1.0)
    for place, row in enumerate(depth_weights(old, new).double().numpy()):
        centre = (place + 0.5) * old / new - 0.5
        if old <= new:  # beyond the last centre its slice goes on
            centre = min(max(centre, 0), old - 1)
        weights = np.clip(1 - np.abs(np.arange(old) - centre) / scale, 0, None)
        np.testing.assert_allclose(row, weights / weights.sum(), atol=1e-6)


def test_labels_are_those_of_the_nearest_slice() -> None:
    stack = np.arange(6, dtype=np.uint8).reshape(6, 1, 1)
    assert resampled_labels(stack, 3).ravel().tolist() == [1, 3, 5]
    assert resampled_labels(stack[:2], 4).ravel().tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(("depth", "count"), [(5, 12), (12, 5), (6, 6), (1, 4), (4, 1)])
@pytest.mark.parametrize("size", [1, 2, 100])
def test_maps_that_come_in_parts_are_brought_back_as_the_whole(
    depth: int, count: int, size: int
) -> None:
    maps = torch.randn(depth, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    expected = torch.einsum("nd,dkhw->nkhw", depth_weights(depth, count), maps)
    found = list(native_slices(iter(maps.split(size)), depth, count))
    starts = [start for start, _ in found]
    lengths = [len(part) for _, part in found]
    assert starts == np.cumsum([0, *lengths])[:-1].tolist()
    torch.testing.assert_close(torch.cat([part for _, part in found]), expected)


def test_neighbours_become_channels_and_edges_repeat() -> None:
    slices = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 2, 1, 1) + torch.tensor([0, 0.5]).view(
        1, 2, 1, 1
    )
    found = with_context(slices, [0, 2, 3], 1)[:, :, 0, 0]
    assert found.tolist() == [
        [0, 0.5, 0, 0.5, 1, 1.5],
        [1, 1.5, 2, 2.5, 3, 3.5],
        [2, 2.5, 3, 3.5, 3, 3.5],
    ]
    assert torch.equal(with_context(slices, range(4), 0), slices)
