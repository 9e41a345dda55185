"""Pseudo-label health on a case that can be worked by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from ecs_med.config import Preparation
from ecs_med.data.cases import PreparedCase, prepare_case
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.inference.model import Model
from ecs_med.runs.spec import ModelSpec
from ecs_med.splits import HiddenReferences
from ecs_med.training.scoring import is_silent, pseudo_label_health
from ecs_med.types import UnlabeledCase

SIZE = 32


class Everywhere(nn.Module):
    """The same class in every pixel, but in the first `rows` rows another one."""

    def __init__(self, num_outputs: int, label: int, rows: int = 0, other: int = 0) -> None:
        super().__init__()
        self.scores = torch.full((1, num_outputs, SIZE, SIZE), -20.0)
        self.scores[:, label] = 0
        self.scores[:, :, :rows] = -20
        self.scores[:, other, :rows] = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.scores.expand(len(images), -1, -1, -1)


def read(case: UnlabeledCase) -> PreparedCase:
    return prepare_case(case, Preparation())


def model(run: Path, segmenter: nn.Module, corrector: nn.Module) -> Model:
    spec = ModelSpec(
        method="ecs",
        labels=LabelScheme(class_names=("background", "polyp")),
        preparation=Preparation(),
        kind="picture",
        in_channels=3,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        encoder="none",
        corrector_encoder="none",
        crop=32,
        initialization="none",
    )
    return Model(spec, segmenter, corrector, device=torch.device("cpu"), run=run)


@pytest.fixture
def case(tmp_path: Path) -> tuple[UnlabeledCase, Path]:
    """The first quarter of the rows is polyp."""
    labels = np.zeros((SIZE, SIZE), np.uint8)
    labels[:8] = 1
    Image.fromarray(labels).save(tmp_path / "mask.png")
    Image.fromarray(np.zeros((SIZE, SIZE, 3), np.uint8)).save(tmp_path / "image.png")
    return UnlabeledCase("a", (tmp_path / "image.png",)), tmp_path / "mask.png"


def test_a_corrector_that_mends_half_of_the_errors(
    case: tuple[UnlabeledCase, Path], tmp_path: Path
) -> None:
    """S says background everywhere; C amends the first 4 of the 8 polyp rows."""
    mends = model(tmp_path, Everywhere(2, label=0), Everywhere(3, label=2, rows=4, other=1))
    health = pseudo_label_health(mends, [case[0]], HiddenReferences(dict([case])), read)
    assert health.num_cases == 1
    assert health.right_share == pytest.approx(28 / 32)
    assert health.correction_accuracy == pytest.approx(0.5)
    assert health.segmenter_miou == pytest.approx((24 / 32 + 0) / 2)
    assert health.miou == pytest.approx((24 / 28 + 4 / 8) / 2)
    assert health.mean_certainty == pytest.approx(1, abs=1e-6)
    assert not is_silent(health)
    assert health.detection is not None
    # Of 8 wrong rows 4 are doubted more than all right ones, 4 as much as they are.
    assert health.detection.all_pixels.corrector.auroc == pytest.approx(0.5 + 0.5 / 2)
    assert health.detection.all_pixels.confidence.auroc == 0.5
    assert health.detection.foreground.wrong_share == 1
    assert health.foreground_auroc is None, "no foreground pixel is right"


def test_without_hidden_masks_scores_are_unknown(
    case: tuple[UnlabeledCase, Path], tmp_path: Path
) -> None:
    silent = model(tmp_path, Everywhere(2, label=0), Everywhere(3, label=2))
    health = pseudo_label_health(silent, [case[0]], HiddenReferences({}), read)
    assert health.right_share == 1
    assert health.miou is None
    assert health.correction_accuracy is None
    assert health.detection is None
    assert is_silent(health)


def test_a_hidden_mask_that_does_not_fit_the_classes_is_left_out(
    case: tuple[UnlabeledCase, Path], tmp_path: Path
) -> None:
    Image.fromarray(np.full((SIZE, SIZE), 77, np.uint8)).save(case[1])
    silent = model(tmp_path, Everywhere(2, label=0), Everywhere(3, label=2))
    health = pseudo_label_health(silent, [case[0]], HiddenReferences(dict([case])), read)
    assert health.num_cases == 0
    assert health.miou is None
