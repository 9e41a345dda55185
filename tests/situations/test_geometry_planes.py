"""In which plane volumes are sliced."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from situations.inputs_geometry import (
    SHAPE,
    check,
    drawn,
    errors,
    moved,
    one,
    run,
    write_set,
    write_volume,
)

from ecs_med.config import Preparation, TrainConfig
from ecs_med.data.layout import open_data
from ecs_med.data.planes import Grid, other_plane, slice_axis, usual_plane
from ecs_med.data.prepare import prepare_scan
from ecs_med.data.readers import Scan
from ecs_med.inference.planes import plane_notes
from ecs_med.training.resolve import look_at_images
from ecs_med.types import Case

AXIAL, SAGITTAL = Preparation(), Preparation(usual_plane="sagittal")
Capture = pytest.CaptureFixture[str]


def volume(shape: tuple[int, ...], affine: np.ndarray, values: np.ndarray | None = None) -> Any:
    array = np.random.default_rng(1).normal(size=(1, *shape)) if values is None else values
    return Scan(array.astype(np.float32), affine.astype(float), "volume")


def test_near_isotropic_axis() -> None:
    for sides in ((1.002, 1, 1), (1, 1.002, 1), (1, 1, 1), (0.98, 1, 0.96)):
        assert slice_axis(volume(SHAPE, np.diag([*sides, 1.0])), AXIAL) == 2
        assert slice_axis(volume(SHAPE, np.diag([*sides, 1.0])), SAGITTAL) == 0
    assert slice_axis(volume(SHAPE, np.diag([1.2, 1, 1, 1])), AXIAL) == 0


def test_the_plane_is_decided_over_the_data_set_and_the_same_for_each_order(tmp_path: Path) -> None:
    cases = []
    for index, sides in enumerate([(1.002, 1, 1), (1, 1, 1), (1, 1.003, 1), (6, 1, 1)]):
        path = write_volume(tmp_path / f"{index}.nii.gz", drawn(), moved(sides=sides))
        cases.append(Case(str(index), (path,)))
    config = TrainConfig(data=tmp_path)
    assert look_at_images(cases, config).usual_plane == "axial"
    assert look_at_images(cases[::-1], config).usual_plane == "axial"
    thick = [(1, 5, 1), (1, 4, 1), (1, 1, 1)]
    grids = [Grid(SHAPE, sides, (0, 1, 2)) for sides in thick]
    assert usual_plane(grids) == "coronal"
    assert usual_plane([]) == "axial"


def test_axes_stored_in_another_order_give_the_same_slices() -> None:
    values = np.random.default_rng(0).normal(size=(1, *SHAPE)).astype(np.float32)
    upright = volume(SHAPE, np.diag([1.002, 1.0, 1.0, 1.0]), values)
    order = (2, 0, 1)  # feet to head first
    affine = np.eye(4)
    affine[:3, :3] = np.diag([1.002, 1, 1])[:, order]
    turned = volume(
        tuple(SHAPE[axis] for axis in order), affine, values.transpose(0, *(a + 1 for a in order))
    )
    for plane in ("sagittal", "coronal", "axial"):
        usual = Preparation(usual_plane=plane)
        first, second = (prepare_scan(scan, usual) for scan in (upright, turned))
        assert len(first) == SHAPE[("sagittal", "coronal", "axial").index(plane)]
        np.testing.assert_array_equal(first, second)


def test_the_plane_of_a_data_set_stored_in_another_order() -> None:
    stored = [Grid((10, 12, 14), (1, 1, 1), (2, 1, 0))] * 3
    assert usual_plane(stored) == "sagittal"  # as stored, across the last axis of the files
    thin = [Grid((10, 12, 14), (side, 0.8, 0.8), (2, 1, 0)) for side in (3, 1, 0.5, 0.8, 2)]
    assert usual_plane(thin) == "axial"
    scan = volume((10, 12, 14), np.array(
        [[0, 0, 0.8, 0], [0, 0.8, 0, 0], [0.5, 0, 0, 0], [0, 0, 0, 1]]
    ))  # fmt: skip
    assert slice_axis(scan, AXIAL) == 0  # by spacing alone it would be 2


def test_a_scan_of_another_plane_is_told(tmp_path: Path, capfd: Capture) -> None:
    folder = write_set(tmp_path, {"sform": moved(sides=(1, 1, 4))})
    shape = (10, 14, 12)
    write_volume(folder / "imagesTr" / "c2.nii.gz", drawn(shape), moved(sides=(4, 1, 1)))
    write_volume(folder / "labelsTr" / "c2.nii.gz", drawn(shape), moved(sides=(4, 1, 1)))
    code, rows = check(folder, capfd)
    assert code == 0
    assert errors(rows, "warning") == ["imagesTr/c2.nii.gz"]
    said = one(rows, "imagesTr/c2.nii.gz")["message"]
    assert said == (
        "its voxels (4 x 1 x 1 mm) are coarsest from side to side, so that it is cut into sagittal "
        "slices, where axial ones are usual here"
    )
    assert other_plane(Grid(shape, (4, 1, 1), (2, 0, 1)), "axial") is None


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_pictures_stored_as_a_single_layer_are_one_slice(
    tmp_path: Path, capfd: Capture, axis: int
) -> None:
    shape = tuple(np.insert([32, 40], axis, 1))
    labels = np.zeros(shape, np.uint8)
    labels[tuple(np.insert([slice(8, 20), slice(5, 30)], axis, slice(None)))] = 1
    folder = write_set(tmp_path, {"sform": moved(sides=(1, 1, 1))}, labels=labels, shape=shape)
    code, rows = check(folder, capfd)
    assert code == 0
    assert errors(rows, "warning") == []
    for sides in ((1, 1, 1), (0.5, 1, 3), (3, 1, 0.5)):
        scan = volume(shape, np.diag([*sides, 1.0]))
        assert prepare_scan(scan, Preparation()).shape == (1, 1, 32, 40)
    images = look_at_images(open_data(folder).cases, TrainConfig(data=folder))
    assert images.size == (32, 40)


def test_predict_says_where_it_slices_otherwise_than_in_training(tmp_path: Path) -> None:
    near = write_volume(tmp_path / "near.nii.gz", drawn(), moved(sides=(1.002, 1, 1)))
    thick = write_volume(tmp_path / "thick.nii.gz", drawn(), moved(sides=(4, 1, 1)))
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"no volume")
    scans = [[near], [broken], [thick], [thick]]
    assert plane_notes(Preparation(), scans) == (
        f"{thick}: its voxels (4 x 1 x 1 mm) are coarsest from side to side, so that it is cut "
        "into sagittal slices, where the model was trained on axial ones: look at the result, "
        "and 1 more like it.",
    )
    assert plane_notes(Preparation(), [[near]]) == ()
    assert plane_notes(Preparation(plane="axial"), scans) == ()
    assert plane_notes(Preparation(usual_plane="sagittal"), scans) == ()


def test_the_plane_is_written_into_the_model(tmp_path: Path, capfd: Capture) -> None:
    shape = (16, 32, 32)
    folder = write_set(tmp_path / "data", num_cases=4, shape=shape)
    code = run(
        *("train", "--data", folder, "--run", tmp_path / "run", "--method", "supervised"),
        *("--iterations", "1", "--batch", "2", "--crop", "32", "--resize", "32"),
        *("--encoder", "test_resnet", "--encoder-weights", "none", "--device", "cpu"),
    )
    assert code == 0
    for name, section in (("model.json", "preparation"), ("config.json", None)):
        content = json.loads((tmp_path / "run" / name).read_text())
        assert (content[section] if section else content)["usual_plane"] == "axial"
    assert "pixdim" not in capfd.readouterr().err
