"""A large volume stays as it is stored: how many bytes a voxel a prediction takes, in a process."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from ecs_med.inference import canvas
from large_volume import write_volume
from measured_process import HERE, called

PREDICT = """
import ctypes, json, sys
from pathlib import Path
import torch
from torch import nn
from ecs_med.config import Preparation
from ecs_med.data.masks.reading import LabelScheme
from ecs_med.inference.model import Model
from ecs_med.inference.predict import predict_files
from ecs_med.runs.spec import ModelSpec
from measured_process import megabytes

class Bright(nn.Module):
    def forward(self, images):
        return torch.cat([0.9 - images, images - 0.9], dim=1)

def peak(file, **settings):
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the most that was held is what is held now
    spec = ModelSpec(
        method="supervised", labels=LabelScheme(class_names=("background", "organ")),
        preparation=Preparation.parse({"max_size": 64, **settings}), kind="volume",
        in_channels=1, mean=(0.0,), std=(1.0,), encoder="none", corrector_encoder=None, crop=32,
        initialization="none",
    )
    model = Model(spec, Bright(), None, device=torch.device("cpu"), run=Path(sys.argv[1]))
    predict_files(model, file, model.run / "results", overlay=True)
    return megabytes("VmHWM")

first, *files = sys.argv[2:]
peak(first)
found = [peak(file, percentiles=(0, 100)) for file in files]
found += [peak(file, window=(-160, 160)) for file in files]
print(json.dumps(found))
"""
SIDES = (256, 256)
SLICES = (70, 220)


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="the system does not tell the peak of memory"
)
def test_a_prediction_takes_the_volume_its_labels_and_little_else(tmp_path: Path) -> None:
    files = [tmp_path / f"{n}{suffix}" for suffix in (".nii", ".nii.gz") for n in SLICES]
    first = tmp_path / "first.nii.gz"  # It also pays for what is loaded once.
    for path, count in zip((first, *files), (8, *SLICES, *SLICES), strict=True):
        write_volume(path, (*SIDES, count))
    peaks = json.loads(called(HERE, PREDICT, tmp_path, first, *files).splitlines()[-1])
    voxels = SIDES[0] * SIDES[1] * (SLICES[1] - SLICES[0])
    # Two of the volume, one of its labels, some of pieces at hand; a copy in floating point would
    # be four or eight more.
    taken = [
        (large - small) * 2**20 / voxels
        for small, large in zip(peaks[::2], peaks[1::2], strict=True)
    ]
    # What a smaller prediction has freed is taken again, so that one may seem to take less.
    assert 2 < max(taken) < 6, taken
    labels = [
        np.asarray(nibabel.load(tmp_path / "results" / f"{n}.nii.gz").dataobj) for n in SLICES
    ]
    assert all(found.dtype == np.uint8 and found.any() for found in labels)


@pytest.mark.parametrize("num_classes", [1, 2, 3, 7])
def test_the_largest_of_some_maps_is_the_first_of_equal_ones(num_classes: int) -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.randint(0, 3, (4, num_classes, 9, 8), generator=generator).float()
    for dim in (0, 1):
        turned = maps.movedim(1, dim)
        expected = turned.numpy().argmax(dim)
        np.testing.assert_array_equal(canvas._largest(turned, dim), expected)
    assert canvas._largest(maps, 1).dtype == torch.uint8
