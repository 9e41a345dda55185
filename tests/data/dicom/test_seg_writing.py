"""DICOM SEG out: held against highdicom, dcmqi and dciodvfy, none of which the check here uses."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from dicom_mask_files import AXIAL, CORONAL, OBLIQUE, affine_of, in_order, picture, series
from dicom_pictures import make_dataset, packaged
from odd_series import STEP_MM, make_series, renewed, write_series
from pydicom import uid
from scipy.spatial import cKDTree

from ecs_med.data.readers import ResultMeaning, read_header
from ecs_med.data.readers.dicom import seg_writing
from ecs_med.data.readers.dicom.seg_writing import require_writable, write_segmentation
from ecs_med.errors import UnreadableFileError

highdicom = pytest.importorskip("highdicom")
needs_dciodvfy = pytest.mark.skipif(
    shutil.which("dciodvfy") is None, reason="the program dciodvfy is not installed"
)
needs_dcmqi = pytest.mark.skipif(
    shutil.which("segimage2itkimage") is None, reason="segimage2itkimage (dcmqi) is not installed"
)

SHAPE = (7, 6, 5)
SAGITTAL = (0, 1, 0, 0, 0, -1)
MEANING = ResultMeaning({0: "background", 1: "liver", 4: "Tumör"})
RNG = np.random.default_rng(0)
LABELS = RNG.choice(np.array([0, 1, 4], np.uint8), SHAPE)
PICTURE = RNG.integers(0, 255, (12, 10, 3)).astype(np.uint8)
DRAWN = RNG.choice(np.array([0, 1, 4], np.uint8), PICTURE.shape[:2])


def _series(folder: Path, orientation: Any = AXIAL) -> list[Path]:
    voxels = RNG.integers(-1000, 1000, SHAPE).astype(np.int16)
    return series(folder, voxels, orientation=orientation)


def _errors(path: Path) -> list[str]:
    """What dciodvfy objects to; its exit code too."""
    done = subprocess.run(["dciodvfy", path], capture_output=True, check=False)
    lines = (done.stdout + done.stderr).decode("latin-1").splitlines()
    found = [line for line in lines if line.startswith(("Error", "Abort"))]
    return found + ([f"exit {done.returncode}"] if done.returncode else [])


def _by_source(path: Path, files: list[Path]) -> npt.NDArray[Any]:
    """`(frames, rows, columns, segments)` by highdicom, in the order of the files' datasets."""
    seg = highdicom.seg.segread(path)
    return seg.get_pixels_by_source_instance(
        [dataset.SOPInstanceUID for dataset in in_order(files)],
        assert_missing_frames_are_empty=True,
        ignore_spatial_locations=True,
    )


@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, CORONAL, OBLIQUE])
def test_frames_are_those_of_the_source(tmp_path: Path, orientation: Any) -> None:
    files = _series(tmp_path / "in", orientation)
    write_segmentation(tmp_path / "s.dcm", LABELS, files, MEANING)
    found = _by_source(tmp_path / "s.dcm", files)
    for segment, value in enumerate((1, 4)):
        np.testing.assert_array_equal(found[..., segment], LABELS.transpose(2, 1, 0) == value)
    written = pydicom.dcmread(tmp_path / "s.dcm")
    sources = {str(d.SOPInstanceUID): d for d in in_order(files)}
    assert (written.Rows, written.Columns) == (SHAPE[1], SHAPE[0])
    shared = written.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    for group in written.PerFrameFunctionalGroupsSequence:
        image = group.DerivationImageSequence[0].SourceImageSequence[0]
        source = sources[image.ReferencedSOPInstanceUID]
        position = group.PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(position, source.ImagePositionPatient, atol=1e-6)
        np.testing.assert_allclose(
            shared.ImageOrientationPatient, source.ImageOrientationPatient, atol=1e-6
        )
    (referenced,) = written.ReferencedSeriesSequence
    told = {item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence}
    assert told == set(sources)
    assert referenced.SeriesInstanceUID == next(iter(sources.values())).SeriesInstanceUID


