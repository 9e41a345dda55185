"""DICOM SEG out: held against highdicom, dcmqi and dciodvfy, none of which the check here uses."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from dicom_mask_files import AXIAL, CORONAL, OBLIQUE, affine_of, in_order, picture
from dicom_pictures import make_dataset, packaged
from pydicom import uid
from written_seg import (
    LABELS,
    MEANING,
    RNG,
    SHAPE,
    dciodvfy_errors,
    needs_dciodvfy,
    needs_dcmqi,
    read_by_dcmqi,
    require_same_places,
    segments_by_source,
    small_series,
)

from ecs_med.data.readers import ResultMeaning, read_header
from ecs_med.data.readers.dicom import seg_writing
from ecs_med.data.readers.dicom.seg_writing import require_writable, write_segmentation

highdicom = pytest.importorskip("highdicom")

SAGITTAL = (0, 1, 0, 0, 0, -1)
PICTURE = RNG.integers(0, 255, (12, 10, 3)).astype(np.uint8)
DRAWN = RNG.choice(np.array([0, 1, 4], np.uint8), PICTURE.shape[:2])


@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, CORONAL, OBLIQUE])
def test_frames_are_those_of_the_source(tmp_path: Path, orientation: Any) -> None:
    files = small_series(tmp_path / "in", orientation)
    write_segmentation(tmp_path / "s.dcm", LABELS, files, MEANING)
    found = segments_by_source(tmp_path / "s.dcm", files)
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
    files = small_series(tmp_path / "in")
    write_segmentation(tmp_path / "s.dcm", labels, files, MEANING)
    assert dciodvfy_errors(tmp_path / "s.dcm") == []
    seg = highdicom.seg.segread(tmp_path / "s.dcm")
    assert [str(item.SegmentLabel) for item in seg.SegmentSequence] == ["liver", "Tumör"]
    found = segments_by_source(tmp_path / "s.dcm", files)
    np.testing.assert_array_equal(found[..., 0], labels.transpose(2, 1, 0) == 1)
    np.testing.assert_array_equal(found[..., 1], labels.transpose(2, 1, 0) == 4)


@needs_dcmqi
@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, CORONAL, OBLIQUE])
def test_dcmqi_reads_the_same_voxels_in_space(tmp_path: Path, orientation: Any) -> None:
    files = small_series(tmp_path / "in", orientation)
    write_segmentation(tmp_path / "s.dcm", LABELS, files, MEANING)
    require_same_places(read_by_dcmqi(tmp_path / "s.dcm"), affine_of(files), LABELS)


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
    assert dciodvfy_errors(tmp_path / "s.dcm") == []
    found = segments_by_source(tmp_path / "s.dcm", files)
    np.testing.assert_array_equal(found[..., 0], labels.transpose(2, 1, 0) == 1)
    np.testing.assert_array_equal(found[..., 1], labels.transpose(2, 1, 0) == 4)
    require_same_places(read_by_dcmqi(tmp_path / "s.dcm"), affine_of(files), labels)


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
    assert dciodvfy_errors(tmp_path / "s.dcm") == []
    assert not segments_by_source(tmp_path / "s.dcm", [tmp_path / "in.dcm"]).any()
    write_segmentation(tmp_path / "s.dcm", DRAWN, [tmp_path / "in.dcm"], MEANING)
    assert dciodvfy_errors(tmp_path / "s.dcm") == []
    found = segments_by_source(tmp_path / "s.dcm", [tmp_path / "in.dcm"])[0]
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
    assert dciodvfy_errors(tmp_path / "s.dcm") == []
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
    files = small_series(tmp_path / "in")
    for path in files:
        dataset = pydicom.dcmread(path)
        dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 100", "Müller^Jörg"
        dataset.save_as(path)
    meaning = ResultMeaning({0: "background", 1: name})
    write_segmentation(tmp_path / "s.dcm", LABELS & 1, files, meaning)
    assert dciodvfy_errors(tmp_path / "s.dcm") == []
    written = pydicom.dcmread(tmp_path / "s.dcm")
    assert written.SegmentSequence[0].SegmentLabel == label
    assert written.PatientName == "Müller^Jörg"


@needs_dciodvfy
def test_many_classes_and_values_with_gaps(tmp_path: Path) -> None:
    files = small_series(tmp_path / "in")
    values = np.arange(0, 600, 2)
    labels = values[RNG.integers(0, len(values), SHAPE)].astype(np.int16)
    meaning = ResultMeaning({int(value): f"part {value}" for value in values})
    write_segmentation(tmp_path / "s.dcm", labels, files, meaning)
    assert dciodvfy_errors(tmp_path / "s.dcm") == []
    seg = highdicom.seg.segread(tmp_path / "s.dcm")
    assert [str(s.SegmentLabel) for s in seg.SegmentSequence] == list(meaning.names.values())[1:]
    uids = [dataset.SOPInstanceUID for dataset in in_order(files)]
    whole = seg.get_pixels_by_source_instance(uids, combine_segments=True)
    np.testing.assert_array_equal(whole, labels.transpose(2, 1, 0) // 2)


def test_labels_of_classes_are_told_apart(tmp_path: Path) -> None:
    files = small_series(tmp_path / "in")
    names = ["a\\b", "a/b", "x" * 70, "x" * 80, "\ud800", "a/b"]
    meaning = ResultMeaning(dict(enumerate(["background", *names])))
    write_segmentation(tmp_path / "s.dcm", LABELS, files, meaning)
    found = [str(s.SegmentLabel) for s in pydicom.dcmread(tmp_path / "s.dcm").SegmentSequence]
    assert found == ["a/b", "a/b 2", "x" * 64, "x" * 62 + " 4", "?", "a/b 6"]


def test_values_without_a_meaning_are_not_dropped(tmp_path: Path) -> None:
    files = small_series(tmp_path / "in")
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
    files = small_series(tmp_path / "in")
    honest = seg_writing._segmentation

    def damaged(*arguments: Any) -> Any:
        made = honest(*arguments)
        damage(made)
        return made

    monkeypatch.setattr(seg_writing, "_segmentation", damaged)
    with pytest.raises(RuntimeError, match="written with another"):
        write_segmentation(tmp_path / "s.dcm", LABELS, files, MEANING)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


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
