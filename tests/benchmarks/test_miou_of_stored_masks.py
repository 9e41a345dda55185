"""mIoU from masks as VOC and Cityscapes store them, against a slow independent count."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from miniatures import write_cityscapes, write_voc
from PIL import Image

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import open_data
from ecs_med.data.masks.reading import read_labels, understand_masks
from ecs_med.metrics import confusion_matrix, scores_from_confusion

Labels = npt.NDArray[np.int64]

# Evaluated label ids in the order of their train ids, from the paper on Cityscapes, table 2.
EVALUATED = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


def voc_reference(path: Path) -> Labels:
    return np.asarray(Image.open(path)).astype(np.int64)


def cityscapes_reference(path: Path) -> Labels:
    ids = np.asarray(Image.open(path))
    train = np.full(ids.shape, 255, np.int64)
    for class_index, label_id in enumerate(EVALUATED):
        train[ids == label_id] = class_index
    return train


def slow_miou(predictions: list[Labels], references: list[Labels], num_classes: int) -> float:
    """Intersection over union of each class by sets of pixels, averaged over those that occur."""
    found = []
    for k in range(num_classes):
        both = either = 0
        for predicted, actual in zip(predictions, references, strict=True):
            for p, a in zip(predicted.flat, actual.flat, strict=True):
                if a == 255:
                    continue
                both += p == k and a == k
                either += p == k or a == k
        if either:
            found.append(both / either)
    return sum(found) / len(found)


@pytest.mark.parametrize(
    ("write", "reference", "num_classes"),
    [(write_voc, voc_reference, 21), (write_cityscapes, cityscapes_reference, 19)],
)
def test_miou_agrees(
    tmp_path: Path,
    write: Callable[[Path], Path],
    reference: Callable[[Path], Labels],
    num_classes: int,
) -> None:
    collection = open_data(write(tmp_path / "data"))
    cases = [case for case in collection.cases if case.partition == "validation"]
    masks = [case.mask for case in collection.cases if case.mask is not None]
    scheme, _ = understand_masks(masks, ReadingSettings(), collection.labels)
    assert len(scheme.class_names) == num_classes
    rng = np.random.default_rng(0)
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    predictions, references = [], []
    for case in cases:
        assert case.mask is not None
        truth = reference(case.mask)
        assert (truth == 255).any()
        guess = np.where(rng.random(truth.shape) < 0.7, truth % 255, 0)
        ours = read_labels(case.images, case.mask, scheme)
        total += confusion_matrix(torch.tensor(guess), torch.tensor(ours), num_classes)
        predictions.append(guess)
        references.append(truth)
    miou = scores_from_confusion(total, scheme.class_names, num_cases=len(cases)).miou
    assert miou == pytest.approx(slow_miou(predictions, references, num_classes), abs=1e-9)