@needs_dciodvfy
@pytest.mark.parametrize("labels", [LABELS, LABELS * 0, LABELS * (LABELS == 1)])
def test_series_and_empty_masks_are_valid(tmp_path: Path, labels: npt.NDArray[np.uint8]) -> None:
    files = _series(tmp_path / "in")
    write_segmentation(tmp_path / "s.dcm", labels, files, MEANING)
    assert _errors(tmp_path / "s.dcm") == []
    seg = highdicom.seg.segread(tmp_path / "s.dcm")
    assert [str(item.SegmentLabel) for item in seg.SegmentSequence] == ["liver", "Tumör"]
    found = _by_source(tmp_path / "s.dcm", files)
    np.testing.assert_array_equal(found[..., 0], labels.transpose(2, 1, 0) == 1)
    np.testing.assert_array_equal(found[..., 1], labels.transpose(2, 1, 0) == 4)


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
    assert _errors(tmp_path / "s.dcm") == []
    found = _by_source(tmp_path / "s.dcm", files)
    np.testing.assert_array_equal(found[..., 0], labels.transpose(2, 1, 0) == 1)
    np.testing.assert_array_equal(found[..., 1], labels.transpose(2, 1, 0) == 4)
    thickness = pydicom.dcmread(tmp_path / "s.dcm").SharedFunctionalGroupsSequence[0]
    measured = thickness.PixelMeasuresSequence[0].SliceThickness
    assert measured == (STEP_MM if "thickness" in oddity else 5)


@needs_dcmqi
@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, CORONAL, OBLIQUE])
def test_dcmqi_reads_the_same_voxels_in_space(tmp_path: Path, orientation: Any) -> None:
    files = _series(tmp_path / "in", orientation)
    write_segmentation(tmp_path / "s.dcm", LABELS, files, MEANING)
    _require_same_places(_by_dcmqi(tmp_path / "s.dcm"), affine_of(files), LABELS)


def _by_dcmqi(path: Path) -> Any:
    """The numbers of segments as dcmqi writes them."""
    out = path.with_name("dcmqi")
    out.mkdir()
    command = ["segimage2itkimage", "--inputDICOM", path, "--outputDirectory", out]
    subprocess.run(
        [*command, "--outputType", "nii", "--mergeSegments"], check=True, capture_output=True
    )
    (merged,) = out.glob("*.nii*")
    return nibabel.load(merged)


def _require_same_places(
    image: Any, affine: npt.NDArray[np.float64], labels: npt.NDArray[np.uint8]
) -> None:
    """Hold the places in space of the segments 1 and 2 against those of the labels 1 and 4."""
    voxels = np.asarray(image.dataobj)
    for number, value in ((1, 1), (2, 4)):
        places = [
            nibabel.affines.apply_affine(own, np.argwhere(where))
            for own, where in ((image.affine, voxels == number), (affine, labels == value))
        ]
        there, wanted = places
        assert there.shape == wanted.shape
        distances, _ = cKDTree(there).query(wanted)
        assert distances.max() < 0.02


@needs_dciodvfy
@needs_dcmqi
def test_a_real_series_with_two_segments(tmp_path: Path) -> None:
    source = Path(__file__).parents[3].parent / "shared" / "data" / "dicom" / "hippocampus_crop_a"
    if not source.is_dir():
        pytest.skip("the series is not there")
    files = sorted(source.iterdir())
    labels = np.zeros(read_header(files).shape, np.uint8)
    labels[5:12, 20:30, 4:20], labels[12:17, 20:30, 6:25] = 1, 4
    require_writable(files)
    write_segmentation(tmp_path / "s.dcm", labels, files, MEANING)
    assert _errors(tmp_path / "s.dcm") == []
    found = _by_source(tmp_path / "s.dcm", files)
    np.testing.assert_array_equal(found[..., 0], labels.transpose(2, 1, 0) == 1)
    np.testing.assert_array_equal(found[..., 1], labels.transpose(2, 1, 0) == 4)
    _require_same_places(_by_dcmqi(tmp_path / "s.dcm"), affine_of(files), labels)


