"""Data sets of DICOM series: grids and labels come over, and nothing that names a patient."""

import gzip
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from dicom_mask_files import AXIAL, CORONAL, LPS_TO_RAS, in_order, seg, series

import ecs_med
from ecs_med.export import export
from ecs_med.splits import SplitDocument

SHAPE = (32, 34, 4)
SENTINELS = (b"SENTINEL", b"Mueller", b"19690612")


def labels_of(number: int) -> Any:
    labels = np.zeros(SHAPE, np.uint8)
    labels[number + 2 : number + 14, 4:13, 1:3] = 1
    labels[number + 6 : number + 10, 6:10, 2:4] = 2
    return labels


def voxels_of(number: int) -> Any:
    noise = np.random.default_rng(number).normal(0, 60, SHAPE)
    return (noise + np.array([0, 300, 700])[labels_of(number)]).astype(np.int16)


@pytest.fixture(scope="module")
def dicom_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight patients, every third of them coronal, and a run on them."""
    pytest.importorskip("highdicom")
    root = tmp_path_factory.mktemp("dicom")
    for number in range(8):
        folder = root / "data" / f"Mueller_{number}_19690612"
        way = CORONAL if number % 3 == 0 else AXIAL
        files = series(folder / "ct", voxels_of(number), orientation=way, patient=f"M{number}")
        masks = np.stack([labels_of(number) == 1, labels_of(number) == 2], axis=-1)
        seg(folder / "mask.dcm", masks.astype(np.uint8), files, ["Liver", "Tumour"])
    return ecs_med.train({
        "data": root / "data", "run": root / "run", "iterations": 2, "batch": 2, "crop": 32,
        "max_size": 32, "min_size": 0, "device": "cpu", "spacing": "none", "labeled": "50%",
        "encoder": "test_resnet", "encoder_weights": "none",
    })  # fmt: skip


def affine_of(files: list[Path]) -> Any:
    """By the standard: columns, rows and slices of the series to millimetres of RAS."""
    first, second = in_order(files)[:2]
    row, column = np.array(first.ImageOrientationPatient, float).reshape(2, 3)
    origin, following = (np.array(d.ImagePositionPatient, float) for d in (first, second))
    affine = np.eye(4)
    affine[:3, 0] = row * first.PixelSpacing[1]
    affine[:3, 1] = column * first.PixelSpacing[0]
    affine[:3, 2], affine[:3, 3] = following - origin, origin
    return LPS_TO_RAS @ affine


@pytest.mark.parametrize("target", ["nnunet", "msd"])
def test_series_become_nifti_on_their_own_grid_under_numbers(
    dicom_run: Path, tmp_path: Path, target: str
) -> None:
    out = tmp_path / "Dataset009_Livers"
    export(dicom_run, target, out)
    folders = sorted((dicom_run.parent / "data").iterdir())
    known = {voxels_of(number).tobytes(): number for number in range(len(folders))}
    roles = list(SplitDocument.read(dicom_run / "split.json").roles().values())
    channel = "_0000" if target == "nnunet" else ""
    seen = []
    for part in ("Tr", "Ts"):
        for path in sorted((out / f"images{part}").iterdir()):
            image = nibabel.load(path)
            number = known[np.asarray(image.dataobj).tobytes()]
            files = sorted((folders[number] / "ct").iterdir())
            np.testing.assert_allclose(image.affine, affine_of(files), atol=1e-4)
            name = path.name.replace(f"{channel}.nii.gz", "")
            assert name == f"case_{int(name[-5:]):05d}"
            mask = nibabel.load(out / f"labels{part}" / f"{name}.nii.gz")
            np.testing.assert_array_equal(mask.affine, image.affine)
            seen.append((part, number, np.asarray(mask.dataobj)))
    assert sorted(number for _, number, _ in seen) == list(range(len(folders)))
    assert sum(part == "Ts" for part, _, _ in seen) == roles.count("test")
    # Labels of experts came over; the others are the model's.
    experts = sum(np.array_equal(found, labels_of(number)) for _, number, found in seen)
    assert experts == sum(role != "unlabeled" for role in roles)
    described = json.loads((out / "dataset.json").read_text())
    assert {"background", "Liver", "Tumour"} <= {*map(str, described["labels"].values()),
                                                  *described["labels"]}  # fmt: skip


def test_no_byte_of_what_is_written_names_a_patient(dicom_run: Path, tmp_path: Path) -> None:
    export(dicom_run, "nnunet", tmp_path / "out")
    paths = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(paths) > 16
    for path in paths:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        for sentinel in SENTINELS:
            assert sentinel not in content, path.name
            assert sentinel not in str(path.relative_to(tmp_path)).encode()


def test_the_data_set_can_be_trained_on(dicom_run: Path, tmp_path: Path) -> None:
    export(dicom_run, "nnunet", tmp_path / "Dataset009_Livers")
    collection = ecs_med.open_data(tmp_path / "Dataset009_Livers")
    assert collection.layout == "nnunet"
    assert len(collection.cases) == 8
    assert not [p for p in ecs_med.examine(collection) if p.severity == "error"]
