"""Every equation against pixel loops, in 2-D and 3-D, with void and absent classes."""

import numpy as np
import pytest
import references
import torch

from ecs_med.losses import (
    certainty,
    corrected_probabilities,
    correction_map,
    corrector_loss,
    cross_entropy,
    negated_focal_loss,
    pseudo_labels,
    right_map,
)
from ecs_med.losses.cross_entropy import most_probable

SHAPES = [(5, 4), (3, 4, 3)]
CLASSES = [2, 21]


class Sample:
    """Random scores and labels; a third of the pixels void, the last class never labelled."""

    def __init__(self, shape: tuple[int, ...], num_classes: int) -> None:
        rng = np.random.default_rng(len(shape) * 100 + num_classes)
        self.num_classes = num_classes
        self.logits = rng.normal(size=(2, num_classes, *shape)) * 3
        self.corrected = rng.normal(size=(2, num_classes + 1, *shape)) * 3
        self.labels = rng.integers(0, max(1, num_classes - 1), size=(2, *shape))
        self.segmented = self.logits.argmax(axis=1)
        # Half of the pixels right, so that both branches of the equations occur.
        agree = rng.random(self.labels.shape) < 0.5
        self.labels = np.where(agree, self.segmented, self.labels)
        self.labels[rng.random(self.labels.shape) < 0.3] = references.IGNORE


@pytest.fixture(params=[(s, n) for s in SHAPES for n in CLASSES], ids=str)
def sample(request: pytest.FixtureRequest) -> Sample:
    return Sample(*request.param)


def test_correction_map(sample: Sample) -> None:
    expected = references.correction_map(sample.segmented, sample.labels, sample.num_classes)
    labels = torch.tensor(sample.labels)
    from_labels = correction_map(torch.tensor(sample.segmented), labels, sample.num_classes)
    from_scores = correction_map(torch.tensor(sample.logits), labels, sample.num_classes)
    np.testing.assert_array_equal(from_labels, expected)
    np.testing.assert_array_equal(from_scores, expected)
    assert {sample.num_classes, references.IGNORE} <= set(expected.ravel().tolist())


def test_a_correction_map_applied_to_the_prediction_gives_the_reference_back(
    sample: Sample,
) -> None:
    predicted, reference = torch.tensor(sample.segmented), torch.tensor(sample.labels)
    target = correction_map(predicted, reference, sample.num_classes)
    np.testing.assert_array_equal(pseudo_labels(predicted, target, sample.num_classes), reference)


def test_right_map(sample: Sample) -> None:
    expected = references.correction_map(sample.labels, sample.labels, sample.num_classes)
    np.testing.assert_array_equal(
        right_map(torch.tensor(sample.labels), sample.num_classes), expected
    )


def test_pseudo_labels(sample: Sample) -> None:
    corrected = sample.corrected.argmax(axis=1)
    corrected[:, 0] = sample.num_classes
    expected = references.pseudo_labels(sample.segmented, corrected, sample.num_classes)
    found = pseudo_labels(
        torch.tensor(sample.segmented), torch.tensor(corrected), sample.num_classes
    )
    np.testing.assert_array_equal(found, expected)
    from_scores = pseudo_labels(
        torch.tensor(sample.logits), torch.tensor(sample.corrected), sample.num_classes
    )
    np.testing.assert_array_equal(
        from_scores,
        references.pseudo_labels(
            sample.segmented, sample.corrected.argmax(axis=1), sample.num_classes
        ),
    )


@pytest.mark.parametrize("focusing", [0.0, 2.0])
@pytest.mark.parametrize("class_weight", [1.0, 2.0])
def test_corrector_loss(sample: Sample, class_weight: float, focusing: float) -> None:
    target = references.correction_map(sample.segmented, sample.labels, sample.num_classes)
    expected = references.cross_entropy(
        sample.corrected,
        target,
        references.corrector_weights(sample.num_classes, class_weight),
        focusing,
    )
    found = corrector_loss(
        torch.tensor(sample.corrected),
        torch.tensor(target),
        class_weight=class_weight,
        focusing=focusing,
    )
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_cross_entropy(sample: Sample) -> None:
    expected = references.cross_entropy(sample.logits, sample.labels)
    found = cross_entropy(torch.tensor(sample.logits), torch.tensor(sample.labels))
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_cross_entropy_is_torch_where_nothing_is_void() -> None:
    logits, labels = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4))
    weights = torch.tensor([2.0, 2.0, 1.0])
    expected = torch.nn.CrossEntropyLoss(weights)(logits, labels)
    assert cross_entropy(logits, labels, class_weights=weights) == pytest.approx(expected.item())