@needs_dciodvfy
@pytest.mark.parametrize(
    ("sop_class", "modality", "gray"),
    [
        (uid.ComputedRadiographyImageStorage, "CR", True),
        (uid.UltrasoundImageStorage, "US", False),
        (uid.VLEndoscopicImageStorage, "ES", False),
        (uid.SecondaryCaptureImageStorage, "OT", False),
        # Kinds that may have several frames, and here have one.
        (uid.UltrasoundMultiFrameImageStorage, "US", False),
        (uid.OphthalmicPhotography8BitImageStorage, "OP", False),
        (uid.XRayRadiofluoroscopicImageStorage, "RF", True),
    ],
)
@pytest.mark.parametrize("framed", [False, True])
def test_pictures_without_a_place_in_space(
    tmp_path: Path, sop_class: str, modality: str, gray: bool, framed: bool
) -> None:
    pixels = PICTURE[..., 0].copy() if gray else PICTURE
    # Sides of pixels without a frame of reference made highdicom's own files unreadable to it.
    dataset = make_dataset(
        pixels, SOPClassUID=sop_class, Modality=modality, PixelSpacing=[0.5, 0.5],
        # Some scanners write one without saying where in it the picture lies.
        FrameOfReferenceUID=uid.generate_uid() if framed else None,
    )  # fmt: skip
    dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.save_as(tmp_path / "in.dcm", enforce_file_format=True)
    require_writable([tmp_path / "in.dcm"])
    write_segmentation(tmp_path / "s.dcm", DRAWN * 0, [tmp_path / "in.dcm"], MEANING)
    assert _errors(tmp_path / "s.dcm") == []
    assert not _by_source(tmp_path / "s.dcm", [tmp_path / "in.dcm"]).any()
    write_segmentation(tmp_path / "s.dcm", DRAWN, [tmp_path / "in.dcm"], MEANING)
    assert _errors(tmp_path / "s.dcm") == []
    found = _by_source(tmp_path / "s.dcm", [tmp_path / "in.dcm"])[0]
    np.testing.assert_array_equal(found[..., 0], DRAWN == 1)
    np.testing.assert_array_equal(found[..., 1], DRAWN == 4)


@needs_dciodvfy
@pytest.mark.parametrize("told", ["once", "by each frame"])
def test_enhanced_ct_of_several_frames(tmp_path: Path, told: str) -> None:
    path = packaged("eCT_Supplemental.dcm")
    if told == "by each frame":
        dataset = pydicom.dcmread(path)
        shared = dataset.SharedFunctionalGroupsSequence[0]
        groups = dataset.PerFrameFunctionalGroupsSequence
        for keyword in ("PlaneOrientationSequence", "PixelMeasuresSequence"):
            found = shared[keyword] if keyword in shared else groups[0][keyword]
            for group in groups:
                group[keyword] = found
            shared.pop(keyword, None)
        path = tmp_path / "in.dcm"
        dataset.save_as(path)
    labels = np.zeros(read_header([path]).shape, np.uint8)
    labels[100:200, 50:80, 0], labels[10:20, 30:90, 1] = 1, 4
    require_writable([path])
    write_segmentation(tmp_path / "s.dcm", labels, [path], MEANING)
    assert _errors(tmp_path / "s.dcm") == []
    seg = highdicom.seg.segread(tmp_path / "s.dcm")
    volume = seg.get_volume(combine_segments=True, relabel=False)
    index = np.argwhere(volume.array == 1)
    lps = nibabel.affines.apply_affine(volume.affine, index)
    wanted = nibabel.affines.apply_affine(read_header([path]).affine, np.argwhere(labels == 1))
    wanted = wanted * (-1, -1, 1)
    order = [found[np.lexsort(np.round(found, 2).T)] for found in (lps, wanted)]
    np.testing.assert_allclose(*order, atol=1e-2)


@needs_dciodvfy
@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("печень", "печень"),
        ("a\\b", "a/b"),
        ("  ", "class 1"),
        ("x\ny", "x y"),
        ("é" * 80, "é" * 32),
    ],
)
def test_any_name_of_a_class_is_a_valid_label(tmp_path: Path, name: str, label: str) -> None:
    files = _series(tmp_path / "in")
    for path in files:
        dataset = pydicom.dcmread(path)
        dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 100", "Müller^Jörg"
        dataset.save_as(path)
    meaning = ResultMeaning({0: "background", 1: name})
    write_segmentation(tmp_path / "s.dcm", LABELS & 1, files, meaning)
    assert _errors(tmp_path / "s.dcm") == []
    written = pydicom.dcmread(tmp_path / "s.dcm")
    assert written.SegmentSequence[0].SegmentLabel == label
    assert written.PatientName == "Müller^Jörg"


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
    files = _series(tmp_path / "in")
    for path in files:
        dataset = pydicom.dcmread(path)
        setattr(dataset, keyword, value)
        dataset.save_as(path)
    require_writable(files)
    write_segmentation(tmp_path / "s.dcm", LABELS, files, MEANING)
    assert _errors(tmp_path / "s.dcm") == []
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
    files = _series(tmp_path / "in")
    for path in files:
        dataset = pydicom.dcmread(path)
        dataset.SpecificCharacterSet, dataset.PatientName = charset, name
        dataset.save_as(path)
    require_writable(files)
    write_segmentation(tmp_path / "s.dcm", LABELS, files, MEANING)
    assert _errors(tmp_path / "s.dcm") == []
    written = pydicom.dcmread(tmp_path / "s.dcm")
    assert written.PatientName == name
    assert written.SegmentSequence[1].SegmentLabel == "Tumör"


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian,
                                    uid.DeflatedExplicitVRLittleEndian])  # fmt: skip
