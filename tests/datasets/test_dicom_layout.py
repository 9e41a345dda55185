"""Layout `dicom`: which mask is paired with which series, and what is told of the rest."""

import copy
from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from dicom_mask_files import CORONAL, nifti, picture, seg, series, structures
from PIL import Image
from pydicom.pixels import pack_bits

from ecs_med.config import ReadingSettings
from ecs_med.data.checks.examination import diagnose
from ecs_med.data.layout import available_layouts, open_data
from ecs_med.errors import DataError
from ecs_med.types import CaseCollection
from ecs_med_cli.app import main

SHAPE = (10, 8, 4)
KEPT = ReadingSettings(keep_names=True)


def _voxels(seed: int = 0) -> npt.NDArray[np.int16]:
    return np.random.default_rng(seed).integers(-900, 900, SHAPE).astype(np.int16)


def _labels() -> npt.NDArray[np.uint8]:
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:7, 1:5, 1:3] = 1
    labels[7:9, 3:6, 2:3] = 2
    return labels


def _square(index: int) -> npt.NDArray[np.float64]:
    return np.array([[1.5, 0.5, index], [6.5, 0.5, index], [6.5, 4.5, index], [1.5, 4.5, index]])


def _masks(found: CaseCollection) -> dict[str, str | None]:
    return {case.id: case.mask and case.mask.name for case in found.cases}


def _messages(found: CaseCollection) -> str:
    return "\n".join(f"{p.severity}: {p.message}" for p in found.problems)


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    """Four patients with masks of each kind, and one without."""
    root = tmp_path / "data"
    for number in range(1, 6):
        folder = root / f"P{number:02d}"
        files = series(folder / "ct", _voxels(number), patient=f"ID{number}")
        if number == 1:
            masks = np.stack([_labels() == 1, _labels() == 2], axis=-1).astype(np.uint8)
            seg(folder / "seg" / "s.dcm", masks, files, ["Liver", "Tumour"])
        elif number == 2:
            structures(
                folder / "rt.dcm", files,
                {"tumour": [_square(1)], "LIVER": [_square(2)]}, numbers=[4, 9],
            )  # fmt: skip
        elif number == 3:
            labels = np.stack([_labels() == 2, _labels() == 1], axis=-1).astype(np.uint8)
            seg(folder / "ct" / "mask.dcm", labels, files, ["Tumour", "Liver"])
    return root


def test_a_folder_of_patients_is_understood(patients: Path) -> None:
    pytest.importorskip("highdicom")
    assert [n for n, layout in available_layouts().items() if layout.recognizes(patients)] == [
        "dicom", "folder"
    ]  # fmt: skip
    found = open_data(patients, KEPT)
    assert found.layout == "dicom"
    assert _masks(found) == {
        "P01/ct": "s.dcm", "P02/ct": "rt.dcm", "P03/ct": "mask.dcm", "P04/ct": None,
        "P05/ct": None,
    }  # fmt: skip
    assert all(len(case.images) == SHAPE[2] for case in found.cases)
    assert len({case.patient for case in found.cases}) == 5
    diagnosis = diagnose(found, KEPT)
    assert diagnosis.num_errors == 0, diagnosis.problems
    assert diagnosis.scheme is not None
    assert diagnosis.scheme.class_names == ("background", "Liver", "Tumour")
    counts = (*(int((_labels() == n).sum()) for n in range(3)), 0)
    assert diagnosis.facts["P01/ct"].class_pixels == counts
    assert diagnosis.facts["P03/ct"].class_pixels == counts
    assert diagnosis.facts["P02/ct"].class_pixels == (280, 20, 20, 0)


def test_nifti_masks_by_place_and_by_name(tmp_path: Path) -> None:
    beside = series(tmp_path / "a" / "p1" / "ct", _voxels())
    nifti(tmp_path / "a" / "p1" / "anything.nii.gz", _labels(), beside)
    found = open_data(tmp_path / "a", KEPT)
    assert _masks(found) == {"p1/ct": "anything.nii.gz"}
    for name in ("p1", "p2"):
        files = series(tmp_path / "b" / "scans" / name, _voxels())
        nifti(tmp_path / "b" / "seg" / f"{name}_seg.nii.gz", _labels(), files)
    found = open_data(tmp_path / "b", KEPT)
    assert _masks(found) == {"scans/p1": "p1_seg.nii.gz", "scans/p2": "p2_seg.nii.gz"}


def test_of_several_series_the_one_of_the_same_grid_has_the_mask(tmp_path: Path) -> None:
    root = tmp_path / "d"
    series(root / "p" / "a", _voxels(1))
    files = series(root / "p" / "b", _voxels(2), orientation=CORONAL)
    nifti(root / "p" / "mask.nii.gz", _labels(), files)
    found = open_data(root, KEPT)
    assert _masks(found) == {"p/a": None, "p/b": "mask.nii.gz"}
    assert len({case.patient for case in found.cases}) == 1


