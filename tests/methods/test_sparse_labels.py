"""Losses on sparse labels: those of annotated pixels alone, and unlabelled ones where they join."""

import numpy as np
import pytest
import torch
from tiny_networks import pixelwise
from torch import nn

from ecs_med.methods import Method, method_class
from ecs_med.methods.ecs import Ecs, EcsSettings
from ecs_med.methods.fixmatch import FixMatch
from ecs_med.methods.supervised import Supervised
from ecs_med.types import IGNORE_INDEX, Batch

NUM_CLASSES = 3


def labels_and_pixels() -> tuple[torch.Tensor, torch.Tensor]:
    """Whole labels, and the 2 % of their pixels that are annotated."""
    generator = torch.Generator().manual_seed(0)
    whole = torch.randint(NUM_CLASSES, (2, 16, 16), generator=generator)
    return whole, torch.rand(whole.shape, generator=generator) < 0.02


def batch_of(*, scribbles: bool, says_unlabeled: bool) -> Batch:
    whole, annotated = labels_and_pixels()
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    labels = whole.masked_fill(~annotated, IGNORE_INDEX) if scribbles else whole
    return Batch(images, labels, unlabeled_pixels=~annotated if says_unlabeled else None)


def ecs() -> Ecs:
    torch.manual_seed(0)
    networks = {
        "segmenter": pixelwise(3, NUM_CLASSES),
        "corrector": pixelwise(3 + NUM_CLASSES, NUM_CLASSES + 1),
    }
    optimizers = Ecs.default_optimizers(100)
    return Ecs(networks, EcsSettings(), optimizers, num_classes=NUM_CLASSES)


def test_the_supervised_loss_is_that_of_annotated_pixels() -> None:
    torch.manual_seed(0)
    network = pixelwise(3, NUM_CLASSES)
    method = Supervised(
        {"segmenter": network},
        Supervised.settings_class(),
        Supervised.default_optimizers(100),
        num_classes=NUM_CLASSES,
    )
    batch, (whole, annotated) = batch_of(scribbles=True, says_unlabeled=True), labels_and_pixels()
    logits = network(batch.images).detach().double().numpy()
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=1, keepdims=True)
    places = np.argwhere(annotated.numpy())
    terms = [-np.log(probabilities[n, whole[n, y, x], y, x]) for n, y, x in places]
    assert len(terms) > 3
    loss = method.step(batch).losses["segmentation"].item()
    assert loss == pytest.approx(np.mean(terms), rel=1e-6)


def test_without_unlabelled_pixels_a_step_is_that_of_masked_labels() -> None:
    """Labels that were drawn sparsely and whole ones that are void elsewhere are one."""
    whole, annotated = labels_and_pixels()
    sparse = batch_of(scribbles=True, says_unlabeled=False)
    masked = Batch(sparse.images, whole.where(annotated, torch.tensor(IGNORE_INDEX)))
    weights = []
    for batch in (sparse, masked):
        method = ecs()
        method.step(batch)
        method.step(batch)
        weights.append(torch.cat([p.detach().flatten() for p in method.segmenter.parameters()]))
    assert torch.equal(*weights)


def test_the_corrector_sees_a_segmentation_where_nobody_annotated() -> None:
    method, seen = ecs(), []
    batch, (whole, annotated) = batch_of(scribbles=True, says_unlabeled=True), labels_and_pixels()
    corrector = method.networks["corrector"]
    corrector.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0][:, 3:]))
    segmented = method.segmenter(batch.images).argmax(dim=1)
    method.step(batch)
    expected = torch.where(annotated, whole, segmented)
    one_hot = nn.functional.one_hot(expected, NUM_CLASSES).movedim(-1, 1)
    torch.testing.assert_close(seen[1], one_hot.to(seen[1]))


def test_fixmatch_counts_joined_pixels_where_they_are_unlabelled() -> None:
    """Valid in a tenth of the pixels: the loss is the mean over this tenth, of any labels."""
    torch.manual_seed(0)
    segmenter = pixelwise(3, NUM_CLASSES)
    images = torch.randn(2, 3, 16, 16)
    counts = torch.zeros(2, 16, 16, dtype=torch.bool)
    counts[:, :, :2] = True
    networks = {"segmenter": segmenter, **_teacher_of(FixMatch, segmenter)}
    method = FixMatch(
        networks,
        FixMatch.settings_class.parse({"threshold": 0.0}),
        FixMatch.default_optimizers(100),
        num_classes=NUM_CLASSES,
    )
    labels = torch.full((2, 16, 16), IGNORE_INDEX)
    labels[:, 5, 5] = 1
    method.train_mode()
    with torch.no_grad():
        taught = method.teach(images).argmax(dim=1)
        state = {k: v.clone() for k, v in segmenter.state_dict().items()}
        segmenter(images)
        logits = segmenter(images)
        segmenter.load_state_dict(state)
    expected = nn.functional.cross_entropy(logits, taught, reduction="none")[counts].mean()
    batch = Batch(images, labels, images, counts, unlabeled_pixels=labels == IGNORE_INDEX)
    result = method.step(batch)
    torch.testing.assert_close(result.losses["unlabeled"], expected)


def _teacher_of(cls: type[Method], segmenter: nn.Module) -> dict[str, nn.Module]:
    from ecs_med.networks.teacher import MeanTeacher

    assert "teacher" in cls.extra_networks
    return {"teacher": MeanTeacher(segmenter, 0.99)}


def test_methods_say_what_they_do_with_unlabelled_pixels() -> None:
    own = {name: method_class(name).unlabeled_pixels for name in ("ecs", "ecs-plus", "cps", "bcp")}
    assert own == {"ecs": "joined", "ecs-plus": "joined", "cps": "own", "bcp": "ignored"}
