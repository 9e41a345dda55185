import numpy as np
import pytest
import torch
from ignite.metrics import ConfusionMatrix

from ecs_med.metrics import confusion_matrix


def counted_slowly(prediction, reference, num_classes):
    counts = np.zeros((num_classes, num_classes), np.int64)
    for predicted, actual in zip(prediction.flat, reference.flat, strict=True):
        if actual != 255:
            counts[actual, predicted] += 1
    return counts


@pytest.mark.parametrize("shape", [(7,), (2, 9, 5), (2, 3, 4, 5)])
@pytest.mark.parametrize("num_classes", [2, 21])
def test_equals_a_loop(shape, num_classes):
    rng = np.random.default_rng(0)
    prediction = rng.integers(0, num_classes, shape).astype(np.uint8)
    reference = rng.integers(0, num_classes, shape).astype(np.uint8)
    reference[rng.random(shape) < 0.2] = 255
    counts = confusion_matrix(torch.tensor(prediction), torch.tensor(reference), num_classes)
    assert counts.dtype == torch.int64
    np.testing.assert_array_equal(counts, counted_slowly(prediction, reference, num_classes))


def test_agrees_with_ignite():
    torch.manual_seed(0)
    logits = torch.randn(3, 4, 16, 16)
    reference = torch.randint(0, 4, (3, 16, 16))
    ignite = ConfusionMatrix(num_classes=4)
    ignite.update((logits, reference))
    assert torch.equal(confusion_matrix(logits.argmax(1), reference, 4), ignite.compute())


def test_mixed_integer_types():
    prediction = torch.tensor([0, 1], dtype=torch.uint8)
    reference = torch.tensor([1, 1], dtype=torch.int32)
    assert confusion_matrix(prediction, reference, 2).tolist() == [[0, 0], [1, 1]]


def test_all_void_counts_nothing_whatever_was_predicted():
    void = torch.full((4, 4), 255)
    assert confusion_matrix(torch.full((4, 4), 9), void, 3).sum() == 0


def test_no_pixels():
    empty = torch.zeros(0, dtype=torch.int64)
    assert confusion_matrix(empty, empty, 2).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("prediction", "reference", "message"),
    [
        ([0, 2], [0, 1], "prediction holds class 2"),
        ([0, 255], [0, 1], "prediction holds class 255"),
        ([0, 1], [0, 2], "reference holds class 2"),
        ([-1, 1], [0, 1], "prediction holds class -1"),
        ([0], [0, 1], "prediction is"),
        ([0.0, 1.0], [0, 1], "must hold integers"),
    ],
)
def test_wrong_input_is_refused(prediction, reference, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(torch.tensor(prediction), torch.tensor(reference), 2)


def test_too_many_classes_for_the_void_label():
    with pytest.raises(ValueError, match="num_classes"):
        confusion_matrix(torch.zeros(1).long(), torch.zeros(1).long(), 256)
