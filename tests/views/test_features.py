"""Dropping channels of features."""

import pytest
import torch

from ecs_med.views.features import channel_masks, complementary_masks, scale_channels


def features(rows: int = 500, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    return [torch.ones(rows, 40, 2, 2, dtype=dtype), torch.ones(rows, 60, 1, 1, dtype=dtype)]


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.5])
def test_a_share_of_the_channels_is_dropped_and_the_mean_stays(rate: float) -> None:
    torch.manual_seed(0)
    masks = channel_masks(features(), rate)
    assert [mask.shape for mask in masks] == [(500, 40), (500, 60)]
    for mask in masks:
        assert (mask == 0).float().mean().item() == pytest.approx(rate, abs=0.01)
        assert mask.max().item() == pytest.approx(1 / (1 - rate))
        assert mask.mean().item() == pytest.approx(1.0, abs=0.02)


def test_two_views_share_no_channel_and_sum_to_all() -> None:
    torch.manual_seed(0)
    masks = complementary_masks(features(), untouched=0.5)
    alone = (masks[0][0] == 1).all(dim=1)
    assert alone.float().mean().item() == pytest.approx(0.5, abs=0.06)
    for own, other in zip(*masks, strict=True):
        assert torch.equal(own + other, torch.full_like(own, 2))
        # An image is left alone in all feature maps and both views, or in none.
        assert torch.equal((own == 1).all(dim=1), alone)
        assert torch.equal((other == 1).all(dim=1), alone)
        assert not (own * other)[~alone].any()
        assert own[~alone].mean().item() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(("untouched", "values"), [(0.0, {0.0, 2.0}), (1.0, {1.0})])
def test_all_or_no_images_are_left_alone(untouched: float, values: set[float]) -> None:
    masks = complementary_masks(features(8), untouched)
    assert {v for view in masks for mask in view for v in mask.unique().tolist()} == values


@pytest.mark.parametrize("spatial", [(3,), (3, 4), (3, 4, 5)])
def test_whole_channels_are_scaled_in_any_number_of_dimensions(spatial: tuple[int, ...]) -> None:
    values = torch.randn(2, 3, *spatial, dtype=torch.bfloat16)
    mask = torch.tensor([[0.0, 2.0, 1.0], [2.0, 0.0, 0.5]])
    (scaled,) = scale_channels([values], [mask])
    assert scaled.dtype == torch.bfloat16
    for row in range(2):
        for channel in range(3):
            assert torch.equal(scaled[row, channel], values[row, channel] * mask[row, channel])


def test_draws_are_the_same_in_any_precision_and_with_empty_feature_maps() -> None:
    drawn = []
    for dtype in (torch.float64, torch.bfloat16):
        torch.manual_seed(3)
        drawn.append(channel_masks([torch.ones(4, 0, 2, 2), *features(4, dtype)]))
    for first, second in zip(*drawn, strict=True):
        assert torch.equal(first, second)
