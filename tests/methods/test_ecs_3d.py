"""ECS in three dimensions, by the networks of volumes, against the literal step."""

import copy

import pytest
import torch

from ecs_med.methods import Ecs, EcsSettings
from ecs_med.types import IGNORE_INDEX
from ecs_step_3d import NUM_CLASSES, OPTIMIZERS, literal, networks, random_batch


def test_steps_of_the_3d_unet_equal_the_literal_ones() -> None:
    pair = networks("unet3d")
    method = Ecs(copy.deepcopy(pair), EcsSettings(), OPTIMIZERS, num_classes=NUM_CLASSES)
    slow, batch = literal(pair), random_batch(2, 32)
    batch.labels[0, :5] = IGNORE_INDEX
    assert batch.unlabeled_images is not None
    for _ in range(2):
        expected = slow.step(batch.images, batch.labels, batch.unlabeled_images)
        found = {k: v.item() for k, v in method.step(batch).losses.items()}
        assert found == pytest.approx(expected, abs=1e-5)
    # Gradients of the last update, and what all of them have made of the weights.
    for ours, theirs in zip(
        method.segmenter.parameters(), slow.segmenter.parameters(), strict=True
    ):
        assert ours.grad is not None
        assert theirs.grad is not None
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
