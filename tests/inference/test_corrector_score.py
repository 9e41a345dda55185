"""The corrector's mIoU over N+1 classes, against loops in NumPy."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from references import IGNORE, correction_map
from torch import nn

from ecs_med.config import Preparation
from ecs_med.data.cases import prepare_case
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.errors import DataError
from ecs_med.inference.corrector_counts import CorrectorCounts
from ecs_med.inference.evaluate import evaluate_cases
from ecs_med.inference.model import Model
from ecs_med.inference.predictor import segment_cases
from ecs_med.runs import CorrectorScores, ModelSpec
from ecs_med.types import Case

NAMES = ("background", "polyp", "tool")
SIZES = ((32, 32), (32, 64), (64, 32))


def model(run: Path, segmenter: nn.Module, corrector: nn.Module) -> Model:
    spec = ModelSpec(
        method="corrector",
        labels=LabelScheme(class_names=NAMES, void_values=(IGNORE,)),
        preparation=Preparation(),
        kind="picture",
        in_channels=3,
        mean=(0.5,) * 3,
        std=(0.2,) * 3,
        encoder="none",
        corrector_encoder="none",
        crop=32,
        initialization="none",
    )
    return Model(spec, segmenter, corrector, device=torch.device("cpu"), run=run)


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    """Noise, references of noise with void, and a case that is void altogether."""
    rng = np.random.default_rng(0)
    made = []
    for number, size in enumerate(SIZES):
        labels = rng.integers(0, 3, size).astype(np.uint8)
        labels[:4] = IGNORE
        if number == 2:
            labels[:] = IGNORE
        image, mask = tmp_path / f"{number}.png", tmp_path / f"{number}_mask.png"
        Image.fromarray(rng.integers(0, 256, (*size, 3)).astype(np.uint8)).save(image)
        Image.fromarray(labels).save(mask)
        made.append(Case(f"{number}", (image,), mask))
    return made


@pytest.fixture
def pair(tmp_path: Path) -> Model:
    torch.manual_seed(0)
    return model(tmp_path, nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(6, 4, 3, padding=1))


def slow_confusion(model: Model, cases: list[Case]) -> np.ndarray:
    """Row = correction map, column = corrector, pixel by pixel."""
    assert model.corrector is not None
    counts = np.zeros((4, 4), np.int64)
    for case in cases:
        assert case.mask is not None
        picture = np.asarray(Image.open(case.images[0])).astype(np.float32) / 255
        image = torch.tensor((picture - 0.5) / 0.2).movedim(-1, 0)[None]
        with torch.no_grad():
            logits = model.segmenter(image)
            corrected = model.corrector(torch.cat([image, logits.softmax(1)], 1))[0].argmax(0)
        reference = np.asarray(Image.open(case.mask)).astype(np.int64)
        target = correction_map(logits[0].argmax(0).numpy(), reference, 3)
        for y, x in np.ndindex(*target.shape):
            if target[y, x] != IGNORE:
                counts[target[y, x], int(corrected[y, x])] += 1
    return counts


def corrector_scores_of(model: Model, cases: list[Case]) -> CorrectorScores:
    found = evaluate_cases(model, cases, corrector=True).corrector
    assert found is not None
    return found


def test_one_matrix_over_the_whole_set(pair: Model, cases: list[Case]) -> None:
    counts = slow_confusion(pair, cases)
    prepared = [
        (case, prepare_case(case, pair.spec.preparation, pair.spec.labels)) for case in cases
    ]
    counted = CorrectorCounts(3)
    for _, case, result in segment_cases(pair, prepared, corrector=True):
        assert result.view is not None
        assert case.labels is not None
        counted.add(result.view, case.labels)
    found = counted.corrections
    assert found.tolist() == counts.tolist()
    assert found.sum().item() == 28 * 32 + 28 * 64
    ious = [counts[k, k] / (counts[k].sum() + counts[:, k].sum() - counts[k, k]) for k in range(4)]
    scores = corrector_scores_of(pair, cases)
    assert list(scores.iou_per_class) == pytest.approx(ious)
    assert scores.miou == pytest.approx(np.mean(ious))
    assert scores.num_cases == 3


def test_a_class_that_never_occurs_does_not_enter_the_mean(pair: Model, cases: list[Case]) -> None:
    with torch.no_grad():
        pair.segmenter.bias[:] = torch.tensor([0.0, -1e4, -1e4])  # type: ignore[index, operator]
        pair.corrector.bias[:] = torch.tensor([-1e4, -1e4, 0.0, -1e4])  # type: ignore[index, operator, union-attr]
    for number in (0, 1):
        mask = cases[number].mask
        assert mask is not None
        labels = np.asarray(Image.open(mask)).copy()
        labels[labels == 1] = 0
        Image.fromarray(labels).save(mask)
    scores = corrector_scores_of(pair, cases)
    assert scores.iou_per_class[:2] == (None, None), "background is always right, no polyp"
    assert scores.iou_per_class[3] == 0
    assert scores.miou == pytest.approx(scores.iou_per_class[2] / 2)


def test_nothing_but_void_has_no_score(pair: Model, cases: list[Case]) -> None:
    scores = corrector_scores_of(pair, cases[2:])
    assert scores == CorrectorScores(miou=None, iou_per_class=(None,) * 4, num_cases=1)


def test_the_networks_stay_in_their_modes(pair: Model, cases: list[Case]) -> None:
    pair.segmenter.eval()
    assert pair.corrector is not None
    pair.corrector.train()
    corrector_scores_of(pair, cases[:1])
    assert not pair.segmenter.training
    assert pair.corrector.training


def test_a_case_without_a_mask_is_refused(pair: Model, cases: list[Case]) -> None:
    with pytest.raises(DataError, match="no mask to be scored against"):
        corrector_scores_of(pair, [Case("bare", cases[0].images)])
