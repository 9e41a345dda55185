"""Data sets and scans of NRRD and MetaImage are those of NIfTI."""

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from situations.inputs_space import ORDERS, noise, random_model, rotated, write_nifti

import ecs_med
from ecs_med.data.checks.examination import examine
from ecs_med.data.layout import open_data
from ecs_med.data.readers import read_header
from ecs_med.inference.inputs import find_inputs
from ecs_med.inference.predict import predict_files

sitk = pytest.importorskip("SimpleITK")
sitk.ProcessObject.SetGlobalWarningDisplay(False)

SHAPE = (20, 14, 11)
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def converted(source: Path, target: Path) -> Path:
    """By ITK, of NIfTI."""
    target.parent.mkdir(parents=True, exist_ok=True)
    packed = not target.name.endswith((".mhd", ".nhdr"))
    sitk.WriteImage(sitk.ReadImage(str(source)), str(target), packed)
    return target


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as of nnU-Net: five volumes of two bright boxes, each with its mask."""
    root = tmp_path_factory.mktemp("formats") / "nifti"
    for index in range(5):
        labels = np.zeros((24, 28, 10), np.uint8)
        labels[4 + index : 12 + index, 5:12, 2:8] = 1
        labels[14:20, 16:22, 3 : 6 + index] = 2
        values = (noise(labels.shape, index) // 10 + 90 * labels).astype(np.int16)
        affine = rotated((1, 1, 1.5))
        write_nifti(root / "imagesTr" / f"c{index}_0000.nii.gz", values, affine)
        write_nifti(root / "labelsTr" / f"c{index}.nii.gz", labels, affine)
    describe(root, ".nii.gz")
    return root


def describe(root: Path, ending: str) -> None:
    content = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "one": 1, "two": 2},
        "numTraining": 5,
        "file_ending": ending,
    }
    (root / "dataset.json").write_text(json.dumps(content))


def in_format(data: Path, ending: str, root: Path) -> Path:
    for path in sorted(data.rglob("*.nii.gz")):
        target = root / path.relative_to(data)
        converted(path, target.with_name(target.name.replace(".nii.gz", ending)))
    describe(root, ending)
    return root


def losses(data: Path, run: Path) -> list[Any]:
    ecs_med.train(
        {
            "data": data,
            "run": run,
            "method": "supervised",
            "iterations": 3,
            "batch": 2,
            "crop": 32,
            "max_size": 32,
            "min_size": 32,
            "evaluate_every": 3,
            "encoder": "test_resnet",
            "encoder_weights": "none",
            "device": "cpu",
            "cache": run.parent / "cache",
        }
    )
    lines = (run / "history.jsonl").read_text().splitlines()
    return [row["losses"] for row in map(json.loads, lines) if row["kind"] == "train"]


def test_training_on_nrrd_gives_the_losses_of_nifti(data: Path, tmp_path: Path) -> None:
    expected = losses(data, tmp_path / "first")
    assert len(expected) > 1
    other = in_format(data, ".nrrd", tmp_path / "nrrd")
    assert losses(other, tmp_path / "second") == expected
    # The last cases as headers with their voxels beside them.
    beside = in_format(data, ".mhd", tmp_path / "mhd")
    assert losses(beside, tmp_path / "third") == expected


@pytest.mark.parametrize("ending", [".nrrd", ".mha", ".nhdr", ".mhd"])
def test_layouts_account_for_every_file(data: Path, tmp_path: Path, ending: str) -> None:
    root = in_format(data, ending, tmp_path / "set")
    collection = open_data(root)
    assert collection.layout == "nnunet"
    assert len(collection.cases) == 5
    assert all(case.mask is not None for case in collection.cases)
    usual = [problem.message for problem in examine(open_data(data))]
    assert [problem.message for problem in examine(collection)] == usual
    folders = tmp_path / "folders"
    for path in sorted(data.glob("labelsTr/*.nii.gz")):
        name = path.name.removesuffix(".nii.gz")
        converted(path, folders / name / f"segmentation{ending}")
        converted(data / "imagesTr" / f"{name}_0000.nii.gz", folders / name / f"imaging{ending}")
    collection = open_data(folders)
    assert collection.layout == "case_folders"
    assert [len(case.images) for case in collection.cases] == [1] * 5
    assert collection.problems == ()


def test_voxels_beside_a_header_are_no_files_of_their_own(data: Path, tmp_path: Path) -> None:
    """Whatever they are called: `.img` is elsewhere a format that is not read."""
    scans = tmp_path / "scans"
    for name in ("a", "b"):
        path = converted(data / "imagesTr" / "c0_0000.nii.gz", scans / f"{name}.mhd")
        (scans / f"{name}.raw").rename(scans / f"{name}.img")
        path.write_text(path.read_text().replace(".raw", ".img"))
    found = find_inputs([scans])
    assert [item.path.name for item in found.items] == ["a.mhd", "b.mhd"]
    assert found.told() == []
    (scans / "c.img").touch()
    assert "c.img" in " ".join(find_inputs([scans]).told())


@pytest.mark.parametrize("ending", [".nrrd", ".mha", ".mhd"])
def test_results_are_nrrd_on_the_grid_of_the_scan(tmp_path: Path, ending: str) -> None:
    model = random_model(tmp_path / "run")
    source = write_nifti(tmp_path / "a.nii", noise(SHAPE), rotated((0.9, 0.7, 2.5), 23))
    scan = converted(source, tmp_path / "scans" / f"a{ending}")
    report = predict_files(model, tmp_path / "scans", tmp_path / "out")
    assert report.failures == {}
    (written,) = report.written.values()
    assert written.name == "a.nrrd"
    np.testing.assert_array_equal(read_header([written]).affine, read_header([scan]).affine)
    shown, said = sitk.ReadImage(str(written)), sitk.ReadImage(str(scan))
    for name in ("GetOrigin", "GetSpacing", "GetDirection"):
        np.testing.assert_allclose(getattr(shown, name)(), getattr(said, name)(), atol=1e-12)
    expected = ecs_med.segment(model, scan).labels
    np.testing.assert_array_equal(sitk.GetArrayFromImage(shown).transpose(2, 1, 0), expected)


def test_all_48_orders_as_nrrd_give_labels_that_are_equal_in_space(tmp_path: Path) -> None:
    values, affine = noise(SHAPE), rotated((0.9, 0.7, 2.5), 23)
    model = random_model(tmp_path / "run", max_size=24, min_size=24)
    original = None
    for number, order in enumerate(ORDERS):
        placed = LPS @ order.affine(affine, SHAPE)
        image = sitk.GetImageFromArray(order.copy(values).transpose(2, 1, 0))
        spacing = np.linalg.norm(placed[:3, :3], axis=0)
        image.SetSpacing(spacing.tolist())
        image.SetDirection((placed[:3, :3] / spacing).ravel().tolist())
        image.SetOrigin(placed[:3, 3].tolist())
        path = tmp_path / f"{number}.nrrd"
        sitk.WriteImage(image, str(path), True)
        labels = ecs_med.segment(model, path).labels
        original = labels if original is None else original
        np.testing.assert_array_equal(labels, order.copy(original), err_msg=str(order))
    assert set(np.unique(original)) == {0, 1, 2}


def test_a_link_to_a_header_finds_the_voxels_beside_it(data: Path, tmp_path: Path) -> None:
    path = converted(data / "imagesTr" / "c0_0000.nii.gz", tmp_path / "real" / "a.mhd")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "0001.mhd").symlink_to(path)
    scan = ecs_med.read_scan(tmp_path / "links" / "0001.mhd")
    expected = nibabel.load(data / "imagesTr" / "c0_0000.nii.gz").dataobj
    np.testing.assert_array_equal(scan.array[0], expected)
    shutil.rmtree(path.parent)
