"""Results in several formats: the same voxels in each, and refusals before a model runs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from dicom_mask_files import AXIAL, OBLIQUE, affine_of, in_order, picture, series
from dicom_pictures import make_dataset
from PIL import Image

from ecs_med.data.masks.reading import LabelScheme
from ecs_med.data.readers import available_readers, read_header
from ecs_med.data.readers.dicom import seg_writing
from ecs_med.data.readers.nifti import NiftiReader
from ecs_med.errors import (
    EcsMedError,
    MissingExtraError,
    SettingsError,
    SomeInputsFailed,
    UnreadableFileError,
)
from ecs_med.inference.formats import read_codes
from ecs_med.inference.predict import predict
from ecs_med.runs.outputs import own_outputs

RNG = np.random.default_rng(0)
SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "dicom"
SPACING = (0.7, 0.8, 2.5)
VOXELS = RNG.choice(np.array([0, 100], np.int16), (7, 6, 5))


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def _affine_points(affine, where):
    points = nibabel.affines.apply_affine(affine, np.argwhere(where))
    return points[np.lexsort(np.round(points, 2).T)]


@pytest.mark.parametrize("orientation", [AXIAL, OBLIQUE])
def test_seg_and_nifti_hold_the_same_voxels(make_model, orientation):
    highdicom = pytest.importorskip("highdicom")
    files = series(Path("in"), VOXELS, orientation=orientation, spacing=SPACING)
    report = predict("in", model=make_model("volume"), to="dicom-seg,nifti,nrrd", output="out")
    ((first, *further),) = report.files.values()
    names = [first.name, *(path.name for path in further)]
    assert names == [f"{first.stem}{suffix}" for suffix in (".dcm", ".nii.gz", ".nrrd")]
    for path in (first, *further):
        assert own_outputs(path.parent).holds(path.name)
    slicer = read_header([further[1]])
    np.testing.assert_allclose(slicer.affine, affine_of(files), atol=1e-5)
    stored = available_readers()["nrrd"].read_stored_labels(further[1]).values
    np.testing.assert_array_equal(stored, VOXELS > 50)
    assert list(report.written.values()) == [first]
    volume = nibabel.load(further[0])
    np.testing.assert_array_equal(np.asarray(volume.dataobj), VOXELS > 50)
    np.testing.assert_allclose(volume.affine, affine_of(files), atol=1e-5)
    seg = highdicom.seg.segread(first)
    read = seg.get_volume(combine_segments=True, allow_missing_positions=True)
    in_ras = np.diag([-1, -1, 1, 1]) @ read.affine
    np.testing.assert_allclose(
        _affine_points(in_ras, read.array == 1),
        _affine_points(volume.affine, np.asarray(volume.dataobj) == 1),
        atol=1e-3,
    )
    mm3 = [np.abs(np.linalg.det(a[:3, :3])) * n for a, n in (
        (in_ras, np.count_nonzero(read.array)), (volume.affine, np.count_nonzero(volume.dataobj))
    )]  # fmt: skip
    np.testing.assert_allclose(mm3[0], mm3[1], rtol=1e-4)  # decimals of directions
    assert [note for note in report.notes if "patient's name" in note] == [report.notes[-1]]


def test_nifti_of_a_series_says_where_it_lies_and_nothing_else(make_model):
    files = series(Path("in"), VOXELS, orientation=OBLIQUE, spacing=SPACING)
    report = predict("in", model=make_model("volume"), certainty=True)
    ((labels, certainty),) = report.files.values()
    for path in (labels, certainty):
        header = nibabel.load(path).header
        assert header.get_xyzt_units()[0] == "mm"
        assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 1)
        np.testing.assert_allclose(header.get_sform(), affine_of(files), atol=1e-5)
        np.testing.assert_allclose(header.get_qform(), affine_of(files), atol=1e-4)
        np.testing.assert_allclose(header.get_zooms(), SPACING, rtol=1e-5)
        assert (header["descrip"], header["aux_file"]) == (b"", b"")
        assert not header.extensions


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.nii.gz", ".nii.gz"), ("series", ".nii.gz"), ("photo.dcm", ".png"), ("a.jpg", ".png")],
)
def test_where_none_is_asked_for_formats_suit_the_input(
    make_model, write_picture, write_volume, name, suffix
):
    kind = "volume" if suffix == ".nii.gz" else "picture"
    if name == "a.nii.gz":
        write_volume(Path(name), VOXELS)
    elif name == "series":
        series(Path(name), VOXELS)
    elif name == "a.jpg":
        write_picture(Path(name), VOXELS[..., 0])
    else:
        picture(Path(name), RNG.integers(0, 255, (8, 9, 3)).astype(np.uint8))
    report = predict(name, model=make_model(kind), output="out")
    ((path,),) = report.files.values()
    assert path.name.endswith(suffix)
    assert path.parent == Path("out")
    assert not [note for note in report.notes if "patient's name" in note]


def test_what_segmentations_carry_is_said_once(make_model):
    pytest.importorskip("highdicom")
    for name in ("one", "two"):
        series(Path("in", name), VOXELS)
    report = predict("in", model=make_model("volume"), to="nifti,dicom-seg", output="out")
    assert len(report.written) == 2
    assert len([note for note in report.notes if "patient's name" in note]) == 1


def test_certainty_beside_seg_is_nifti_of_volumes_and_png_of_pictures(make_model):
    pytest.importorskip("highdicom")
    series(Path("volume"), VOXELS)
    report = predict("volume", model=make_model("volume"), to="dicom-seg", certainty=True)
    assert [path.name[-7:] for path in next(iter(report.files.values()))][1] == ".nii.gz"
    picture(Path("photo.dcm"), RNG.integers(0, 255, (8, 9, 3)).astype(np.uint8))
    report = predict("photo.dcm", model=make_model(), to="dicom-seg,png", certainty=True)
    assert [path.suffix for path in next(iter(report.files.values()))] == [".dcm", ".png", ".png"]


@pytest.mark.parametrize("name", ["a.png", "a.nii.gz", "cine.dcm", "volume", "bare"])
def test_formats_that_cannot_be_are_refused_before_the_model_runs(
    make_model, write_picture, write_volume, name
):
    pytest.importorskip("highdicom")
    kind, to = "volume", "dicom-seg"
    if name == "a.png":
        kind, to = "picture", "nifti"
        write_picture(Path(name), VOXELS[..., 0])
    elif name == "a.nii.gz":
        write_volume(Path(name), VOXELS)
    elif name == "cine.dcm":
        kind = "picture"
        frames = np.zeros((2, 8, 9, 3), np.uint8)
        make_dataset(frames, 2).save_as(name, enforce_file_format=True)
    elif name == "volume":
        to = "png"
        series(Path(name), VOXELS)
    else:
        for path in series(Path(name), VOXELS):
            dataset = pydicom.dcmread(path)
            dataset.StudyInstanceUID = ""
            dataset.save_as(path)
    model = make_model(kind)
    with pytest.raises((UnreadableFileError, SomeInputsFailed)) as error:
        predict(name, model=model, to=to, output="out")
    assert model.segmenter.calls == []
    assert error.value.exit_code == (3 if name == "cine.dcm" else 2)
    assert str(error.value).count("\n") == 0
    assert not list(Path().glob("out/*.dcm"))


def test_an_input_that_cannot_have_a_format_does_not_stop_the_others(make_model, write_volume):
    pytest.importorskip("highdicom")
    series(Path("in/series"), VOXELS)
    write_volume(Path("in/a.nii.gz"), VOXELS)
    model = make_model("volume")
    with pytest.raises(SomeInputsFailed, match="1 of 2 inputs failed"):
        predict("in", model=model, to="dicom-seg,nifti", output="out")
    (reason,) = json.loads(Path("out/failures.json").read_text()).values()
    assert "cannot have results as DICOM" in reason
    assert len(list(Path("out").rglob("*.dcm"))) == 1
    assert len(list(Path("out").rglob("*.nii.gz"))) == 1


def test_existing_results_are_skipped_only_where_all_formats_are_there(make_model):
    pytest.importorskip("highdicom")
    series(Path("in"), VOXELS)
    model = make_model("volume")
    predict("in", model=model, to="nifti", output="out")
    model.segmenter.calls.clear()
    report = predict("in", model=model, to="nifti,dicom-seg", output="out", skip_existing=True)
    assert len(report.written) == 1
    assert model.segmenter.calls
    model.segmenter.calls.clear()
    report = predict("in", model=model, to="dicom-seg", output="out", skip_existing=True)
    assert (report.written, len(report.skipped)) == ({}, 1)
    assert model.segmenter.calls == []


def test_own_segmentations_are_not_taken_for_scans(make_model):
    pytest.importorskip("highdicom")
    series(Path("in"), VOXELS)
    predict("in", model=make_model("volume"), to="dicom-seg", output="in/results")
    report = predict("in", model=make_model("volume"), to="nifti", output="elsewhere")
    assert len(report.written) == 1


def test_names_of_formats_are_checked(make_model, write_picture):
    write_picture(Path("a.png"), VOXELS[..., 0])
    with pytest.raises(SettingsError, match=r"no format 'tiff' for results; `to` takes dicom-seg"):
        predict("a.png", model=make_model(), to="png,tiff")
    assert list(predict("a.png", model=make_model(), to=("png", "png")).files.values()) == [
        (Path("predictions/a.png"),)
    ]


def test_a_file_name_holds_one_format_of_one_input(make_model, write_picture, write_volume):
    write_volume(Path("a.nii.gz"), VOXELS)
    pytest.importorskip("highdicom")
    series(Path("in"), VOXELS)
    model = make_model("volume")
    with pytest.raises(SettingsError, match="names one file, but there are 2 formats"):
        predict("in", model=model, to="dicom-seg,nifti", output="x.nii.gz")
    # The input's own fault comes before that of the name.
    write_picture(Path("a.png"), VOXELS[..., 0])
    with pytest.raises(UnreadableFileError, match="no place in space"):
        predict("a.png", model=model, to="png,nifti", output="x.png")
    assert predict("in", model=model, output="x.dcm").files.popitem()[1] == (Path("x.dcm"),)
    assert pydicom.dcmread("x.dcm").Modality == "SEG"
    for source in ("in", "a.nii.gz"):
        assert predict(source, model=model, output="y.nrrd").files.popitem()[1] == (Path("y.nrrd"),)
        np.testing.assert_allclose(
            read_header([Path("y.nrrd")]).affine,
            affine_of(sorted(Path("in").iterdir())) if source == "in" else np.eye(4),
            atol=1e-5,
        )


def test_report_as_json_names_every_file(make_model):
    pytest.importorskip("highdicom")
    series(Path("in"), VOXELS)
    report = predict("in", model=make_model("volume"), to="nifti,dicom-seg", output="out")
    ((case, files),) = report.to_json()["files"].items()
    assert json.loads(json.dumps(files)) == [str(path) for path in report.files[Path(case)]]
    assert [Path(file).exists() for file in files] == [True, True]


def test_frames_of_a_cine_are_results_of_their_own(make_model):
    frames = RNG.choice(np.array([0, 255], np.uint8), (3, 8, 9))
    cine = np.repeat(frames[..., None], 3, axis=-1)
    make_dataset(cine, 3).save_as("cine.dcm", enforce_file_format=True)
    model = make_model()
    report = predict("cine.dcm", model=model, to="png", output="out")
    results = list(report.written.values())
    assert len(set(results)) == 3
    for path, frame in zip(results, frames, strict=True):
        with Image.open(path) as image:
            np.testing.assert_array_equal(np.asarray(image), frame // 255)
    report = predict("cine.dcm", model=model, to="png", output="out", skip_existing=True)
    assert list(report.skipped.values()) == results
    report = predict("cine.dcm", model=model, output="more", overlay=True, certainty=True)
    assert [len(files) for files in report.files.values()] == [3, 3, 3]
    for (labels, drawn, certainty), frame in zip(report.files.values(), frames, strict=True):
        assert drawn.stem == f"{labels.stem}-overlay"
        with Image.open(drawn) as image:
            assert image.size == (9, 8)
        # The corrector of the fixture is sure by 0.8 where it is dark, and by 0.5 elsewhere.
        with Image.open(certainty) as image:
            expected = np.where(frame > 0, 0.5, 0.8) * 255
            np.testing.assert_allclose(np.asarray(image), expected, atol=1)


@pytest.mark.parametrize("kind", ["tilted", "gap"])
def test_labels_of_a_resampled_series_go_back_onto_its_frames(make_model, kind):
    pytest.importorskip("highdicom")
    files = series(Path("in"), VOXELS, spacing=SPACING)
    if kind == "tilted":
        for path in files:
            dataset = pydicom.dcmread(path)
            # A row a slice: the grid has the very pixels of the slices, each at its place.
            x, y, z = dataset.ImagePositionPatient
            dataset.ImagePositionPatient = [x, y + (z - 30) / 2.5 * SPACING[1], z]
            dataset.save_as(path)
    else:
        in_order_of_place = [Path(dataset.filename) for dataset in in_order(files)]
        in_order_of_place[2].unlink()
    model = make_model("volume")
    report = predict("in", model=model, to="nifti,dicom-seg", resample=True)
    ((volume, seg),) = report.files.values()
    assert nibabel.load(volume).shape == ((7, 6 + 4, 5) if kind == "tilted" else (7, 6, 5))
    written = pydicom.dcmread(seg)
    by_source = {
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID: frame
        for group, frame in zip(
            written.PerFrameFunctionalGroupsSequence, written.pixel_array, strict=True
        )
    }
    sources = in_order(sorted(Path("in").iterdir()))
    assert len(by_source) == len(sources) == (5 if kind == "tilted" else 4)
    for dataset in sources:
        expected = dataset.pixel_array > 50
        np.testing.assert_array_equal(by_source[dataset.SOPInstanceUID], expected)


def test_a_sheared_affine_has_no_qform(tmp_path):
    (path, *files) = series(Path("in"), VOXELS)
    for file in (path, *files):
        dataset = pydicom.dcmread(file)
        # As much as is read: half a pixel over the volume.
        dataset.ImagePositionPatient[1] += dataset.ImagePositionPatient[2] * 0.03
        dataset.save_as(file)
    NiftiReader().write_labels(tmp_path / "l.nii.gz", VOXELS // 100, [path, *files])
    header = nibabel.load("l.nii.gz").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 0)
    np.testing.assert_allclose(header.get_sform(), affine_of([path, *files]), atol=1e-5)


def test_without_highdicom_one_sentence_names_the_extra(make_model, monkeypatch):
    series(Path("in"), VOXELS)
    monkeypatch.setitem(sys.modules, "highdicom", None)
    model = make_model("volume")
    with pytest.raises(EcsMedError, match=r"ecs-med\[dicom\]"):
        predict("in", model=model, to="dicom-seg")
    series(Path("more/second"), VOXELS)
    series(Path("more/third"), VOXELS)
    # One sentence for all, and not that two of two inputs failed.
    with pytest.raises(MissingExtraError):
        predict("more", model=model, to="nifti,dicom-seg", output="out")
    assert model.segmenter.calls == []
    assert not Path("out").exists()


def test_a_segmentation_that_reads_back_otherwise_is_no_failure_of_the_input(
    make_model, monkeypatch
):
    pytest.importorskip("highdicom")
    series(Path("in"), VOXELS)

    def differs(*arguments):
        raise RuntimeError("differs")

    monkeypatch.setattr(seg_writing, "require_equal", differs)
    with pytest.raises(RuntimeError, match="differs"):
        predict("in", model=make_model("volume"), to="dicom-seg", output="out")
    assert not list(Path("out").glob("*.dcm"))


GOOD = {
    "bright": {"category": {"value": "1", "meaning": "A"}, "type": {"value": "2", "meaning": "B"}}
}


def test_codes_of_a_file_are_written(make_model):
    pytest.importorskip("highdicom")
    series(Path("in"), VOXELS)
    Path("codes.yaml").write_text(
        "bright:\n  category: {value: '91723000', meaning: Anatomical Structure}\n"
        "  type: {value: '10200004', meaning: Leber}\n"
    )
    report = predict("in", model=make_model("volume"), to="dicom-seg", codes="codes.yaml")
    ((path,),) = report.files.values()
    (segment,) = pydicom.dcmread(path).SegmentSequence
    kind = segment.SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodeValue, kind.CodingSchemeDesignator, kind.CodeMeaning) == (
        "10200004", "SCT", "Leber"
    )  # fmt: skip
    with pytest.raises(SettingsError, match="written into DICOM SEG only"):
        predict("in", model=make_model("volume"), to="nifti", codes="codes.yaml")


def _changed(field, value):
    content = json.loads(json.dumps(GOOD))
    content["bright"]["type"][field] = value
    return content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "write a class, and below it category and type"),
        ({"bright": {"category": GOOD["bright"]["category"]}}, r"bright\.type: Field required"),
        ({"dark": GOOD["bright"]}, "'dark' is no class of the model; it has background, bright"),
        (_changed("value", 2), r"bright\.type\.value"),
        (_changed("value", "1" * 17), r"bright\.type\.value"),
        (_changed("value", "a\\b"), r"bright\.type\.value"),
        (_changed("meaning", ""), r"bright\.type\.meaning"),
        (_changed("meaning", "x" * 65), r"bright\.type\.meaning"),
        (_changed("colour", "red"), r"bright\.type\.colour"),
    ],
)
def test_codes_that_cannot_be_written_are_refused(content, words):
    Path("codes.json").write_text(json.dumps(content))
    with pytest.raises(SettingsError, match=words) as error:
        read_codes(Path("codes.json"), ("background", "bright"))
    assert str(error.value).count("\n") == 0


def test_codes_that_cannot_be_read_are_refused(tmp_path):
    Path("codes.json").write_text("{")
    Path("deep.json").write_text("[" * 100_000)
    Path("deep.yaml").write_text("[" * 5_000)
    Path("latin.yaml").write_bytes(b"f\xfcr: {}")
    for path in ("codes.json", "none.json", "deep.json", "deep.yaml", "latin.yaml"):
        with pytest.raises(SettingsError, match=f"{path}: no codes can be read"):
            read_codes(Path(path), ("background", "bright"))


def test_a_real_series_without_identifiers_is_refused_before_the_model_runs(make_model):
    pytest.importorskip("highdicom")
    source = SHARED / "ct_abdomen"
    if not source.is_dir():
        pytest.skip("the series is not there")
    model = make_model("volume")
    with pytest.raises(UnreadableFileError, match="no identifiers of study and series"):
        predict(source, model=model, to="nifti,dicom-seg", output="out")
    assert model.segmenter.calls == []
    assert not list(Path("out").rglob("*.nii.gz"))


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
def test_a_real_series_gives_a_valid_segmentation(make_model):
    pytest.importorskip("highdicom")
    source = SHARED / "hippocampus_crop_a"
    if not source.is_dir():
        pytest.skip("the series is not there")
    scheme = LabelScheme(class_names=("background", "bright"))
    report = predict(
        source, model=make_model("volume", labels=scheme), to="dicom-seg,nifti", output="out"
    )
    ((seg, nifti),) = report.files.values()
    done = subprocess.run(["dciodvfy", seg], capture_output=True, text=True, check=False)
    assert (done.returncode, [x for x in done.stderr.splitlines() if x.startswith("Error")]) == (
        0, []
    )  # fmt: skip
    written = pydicom.dcmread(seg)
    bits = np.unpackbits(np.frombuffer(written.PixelData, np.uint8))
    assert np.count_nonzero(bits) == np.count_nonzero(nibabel.load(nifti).dataobj)
    places = {tuple(d.ImagePositionPatient) for d in in_order(sorted(source.glob("*")))}
    assert {
        tuple(group.PlanePositionSequence[0].ImagePositionPatient)
        for group in written.PerFrameFunctionalGroupsSequence
    } <= places
