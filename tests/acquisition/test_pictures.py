"""Volumes on the page: the right way up however they are stored, and layers by their own number."""

import nibabel
import numpy as np
import pytest
from volume_folders import as_stored, save

from ecs_med.acquisition.pictures import doubt_panel, image_of
from ecs_med.config import Preparation
from ecs_med.data.cases import prepare_case
from ecs_med.data.layers import layer_of
from ecs_med.types import UnlabeledCase

AXIAL = Preparation(plane="axial", percentiles=(0, 100))


@pytest.fixture
def scan(tmp_path):
    """Bright at the right and in front; every layer from the feet up is brighter."""
    values = np.tile(np.arange(12.0), (20, 24, 1))
    values[16:, 20:] += 50
    save(tmp_path / "scan.nii.gz", values.astype(np.int16), np.diag([1.0, 1.0, 3.0, 1.0]))
    return tmp_path / "scan.nii.gz"


@pytest.mark.parametrize("axes", ["RAS", "LPI", "SAR", "PIR"])
def test_stored_in_any_way_the_right_side_is_on_the_left_and_the_front_up(scan, tmp_path, axes):
    path = as_stored(scan, tmp_path / "stored.nii.gz", axes)
    case = prepare_case(UnlabeledCase("scan", (path,)), AXIAL)
    picture = image_of(case, 5)
    assert picture.shape == (24, 20, 3)
    assert picture[:4, :4].min() > picture[4:, 4:].max()

    stored = np.asarray(nibabel.load(path).dataobj)
    for index in range(12):
        layer = stored.take(
            layer_of(case, index), axis=next(i for i, a in enumerate(axes) if a in "SI")
        )
        assert layer.min() == index


def test_doubt_is_red_relative_to_the_strongest_and_little_of_it_is_not():
    image = np.full((4, 4, 3), 100, np.uint8)
    doubt = np.zeros((4, 4), np.float32)
    doubt[0, 0], doubt[0, 1] = 0.5, 0.25
    panel = doubt_panel(image, doubt)
    assert panel[0, 0].tolist() == [255, 64, 32]
    assert panel[0, 1].tolist() == [round((60 + c) / 2) for c in (255, 64, 32)]
    assert panel[1, 1].tolist() == [60, 60, 60]
    assert doubt_panel(image, doubt / 1000)[0, 0, 0] < 70