def test_a_mask_of_either_of_two_series_is_asked(tmp_path: Path) -> None:
    files = series(tmp_path / "p" / "a", _voxels(1))
    series(tmp_path / "p" / "b", _voxels(2))
    nifti(tmp_path / "p" / "mask.nii.gz", _labels(), files)
    told = _messages(open_data(tmp_path, KEPT))
    assert "error: may be the mask of any of 2 series, such as CT, 10 x 8 x 4" in told
    (tmp_path / "p" / "mask.nii.gz").rename(tmp_path / "p" / "a" / "mask.nii.gz")
    assert _masks(open_data(tmp_path, KEPT)) == {"p/a": "mask.nii.gz", "p/b": None}


def test_two_masks_of_one_series_are_an_error_unless_one_is_called_so(tmp_path: Path) -> None:
    files = series(tmp_path / "p" / "ct", _voxels())
    nifti(tmp_path / "p" / "ct.nii.gz", _voxels(), files)
    nifti(tmp_path / "p" / "seg.nii.gz", _labels(), files)
    found = open_data(tmp_path, KEPT)
    assert _masks(found) == {"p/ct": "seg.nii.gz"}
    assert "note: 1 image(s) lie beside a mask and are not used" in _messages(found)
    nifti(tmp_path / "p" / "seg2.nii.gz", _labels(), files)
    assert "error: is one of 3 masks of one series" in _messages(open_data(tmp_path, KEPT))


def test_a_mask_of_a_series_that_is_not_there_is_told(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    series(tmp_path / "d" / "p", _voxels())
    files = series(tmp_path / "elsewhere", _voxels())
    masks = (_labels() == 1)[..., None].astype(np.uint8)
    seg(tmp_path / "d" / "p" / "m.dcm", masks, files, ["Liver"])
    told = _messages(open_data(tmp_path / "d", KEPT))
    assert "warning: is the mask of no series here, and is not used" in told


def test_several_series_in_one_folder_and_what_is_no_case(tmp_path: Path) -> None:
    files = series(tmp_path / "p", _voxels())
    for path in files:
        path.rename(path.with_name(f"first{path.name}"))
    series(tmp_path / "p", _voxels(1))
    series(tmp_path / "p" / "scout", _voxels()[:, :, :1])
    (tmp_path / "p" / "README.txt").write_text("x")
    found = open_data(tmp_path, KEPT)
    assert sorted(_masks(found)) == ["p-1", "p-2"]
    told = _messages(found)
    assert "1 series of fewer than 3 slices" in told
    assert "1 file(s) are no images" in told


def test_a_slice_is_no_case_in_other_layouts(tmp_path: Path) -> None:
    files = series(tmp_path / "images", _voxels())
    nifti(tmp_path / "masks" / "I000.nii.gz", _labels(), files)
    assert open_data(tmp_path, KEPT).layout == "dicom"
    with pytest.raises(DataError, match=r"is a slice of a DICOM series.*`layout=dicom`"):
        open_data(tmp_path, ReadingSettings(layout="folder"))


def test_pictures_beside_png_are_of_the_layout_folder(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 3)).astype(np.uint8)
    (tmp_path / "masks").mkdir()
    for number in range(3):
        picture(tmp_path / "images" / f"{number}.dcm", pixels)
        Image.fromarray(pixels[..., 0] // 128).save(tmp_path / "masks" / f"{number}.png")
    found = open_data(tmp_path)
    assert found.layout == "folder"
    assert _masks(found) == {f"images/{n}": f"{n}.png" for n in range(3)}
    diagnosis = diagnose(found)
    assert diagnosis.num_errors == 0, diagnosis.problems


def test_pictures_are_cases_each_with_its_mask(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 3)).astype(np.uint8)
    labels = np.zeros((12, 9, 1, 1), np.uint8)
    labels[3:8, 2:5] = 1
    for number in range(3):
        image = picture(tmp_path / "p" / f"{number}.dcm", pixels + number)
        if number < 2:
            seg(tmp_path / "p" / f"s{number}.dcm", labels, [image], ["Polyp"])
    found = open_data(tmp_path, KEPT)
    assert _masks(found) == {"p/0": "s0.dcm", "p/1": "s1.dcm", "p/2": None}
    diagnosis = diagnose(found, KEPT)
    assert diagnosis.num_errors == 0, diagnosis.problems
    assert diagnosis.facts["p/0"].class_pixels == (9 * 12 - 15, 15, 0)


