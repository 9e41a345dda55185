"""DICOM SEG of sources as hospitals have them: odd, against the standard, or refused beforehand."""

import subprocess
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from dicom_pictures import make_dataset
from odd_series import COLUMNS, ROWS, STEP_MM, make_series, renewed, write_series
from pydicom import uid
from written_seg import (
    LABELS,
    MEANING,
    RNG,
    dciodvfy_errors,
    needs_dciodvfy,
    needs_dcmqi,
    read_by_dcmqi,
    segments_by_source,
    small_series,
)

from ecs_med.data.readers import ResultMeaning, read_header
from ecs_med.data.readers.dicom.seg_writing import require_writable, write_segmentation
from ecs_med.errors import UnreadableFileError

highdicom = pytest.importorskip("highdicom")

PICTURE = RNG.integers(0, 255, (12, 10, 3)).astype(np.uint8)


@needs_dciodvfy
@pytest.mark.parametrize(
    "oddity", ["direction", "position", "no thickness", "empty thickness", "a single slice"]
)
def test_odd_series_that_are_read_are_written(tmp_path: Path, oddity: str) -> None:
    datasets = make_series()
    if oddity == "direction":
        datasets[4] = renewed(datasets[4], ImageOrientationPatient=[1, 1e-4, 0, -1e-4, 1, 0])
    elif oddity == "position":
        x, y, z = datasets[4].ImagePositionPatient
        datasets[4] = renewed(datasets[4], ImagePositionPatient=[x, y, z + 0.05])
    elif oddity == "no thickness":
        for dataset in datasets:
            del dataset.SliceThickness
    elif oddity == "empty thickness":
        datasets = [renewed(dataset, SliceThickness=None) for dataset in datasets]
    else:
        datasets = datasets[:1]
    files = write_series(tmp_path / "in", datasets)
    labels = RNG.choice(np.array([0, 1, 4], np.uint8), read_header(files).shape)
    require_writable(files)
    write_segmentation(tmp_path / "s.dcm", labels, files, MEANING)
    assert dciodvfy_errors(tmp_path / "s.dcm") == []
    found = segments_by_source(tmp_path / "s.dcm", files)
    np.testing.assert_array_equal(found[..., 0], labels.transpose(2, 1, 0) == 1)
    np.testing.assert_array_equal(found[..., 1], labels.transpose(2, 1, 0) == 4)
    thickness = pydicom.dcmread(tmp_path / "s.dcm").SharedFunctionalGroupsSequence[0]
    measured = thickness.PixelMeasuresSequence[0].SliceThickness
    assert measured == (STEP_MM if "thickness" in oddity else 5)
    sides = read_by_dcmqi(tmp_path / "s.dcm").header.get_zooms()
    np.testing.assert_allclose(sides, read_header(files).spacing_mm, rtol=1e-4)


@needs_dcmqi
def test_a_gap_between_slices_does_not_make_them_as_far_apart_as_they_are_thick(
    tmp_path: Path,
) -> None:
    datasets = make_series()
    labels = np.ones((COLUMNS, ROWS, len(datasets) - 1), np.uint8)
    files = write_series(tmp_path / "in", datasets[:4] + datasets[5:])
    write_segmentation(tmp_path / "s.dcm", labels, files, MEANING)
    image = read_by_dcmqi(tmp_path / "s.dcm")
    np.testing.assert_allclose(image.header.get_zooms()[2], STEP_MM, rtol=1e-4)


