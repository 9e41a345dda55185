"""Masks that are made wrong on purpose: each kind of error by hand, and their shares."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from ecs_med.views import masks
from ecs_med.views.masks import corrupt_masks


def square() -> torch.Tensor:
    labels = torch.zeros(1, 50, 50, dtype=torch.long)
    labels[0, 20:30, 15:35] = 1
    return labels


def only(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "_SHARES", {kind: 1.0})


def test_a_dropped_object_is_background(monkeypatch: pytest.MonkeyPatch) -> None:
    only("drop", monkeypatch)
    assert not corrupt_masks(square(), 2).any()


@pytest.mark.parametrize(("kind", "grows"), [("swell", True), ("shrink", False)])
def test_radii_are_even_on_all_sides(
    kind: str, grows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(kind, monkeypatch)
    seen = set()
    for seed in range(20):
        torch.manual_seed(seed)
        found = corrupt_masks(square(), 2)[0]
        if not found.any():  # it is 10 pixels high, and may be worn off by 5 on either side
            assert kind == "shrink"
            continue
        rows, columns = found.nonzero().unbind(1)
        radius = 20 - int(rows.min()) if grows else int(rows.min()) - 20
        sign = 1 if grows else -1
        height, width = 10 + 2 * sign * radius, 20 + 2 * sign * radius
        assert len(rows) == height * width
        assert (int(columns.min()), int(rows.max())) == (15 - sign * radius, 29 + sign * radius)
        seen.add(radius)
    assert seen <= {1, 2, 3, 4, 5}
    assert len(seen) > 2


def test_a_moved_object_keeps_about_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    only("move", monkeypatch)
    torch.manual_seed(0)
    found = corrupt_masks(square().expand(200, -1, -1), 2)
    areas = found.flatten(1).sum(dim=1).float() / 200
    assert 0.75**2 - 0.1 < areas[areas > 0].quantile(0.2) < areas.quantile(0.95) < 1.25**2 + 0.1
    assert (found != square()).flatten(1).any(dim=1).float().mean() > 0.95


def test_a_box_has_one_class(monkeypatch: pytest.MonkeyPatch) -> None:
    only("box", monkeypatch)
    torch.manual_seed(0)
    labels = torch.full((100, 40, 40), 3)
    found = corrupt_masks(labels, 5)
    for mask in found:
        changed = mask != 3
        if changed.any():
            rows, columns = changed.nonzero().unbind(1)
            sides = int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1
            assert sides[0] * sides[1] == len(rows)
            assert all(6 <= side <= 20 for side in sides)
            assert len(mask[changed].unique()) == 1
    assert set(found.unique().tolist()) == {0, 1, 2, 3, 4}


def test_a_swapped_mask_is_that_of_the_next_image(monkeypatch: pytest.MonkeyPatch) -> None:
    only("swap", monkeypatch)
    labels = torch.arange(3).view(3, 1, 1).expand(3, 8, 8)
    assert corrupt_masks(labels, 3)[:, 0, 0].tolist() == [1, 2, 0]


def test_each_kind_has_its_share() -> None:
    assert sum(masks._SHARES.values()) == pytest.approx(1)
    drawn = [masks._kind(number / 1000) for number in range(1000)]
    for kind, share in masks._SHARES.items():
        assert drawn.count(kind) == pytest.approx(1000 * share, abs=2)
    assert masks._kind(0.9999999) == "swap"


def test_objects_of_volumes_swell_and_shrink_by_cubes() -> None:
    labels = torch.zeros(20, 24, 22, dtype=torch.long)
    labels[8:13, 7:16, 6:15] = 1
    shown = (labels == 1).numpy()
    side = 2 * max(1, round(0.1 * 20)) + 1
    cube = np.ones((side,) * 3)
    swollen = masks._resize(labels, 1, 1.0, swells=True)
    np.testing.assert_array_equal(swollen == 1, ndimage.binary_dilation(shown, cube))
    worn = masks._resize(labels, 1, 1.0, swells=False)
    np.testing.assert_array_equal(worn == 1, ndimage.binary_erosion(shown, cube, border_value=1))


def test_objects_of_volumes_move_along_all_axes() -> None:
    labels = torch.zeros(1, 20, 24, 32, dtype=torch.long)
    labels[0, 8:12, 10:14, 14:18] = 1
    # No turn, no scale; down, right, and from slice to slice by shares of half a side.
    row = [0.0, 0.0, 0.5, 0.0, 0.0, 0.5, 0.75, 0.25, 0.0, 0.8]
    found = masks._move(labels, [row])
    shifts = [
        round(2 * (2 * draw - 1) * 0.25 * side / 2)
        for draw, side in ((0.8, 20), (0.75, 24), (0.25, 32))
    ]
    expected = labels.roll([-shift for shift in shifts], dims=(1, 2, 3))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("kind", list(masks._SHARES))
def test_every_kind_of_error_is_made_in_volumes(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    only(kind, monkeypatch)
    torch.manual_seed(0)
    labels = torch.zeros(6, 16, 20, 18, dtype=torch.uint8).long()
    labels[:, 4:10, 6:14, 5:13] = 1
    labels[3:] = labels[3:] * 2
    found = corrupt_masks(labels, 3)
    assert found.shape == labels.shape
    assert found.dtype == labels.dtype
    assert set(found.unique().tolist()) <= {0, 1, 2}
    assert not torch.equal(found, labels)
