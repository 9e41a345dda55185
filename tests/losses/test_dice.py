"""The Dice loss, against MONAI's and by hand."""

import pytest
import torch
from monai.losses import MaskedDiceLoss

from ecs_med.losses import dice_loss
from ecs_med.types import IGNORE_INDEX


@pytest.mark.parametrize("spatial", [(7,), (5, 6), (3, 4, 5)])
def test_it_is_monais_where_pixels_are_left_out(spatial: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 4, *spatial, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 3, (3, *spatial))  # Class 3 is absent.
    labels[0, 0] = IGNORE_INDEX
    among = torch.rand(3, *spatial) < 0.6
    counts = among & (labels != IGNORE_INDEX)
    theirs = MaskedDiceLoss(batch=True, squared_pred=True, smooth_nr=1e-10, smooth_dr=1e-10)
    one_hot = torch.stack([labels == k for k in range(4)], dim=1).double()
    expected = theirs(logits.softmax(1), one_hot, counts[:, None].double())
    found = dice_loss(logits.softmax(1), labels, among)
    assert found.item() == pytest.approx(expected.item(), abs=1e-12)
    (ours,) = torch.autograd.grad(found, logits)
    (monai,) = torch.autograd.grad(expected, logits)
    torch.testing.assert_close(ours, monai, rtol=0, atol=1e-12)
    assert not ours.movedim(1, -1)[~counts].any()


def test_by_hand() -> None:
    probabilities = torch.tensor([[[0.75, 0.25], [0.25, 0.75]]], dtype=torch.float64)
    labels, among = torch.tensor([[0, 0]]), torch.ones(1, 2, dtype=torch.bool)
    first = 1 - 2 * (0.75 + 0.25) / (0.75**2 + 0.25**2 + 2)
    assert dice_loss(probabilities, labels, among).item() == pytest.approx((first + 1) / 2)


def test_no_pixels_no_loss() -> None:
    logits = torch.randn(2, 3, 4, requires_grad=True)
    labels = torch.full((2, 4), IGNORE_INDEX)
    for among in (torch.zeros(2, 4, dtype=torch.bool), torch.ones(2, 4, dtype=torch.bool)):
        loss = dice_loss(logits.softmax(1), labels, among)
        loss.backward()
        assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()