@needs_dciodvfy
@pytest.mark.parametrize(
    ("keyword", "value", "written"),
    [
        # What hospitals and anonymizers write, and highdicom or validators refuse.
        ("PatientSex", "m", ""), ("PatientSex", "Weiblich", ""), ("PatientSex", "F", "F"),
        ("PatientBirthDate", "1970", ""), ("PatientBirthDate", "1970.01.02", ""),
        ("PatientBirthDate", "19700230", ""), ("PatientBirthDate", "19700102", "19700102"),
        ("StudyTime", "10:20:30", ""), ("StudyTime", "102030.25", "102030.25"),
        ("StudyTime", "2561", ""), ("PatientAge", "42", ""), ("PatientAge", "042Y", "042Y"),
        ("LossyImageCompression", "", "00"), ("LossyImageCompression", "01", "01"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Invalid value")
def test_values_against_the_standard_are_left_out(
    tmp_path: Path, keyword: str, value: str, written: str
) -> None:
    files = small_series(tmp_path / "in")
    for path in files:
        dataset = pydicom.dcmread(path)
        setattr(dataset, keyword, value)
        dataset.save_as(path)
    require_writable(files)
    write_segmentation(tmp_path / "s.dcm", LABELS, files, MEANING)
    assert dciodvfy_errors(tmp_path / "s.dcm") == []
    assert str(pydicom.dcmread(tmp_path / "s.dcm")[keyword].value or "") == written


@needs_dciodvfy
@pytest.mark.parametrize(
    ("charset", "name"),
    [
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
        ("ISO_IR 144", "Прощай^Лиза"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        ("ISO_IR 6", "Smith^John"),
        ("", "Smith^John"),
    ],
)
def test_letters_of_any_source_are_kept(
    tmp_path: Path, charset: str | list[str], name: str
) -> None:
    files = small_series(tmp_path / "in")
    for path in files:
        dataset = pydicom.dcmread(path)
        dataset.SpecificCharacterSet, dataset.PatientName = charset, name
        dataset.save_as(path)
    require_writable(files)
    write_segmentation(tmp_path / "s.dcm", LABELS, files, MEANING)
    assert dciodvfy_errors(tmp_path / "s.dcm") == []
    written = pydicom.dcmread(tmp_path / "s.dcm")
    assert written.PatientName == name
    assert written.SegmentSequence[1].SegmentLabel == "Tumör"


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian,
                                    uid.DeflatedExplicitVRLittleEndian])  # fmt: skip
def test_large_private_elements_and_any_encoding_are_no_hindrance(
    tmp_path: Path, syntax: uid.UID
) -> None:
    files = small_series(tmp_path / "in")
    for path in files:
        dataset = pydicom.dcmread(path)
        dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 100", "Müller^Jörg"
        # Read only when it is asked for, from a file that may not be open any more.
        block = dataset.private_block(0x1201, "MAKER", create=True)
        block.add_new(1, "OB", bytes(2**20 + 2))
        if syntax == uid.ExplicitVRBigEndian:
            dataset.PixelData = dataset.pixel_array.astype(">i2").tobytes()
        dataset.file_meta.TransferSyntaxUID = syntax
        pydicom.dcmwrite(path, dataset, implicit_vr=syntax.is_implicit_VR,
                         little_endian=syntax.is_little_endian)  # fmt: skip
    write_segmentation(tmp_path / "s.dcm", LABELS, files, MEANING)
    assert (tmp_path / "s.dcm").stat().st_size < 2**20
    assert pydicom.dcmread(tmp_path / "s.dcm").PatientName == "Müller^Jörg"
    found = segments_by_source(tmp_path / "s.dcm", files)
    np.testing.assert_array_equal(found[..., 0], LABELS.transpose(2, 1, 0) == 1)


@needs_dcmqi
def test_a_wrong_spacing_of_the_source_does_not_move_the_mask(tmp_path: Path) -> None:
    files = small_series(tmp_path / "in")
    for path in files:
        dataset = pydicom.dcmread(path)
        dataset.SpacingBetweenSlices = 7
        dataset.save_as(path)
    labels = LABELS * (LABELS == 1)
    write_segmentation(tmp_path / "s.dcm", labels, files, ResultMeaning({0: "", 1: "liver"}))
    (tmp_path / "out").mkdir()
    command = ["segimage2itkimage", "--inputDICOM", "s.dcm", "--outputDirectory", "out"]
    subprocess.run([*command, "--outputType", "nii"], cwd=tmp_path, check=True, capture_output=True)
    (path,) = (tmp_path / "out").glob("*.nii*")
    image = nibabel.load(path)
    np.testing.assert_allclose(image.header.get_zooms(), (0.7, 0.8, 2.5), rtol=1e-5)
    seg = highdicom.seg.segread(tmp_path / "s.dcm")
    assert seg.get_volume_geometry().spacing_between_slices == pytest.approx(2.5)


def _refused(path: Path) -> str:
    with pytest.raises(UnreadableFileError) as error:
        require_writable([path])
    return error.value.reason


def test_what_cannot_be_written_is_known_beforehand(tmp_path: Path) -> None:
    path = tmp_path / "in.dcm"

    def made(**elements: Any) -> Path:
        dataset = make_dataset(PICTURE, **elements)
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.save_as(path, enforce_file_format=True)
        return path

    assert "identifiers of study and series" in _refused(made(StudyInstanceUID=""))
    assert "identifiers of study and series" in _refused(made(SeriesInstanceUID=None))
    retired = "1.2.840.10008.5.1.4.1.1.6"
    assert "headers do not allow" in _refused(made(SOPClassUID=retired, Modality="US"))
    cine = make_dataset(np.stack([PICTURE] * 3), 3)
    cine.save_as(path, enforce_file_format=True)
    assert "several frames without places" in _refused(path)
    files = small_series(tmp_path / "series")
    (slice_path, other, *_) = files
    honest = pydicom.dcmread(other)
    dataset = pydicom.dcmread(other)
    dataset.StudyInstanceUID = uid.generate_uid()
    dataset.save_as(other)
    with pytest.raises(UnreadableFileError, match="of another study than"):
        require_writable(files)
    dataset.StudyInstanceUID = honest.StudyInstanceUID
    dataset.SOPInstanceUID = pydicom.dcmread(slice_path).SOPInstanceUID
    dataset.save_as(other)
    with pytest.raises(
        UnreadableFileError, match=r"has the identifier of .+, though it is another"
    ):
        require_writable(files)
    dataset = pydicom.dcmread(slice_path)
    del dataset.FrameOfReferenceUID
    dataset.save_as(slice_path)
    assert "no frame of reference" in _refused(slice_path)