def test_large_private_elements_and_any_encoding_are_no_hindrance(
    tmp_path: Path, syntax: uid.UID
) -> None:
    files = _series(tmp_path / "in")
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
    found = _by_source(tmp_path / "s.dcm", files)
    np.testing.assert_array_equal(found[..., 0], LABELS.transpose(2, 1, 0) == 1)


@needs_dcmqi
def test_a_wrong_spacing_of_the_source_does_not_move_the_mask(tmp_path: Path) -> None:
    files = _series(tmp_path / "in")
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


@needs_dciodvfy
def test_many_classes_and_values_with_gaps(tmp_path: Path) -> None:
    files = _series(tmp_path / "in")
    values = np.arange(0, 600, 2)
    labels = values[RNG.integers(0, len(values), SHAPE)].astype(np.int16)
    meaning = ResultMeaning({int(value): f"part {value}" for value in values})
    write_segmentation(tmp_path / "s.dcm", labels, files, meaning)
    assert _errors(tmp_path / "s.dcm") == []
    seg = highdicom.seg.segread(tmp_path / "s.dcm")
    assert [str(s.SegmentLabel) for s in seg.SegmentSequence] == list(meaning.names.values())[1:]
    uids = [dataset.SOPInstanceUID for dataset in in_order(files)]
    whole = seg.get_pixels_by_source_instance(uids, combine_segments=True)
    np.testing.assert_array_equal(whole, labels.transpose(2, 1, 0) // 2)


def test_values_without_a_meaning_are_not_dropped(tmp_path: Path) -> None:
    files = _series(tmp_path / "in")
    with pytest.raises(ValueError, match="labels hold 2"):
        write_segmentation(tmp_path / "s.dcm", LABELS + 1, files, MEANING)
    with pytest.raises(ValueError, match="does not fit"):
        write_segmentation(tmp_path / "s.dcm", LABELS.T, files, MEANING)
    assert not (tmp_path / "s.dcm").exists()


def _with_other_pixels(made: Any) -> None:
    made.PixelData = bytes([made.PixelData[0] ^ 1]) + made.PixelData[1:]


def _with_other_place(made: Any) -> None:
    place = made.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    place.ImagePositionPatient[2] += 1


def _with_other_source(made: Any) -> None:
    groups = made.PerFrameFunctionalGroupsSequence
    first, last = (groups[i].DerivationImageSequence[0].SourceImageSequence[0] for i in (0, -1))
    first.ReferencedSOPInstanceUID = last.ReferencedSOPInstanceUID


@pytest.mark.parametrize("damage", [_with_other_pixels, _with_other_place, _with_other_source])
def test_what_reads_back_otherwise_is_never_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Any
) -> None:
    files = _series(tmp_path / "in")
    honest = seg_writing._segmentation

    def damaged(*arguments: Any) -> Any:
        made = honest(*arguments)
        damage(made)
        return made

    monkeypatch.setattr(seg_writing, "_segmentation", damaged)
    with pytest.raises(RuntimeError, match="written with another"):
        write_segmentation(tmp_path / "s.dcm", LABELS, files, MEANING)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


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
    files = _series(tmp_path / "series")
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


def test_segments_say_what_they_are_and_who_made_them(tmp_path: Path) -> None:
    path = picture(tmp_path / "in.dcm", PICTURE)
    codes = {"liver": {"category": {"value": "1", "meaning": "Thing"},
                       "type": {"value": "X", "meaning": "Own", "scheme": "99ME"}}}  # fmt: skip
    write_segmentation(tmp_path / "s.dcm", DRAWN, [path], ResultMeaning(dict(MEANING.names), codes))
    written = pydicom.dcmread(tmp_path / "s.dcm")
    first = written.SegmentSequence[0]
    kind = first.SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodeValue, kind.CodingSchemeDesignator, kind.CodeMeaning) == ("X", "99ME", "Own")
    assert first.SegmentedPropertyCategoryCodeSequence[0].CodingSchemeDesignator == "SCT"
    assert first.SegmentAlgorithmType == "AUTOMATIC"
    assert first.SegmentationAlgorithmIdentificationSequence[0].AlgorithmName == "ecs-med"
    assert len({tuple(s.RecommendedDisplayCIELabValue) for s in written.SegmentSequence}) == 2
    assert written.PatientID == "SENTINEL^ID"
