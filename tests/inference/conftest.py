from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from ecs_med.config import Preparation
from ecs_med.data.masks.reading import LabelScheme
from ecs_med.inference.model import Model
from ecs_med.runs.spec import ModelSpec


class BrightPixels(nn.Module):
    """Class 1 where the first channel is above one half; so every result is known beforehand."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, images):
        self.calls.append(tuple(images.shape))
        bright = images[:, :1] - 0.5
        return torch.cat([-bright, bright], dim=1) * 100


class SureWhereBright(nn.Module):
    """Says "right" with probability 0.8 where it is dark, class 1 with 0.5 where it is bright."""

    def forward(self, images):
        dark = (images[:, :1] < 0.5).float()
        bright = 1 - dark
        probabilities = [0.1 * dark + 0.25 * bright, 0.1 * dark + 0.5 * bright]
        return torch.cat([*probabilities, 0.8 * dark + 0.25 * bright], dim=1).log()


@pytest.fixture
def make_model(tmp_path):
    def make(kind="picture", *, corrector=True, channels=None, **fields):
        channels = channels or (3 if kind == "picture" else 1)
        spec = ModelSpec(
            method="ecs" if corrector else "supervised",
            labels=fields.pop("labels", LabelScheme(class_names=("background", "bright"))),
            preparation=fields.pop("preparation", Preparation(percentiles=(0, 100))),
            kind=kind,
            in_channels=channels,
            mean=(0.0,) * channels,
            std=(1.0,) * channels,
            encoder="none",
            corrector_encoder="none" if corrector else None,
            crop=32,
            initialization="none",
            **fields,
        )
        run = tmp_path / "runs" / "bright"
        run.mkdir(parents=True, exist_ok=True)
        return Model(
            spec,
            BrightPixels(),
            SureWhereBright() if corrector else None,
            device=torch.device("cpu"),
            run=run,
        )

    return make


@pytest.fixture
def write_picture():
    def write(path: Path, values, mode="RGB"):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(values, np.uint8)).convert(mode).save(path)
        return path

    return write


@pytest.fixture
def write_volume():
    def write(path: Path, values, spacing=(1.0, 1.0, 1.0), affine=None):
        path.parent.mkdir(parents=True, exist_ok=True)
        affine = np.diag([*spacing, 1.0]) if affine is None else affine
        nibabel.save(nibabel.Nifti1Image(np.asarray(values), affine), path)
        return path

    return write
