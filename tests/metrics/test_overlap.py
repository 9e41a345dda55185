import json

import ignite.metrics
import numpy as np
import pytest
import torch

from ecs_med.metrics import (
    confusion_matrix,
    dice_per_class,
    foreground_mean,
    iou_per_class,
    pixel_accuracy,
    scores_from_confusion,
)

KEYS = [
    "miou",
    "dice",
    "iou_per_class",
    "dice_per_class",
    "foreground_iou",
    "foreground_dice",
    "dice_per_case",
    "pixel_accuracy",
    "num_cases",
    "class_names",
    "hd95_mm_per_class",
    "hd95_num_missing_per_class",
]


def scored_slowly(prediction, reference, num_classes):
    """IoU and Dice from the masks themselves."""
    valid = reference != 255
    ious, dices = [], []
    for label in range(num_classes):
        predicted, actual = (prediction == label) & valid, (reference == label) & valid
        union = (predicted | actual).sum()
        both = (predicted & actual).sum()
        ious.append(both / union if union else None)
        dices.append(2 * both / (predicted.sum() + actual.sum()) if union else None)
    return ious, dices


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 4, 5, 6)])
def test_equals_masks_with_void_and_an_absent_class(shape):
    rng = np.random.default_rng(1)
    prediction, reference = rng.choice([0, 1, 3], (2, *shape))
    reference[rng.random(shape) < 0.1] = 255
    matrix = confusion_matrix(torch.tensor(prediction), torch.tensor(reference), 4)
    ious, dices = scored_slowly(prediction, reference, 4)
    assert iou_per_class(matrix) == pytest.approx(tuple(ious))
    assert dice_per_class(matrix) == pytest.approx(tuple(dices))
    assert ious[2] is None
    scores = scores_from_confusion(matrix, ("background", "a", "b", "c"))
    assert scores.miou == pytest.approx(np.mean([v for v in ious if v is not None]))
    assert scores.foreground_dice == pytest.approx(np.mean([dices[1], dices[3]]))


def test_agrees_with_ignite_where_all_classes_occur():
    torch.manual_seed(0)
    logits, reference = torch.randn(4, 3, 12, 12), torch.randint(0, 3, (4, 12, 12))
    counts = ignite.metrics.ConfusionMatrix(num_classes=3)
    miou, dice = ignite.metrics.mIoU(counts), ignite.metrics.DiceCoefficient(counts)
    counts.update((logits, reference))
    scores = scores_from_confusion(
        confusion_matrix(logits.argmax(1), reference, 3), ("background", "a", "b")
    )
    assert scores.miou == pytest.approx(miou.compute().item(), abs=1e-12)
    assert scores.dice_per_class == pytest.approx(dice.compute().tolist(), abs=1e-12)


def test_one_matrix_over_the_set_is_not_the_mean_over_images():
    first = torch.tensor([[99, 0], [1, 0]])
    second = torch.tensor([[0, 0], [0, 100]])
    both = iou_per_class(first + second)
    assert both == pytest.approx((99 / 100, 100 / 101))


def test_empty_prediction_scores_zero():
    assert iou_per_class(torch.tensor([[9, 0], [1, 0]])) == (0.9, 0.0)
    assert dice_per_class(torch.tensor([[9, 0], [1, 0]]))[1] == 0.0


def test_large_counts_stay_exact():
    assert iou_per_class(torch.tensor([[2**53, 0], [1, 2**30]]))[1] == 2**30 / (2**30 + 1)


def test_nothing_counted():
    scores = scores_from_confusion(torch.zeros(2, 2, dtype=torch.int64), ("background", "polyp"))
    assert (scores.miou, scores.foreground_iou, scores.pixel_accuracy) == (None, None, None)
    assert pixel_accuracy(torch.zeros(3, 3, dtype=torch.int64)) is None
    assert foreground_mean((0.5,)) is None


def test_to_dict_has_the_keys_of_metrics_json():
    matrix = torch.tensor([[5, 1, 0], [2, 2, 0], [0, 0, 0]])
    scores = scores_from_confusion(matrix, ("background", "a", "b"), num_cases=3, dice_per_case=0.5)
    as_json = json.loads(json.dumps(scores.to_json(), allow_nan=False))
    assert list(as_json) == KEYS
    assert as_json["iou_per_class"] == [5 / 8, 2 / 5, None]
    assert as_json["num_cases"] == 3
    assert as_json["pixel_accuracy"] == 0.7


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="class names"):
        scores_from_confusion(torch.zeros(2, 2), ("background",))
    with pytest.raises(ValueError, match="square"):
        iou_per_class(torch.zeros(2, 3))