@pytest.mark.parametrize("gamma", [0.0, 2.0, 3.5])
def test_negated_focal_loss(sample: Sample, gamma: float) -> None:
    corrector = references.softmax(sample.corrected)
    expected = references.negated_focal_loss(sample.logits, sample.labels, corrector, gamma)
    found = negated_focal_loss(
        torch.tensor(sample.logits), torch.tensor(sample.labels), torch.tensor(corrector), gamma
    )
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_negated_focal_loss_by_hand() -> None:
    logits = torch.zeros(1, 2, 1, 2)  # every class has probability 1/2
    corrector = torch.tensor([0.1, 0.1, 0.8]).view(1, 3, 1, 1).expand(1, 3, 1, 2)
    loss = negated_focal_loss(logits, torch.tensor([[[0, 1]]]), corrector)
    assert loss.item() == pytest.approx(0.8**2 * np.log(2))


def test_the_weight_has_no_gradient() -> None:
    corrected = torch.randn(1, 3, 4, 4, requires_grad=True)
    logits = torch.randn(1, 2, 4, 4, requires_grad=True)
    labels = torch.randint(0, 2, (1, 4, 4))
    negated_focal_loss(logits, labels, corrected.softmax(dim=1)).backward()
    assert corrected.grad is None
    assert logits.grad is not None
    assert logits.grad.abs().sum() > 0


@pytest.mark.parametrize("shape", SHAPES)
def test_all_void_gives_zero_with_a_gradient_of_zero(shape: tuple[int, ...]) -> None:
    logits = torch.randn(1, 3, *shape, requires_grad=True)
    void = torch.full((1, *shape), references.IGNORE)
    corrector = torch.full((1, 4, *shape), 0.25)
    losses = [
        cross_entropy(logits, void),
        corrector_loss(logits, void),
        negated_focal_loss(logits, void, corrector),
    ]
    torch.stack(losses).sum().backward()
    assert [loss.item() for loss in losses] == [0, 0, 0]
    assert logits.grad is not None
    assert logits.grad.abs().sum() == 0


def test_certainty_is_the_largest_probability() -> None:
    probabilities = torch.tensor([[0.2, 0.5, 0.3]]).view(1, 3, 1)
    assert certainty(probabilities).tolist() == [[0.5]]


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        correction_map(torch.zeros(1, 2, 2).long(), torch.zeros(1, 3, 2).long(), 2)
    with pytest.raises(ValueError, match="shapes differ"):
        negated_focal_loss(
            torch.zeros(1, 2, 2, 2), torch.zeros(1, 3, 2).long(), torch.zeros(1, 3, 2, 2)
        )


def test_corrected_probabilities_are_those_of_a_loop() -> None:
    torch.manual_seed(0)
    scores, judged = torch.rand(2, 3, 4, 5), torch.rand(2, 4, 4, 5).softmax(dim=1)
    found = corrected_probabilities(scores, judged)
    for b in range(2):
        for y in range(4):
            for x in range(5):
                expected = judged[b, :3, y, x].clone()
                expected[scores[b, :, y, x].argmax()] += judged[b, 3, y, x]
                torch.testing.assert_close(found[b, :, y, x], expected)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(2, 4, 5))


@pytest.mark.parametrize("shape", [(2, 3, 40, 33), (2, 4, 9, 17, 12), (1, 2, 5)])
def test_the_most_probable_class_is_the_first_of_equal_ones(shape: tuple[int, ...]) -> None:
    scores = torch.randint(0, 3, shape, generator=torch.Generator().manual_seed(0)).float()
    found = most_probable(scores)
    np.testing.assert_array_equal(found, scores.numpy().argmax(axis=1))
    last = scores.movedim(1, -1).contiguous().movedim(-1, 1)
    assert torch.equal(most_probable(last), found)