def test_one_file_may_hold_the_masks_of_several_pictures(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 3)).astype(np.uint8)
    images = [picture(tmp_path / f"{n}.dcm", pixels + n, group="2.25.7") for n in range(2)]
    labels = np.zeros((12, 9, 2), np.uint8)
    labels[3:8, 2:5, 0], labels[1:3, 2:5, 1] = 1, 1
    path = seg(tmp_path / "mask.dcm", labels[:, :, :1, None], images[:1], ["Polyp"])
    # No library writes a second frame without positions.
    mask, second = pydicom.dcmread(path), pydicom.dcmread(images[1])
    mask.PerFrameFunctionalGroupsSequence.append(
        copy.deepcopy(mask.PerFrameFunctionalGroupsSequence[0])
    )
    derived = mask.PerFrameFunctionalGroupsSequence[1].DerivationImageSequence[0]
    derived.SourceImageSequence[0].ReferencedSOPInstanceUID = second.SOPInstanceUID
    mask.NumberOfFrames = 2
    mask.PixelData = pack_bits(labels.transpose(2, 1, 0).ravel())
    mask.save_as(path)
    found = open_data(tmp_path, KEPT)
    assert _masks(found) == {"0": "mask.dcm", "1": "mask.dcm"}
    diagnosis = diagnose(found, KEPT)
    assert {p.severity for p in diagnosis.problems} == {"note"}, diagnosis.problems
    assert [f.class_pixels for f in diagnosis.facts.values()] == [(93, 15, 0), (102, 6, 0)]


def test_no_name_of_a_patient_file_or_folder_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("highdicom")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    root = tmp_path / "data"
    for number in range(4):
        folder = root / f"DOE_JOHN_{number}"
        files = series(folder / "SENTINELDIR", _voxels(number), patient=f"SENTINEL{number}")
        if number < 3:
            masks = np.stack([_labels() == 1, _labels() == 2], axis=-1).astype(np.uint8)
            seg(folder / "SENTINELMASK.dcm", masks, files, ["Liver", "Tumour"])
    lost = series(tmp_path / "elsewhere", _voxels())
    seg(root / "SENTINELLOST.dcm", masks, lost, ["Liver", "Tumour"])
    found = open_data(root)
    assert [case.mask is None for case in found.cases].count(True) == 1
    shown = [f"{case.id} {case.patient} {case.images} {case.mask}" for case in found.cases]
    with pytest.raises(SystemExit) as ended:
        main(["check", str(root)])
    assert not ended.value.code
    text = "".join(capsys.readouterr()) + "".join(shown)
    assert "No errors, 1 warning" in text, text
    assert "SENTINEL" not in text
    assert "DOE" not in text
    # A mistake is told of the link, which leads to the file.
    labels = np.stack([_labels() > 0, _labels() == 2], axis=-1).astype(np.uint8)
    seg(root / "DOE_JOHN_1" / "SENTINELMASK.dcm", labels, files, ["Liver", "Tumour"])
    (wrong,) = [p for p in diagnose(open_data(root)).problems if p.severity == "error"]
    assert "SENTINEL" not in wrong.sentence()
    assert "DOE" not in wrong.sentence()
    assert wrong.path is not None
    assert wrong.path.resolve() == root / "DOE_JOHN_1" / "SENTINELMASK.dcm"


@pytest.mark.parametrize("keep_names", [True, False])
def test_uneven_slices_are_brought_onto_a_grid_where_that_is_asked(
    patients: Path, keep_names: bool
) -> None:
    pytest.importorskip("highdicom")
    (uneven,) = (case for case in open_data(patients, KEPT).cases if case.id == "P05/ct")
    slices = [pydicom.dcmread(path) for path in uneven.images]
    heights = sorted(float(one.ImagePositionPatient[2]) for one in slices)
    for one, path in zip(slices, uneven.images, strict=True):
        x, y, z = (float(value) for value in one.ImagePositionPatient)
        moved = z + heights[1] - heights[0] if z == heights[-1] else z
        one.ImagePositionPatient = [x, y, moved]
        one.save_as(path)
    settings = ReadingSettings(keep_names=keep_names)
    refused = diagnose(open_data(patients, settings), settings)
    assert [p.severity for p in refused.problems if "apart" in p.message] == ["error"]
    asked = ReadingSettings(keep_names=keep_names, resample=True)
    found = open_data(patients, asked)
    assert "note: 4 slices, tilted or uneven, are brought onto a grid" in _messages(found)
    (grid,) = (case for case in found.cases if len(case.images) == 1)
    assert nibabel.load(grid.images[0].resolve()).shape[2] > SHAPE[2]
    assert not [p for p in diagnose(found, asked).problems if "apart" in p.message]
    assert "P05" not in grid.id or keep_names


def test_text_in_pixels_is_told_once_with_a_count(tmp_path: Path) -> None:
    for number in range(4):
        path = picture(tmp_path / f"p{number}.dcm", np.full((8, 8, 3), number, np.uint8))
        dataset = pydicom.dcmread(path)
        dataset.BurnedInAnnotation = ("YES", "NO", "YES", "YES")[number]
        dataset.save_as(path)
    told = [p for p in open_data(tmp_path).problems if "burned" in p.message]
    assert [p.message for p in told] == [
        "its header says that text is burned into its pixels (so of 3 scans)"
    ]
    assert told[0].severity == "warning"
    assert told[0].path is not None
    assert told[0].path.resolve() in [tmp_path / f"p{number}.dcm" for number in (0, 2, 3)]
