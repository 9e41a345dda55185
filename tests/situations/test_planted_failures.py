"""Planted words come out nowhere where inputs fail, archives are hostile, series are resampled.

Looked at are standard output and error, with warnings on, all that is written, and the user's
cache. Exempt are two things: the links of the cache, which lead to the files, and what is unpacked
of archives; both lie in folders that only their owner can enter, which is looked at, too.
"""

import json
import re
import shutil
import stat
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_mask_files import picture, series
from dicom_pictures import make_dataset
from planted import ROOT, WORD, leaks, plant
from situations.inputs_state import ended, write_model

from ecs_med.data.readers.dicom.files import quiet_libraries
from ecs_med.inference.dicom_inputs import DicomSettings
from ecs_med.inference.predict import predict_files
from ecs_med.inference.storing import load_model

SHAPE = (24, 20, 6)


def voxels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 1000, SHAPE).astype(np.int16)


def planted_series(folder: Path, case: str, seed: int = 0) -> list[Path]:
    """A series whose files are called and filled with the planted word."""
    made = []
    for path in series(folder, voxels(seed)):
        plant(path, case)
        made.append(path.rename(path.with_name(f"{WORD}_{path.name}")))
    return made


@pytest.fixture
def hospital(tmp_path: Path) -> Path:
    """A folder with what is read and what is not, all called by the planted word."""
    root = tmp_path / "in" / f"{WORD}_ROOT"
    good = planted_series(root / f"{WORD}^GOOD" / "CT", "1")
    (root / f"{WORD}.txt").write_text(WORD)
    (root / "DICOMDIR").write_bytes(good[0].read_bytes())
    missing = planted_series(root / f"{WORD}_MISSING", "2")
    missing[2].unlink()
    header, pixels, *_ = planted_series(root / f"{WORD}_DAMAGED", "3")
    header.write_bytes(header.read_bytes()[:700])
    pixels.write_bytes(pixels.read_bytes()[:-100])
    cut = planted_series(root / f"{WORD}_CUT", "6")
    cut[1].write_bytes(cut[1].read_bytes()[:-100])
    twice = planted_series(root / f"{WORD}_TWICE", "4")
    copy = pydicom.dcmread(twice[0])
    copy.PixelData = bytes(len(copy.PixelData))
    copy.save_as(twice[0].with_name(f"{WORD}_copy.dcm"))
    for number in (1, 2):
        for path in planted_series(root / f"{WORD}_TWO" / f"{number}", f"5{number}", number):
            dataset = pydicom.dcmread(path)
            dataset.StudyInstanceUID = f"{ROOT}.5"
            dataset.save_as(path)
    photo = picture(root / f"{WORD}_PHOTO.dcm", np.zeros((8, 9, 3), np.uint8))
    plant(photo, "7")
    cine = make_dataset(np.zeros((2, 8, 9, 3), np.uint8), 2)
    cine.save_as(root / f"{WORD}_CINE.dcm", enforce_file_format=True)
    plant(root / f"{WORD}_CINE.dcm", "8")
    (root / f"{WORD}_FALSE.dcm").write_text(WORD)
    report = pydicom.dcmread(good[0])
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    del report.PixelData, report.Rows, report.Columns
    report.save_as(root / f"{WORD}_SR")
    return root


@pytest.fixture
def archives(hospital: Path) -> list[Path]:
    """Archives of a series: sound, with a path that leads out, damaged, and of no DICOM."""
    paths = [hospital.parent / f"{WORD}_{name}.zip" for name in ("GOOD", "OUT", "BAD", "NONE")]
    good, out, bad, none = paths
    files = sorted((hospital / f"{WORD}^GOOD" / "CT").iterdir())
    for path in (good, bad):
        with zipfile.ZipFile(path, "w") as opened:
            for file in files:
                opened.write(file, f"{WORD}/{file.name}")
    content = bad.read_bytes()
    bad.write_bytes(content.replace(WORD.encode(), WORD.upper().encode(), 1))
    with zipfile.ZipFile(out, "w") as opened:
        opened.write(files[0], f"../{WORD}.dcm")
    with zipfile.ZipFile(none, "w") as opened:
        opened.writestr(f"{WORD}.txt", WORD)
    return paths


def places(tmp_path: Path) -> dict[str, str]:
    return {
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PYTHONWARNINGS": "always",
    }


def leaks_of_cache(cache: Path) -> list[str]:
    """In the cache, but for what was unpacked, which has to lie behind a folder of its owner's."""
    for folder in (cache / "ecs-med" / "dicom").rglob("unpacked"):
        assert all(
            stat.S_IMODE(own.stat().st_mode) == 0o700 for own in (folder, *folder.parents[:2])
        )
        assert not leaks([str(path.relative_to(cache)).encode() for path in folder.rglob("*")], [])
        shutil.rmtree(folder)
    return leaks([], [cache])


def test_the_words_are_there(hospital: Path) -> None:
    found = leaks([], [hospital.parent])
    assert len(found) > 80
    file = next((hospital / f"{WORD}^GOOD" / "CT").iterdir())
    content = file.read_bytes()
    kinds = set(
        re.findall(rb"(AE|AS|CS|DA|DS|DT|IS|LO|LT|PN|SH|ST|TM|UI)..Sentinel_", content, re.DOTALL)
    )
    kinds |= set(re.findall(rb"(UC|UR|UT)\0\0....Sentinel_", content, re.DOTALL))
    assert len(kinds) == 17, kinds
    assert b"Sentinel_private" in content
    assert ROOT.encode() in content


def test_predictions(hospital: Path, archives: list[Path], tmp_path: Path) -> None:
    model = write_model(tmp_path / "run", kind="volume", channels=1)
    missing = hospital.parent / f"{WORD}_NOWHERE.dcm"
    words = ["--model", model, "-o", tmp_path / "out", "--overlay", "--json"]
    inputs = [hospital, *archives, missing]
    code, out, err = ended("predict", *inputs, *words, cwd=tmp_path, **places(tmp_path))
    assert code == 3, err.decode()
    report = json.loads(out)
    failures = " ".join(report["failures"].values())
    for reason in (
        "as if 1 slice were missing",
        "and holds other pixels",
        "not a DICOM file, whatever its name says",
        "is one of 2 series",
        "holds no DICOM file",
        "leads out of its folder",
        "is a damaged archive",
        "no such file or folder",
        "pixels are there",
        "holds frames without places in space",
    ):
        assert reason in failures, failures
    assert "DICOM that is no image" in report["passed_over"].values()
    results = sorted(path.name for path in (tmp_path / "out").rglob("*.nii.gz"))
    assert len(results) == 2, failures  # of the folder, and of the archive
    assert all(re.fullmatch(r"case-[0-9a-f]{10}\.nii\.gz", name) for name in results)
    assert leaks([out, err], [tmp_path / "out", tmp_path / "run"]) == []
    assert leaks_of_cache(tmp_path / "cache") == []
    # What is told of can be found all the same.
    shown = [Path(path) for path in report["failures"] if "others" in path]
    assert shown
    assert all(path.readlink().is_relative_to(hospital.parent) for path in shown)


INHERITED = {
    "AccessionNumber",
    "FrameOfReferenceUID",
    "PatientID",
    "PatientName",
    "ReferencedSOPInstanceUID",
    "ReferringPhysicianName",
    "SeriesInstanceUID",
    "StudyDescription",
    "StudyID",
    "StudyInstanceUID",
}
"""What a segmentation has of its source: whose and of which study it is, and of which images."""


def inherited(segmentation: Path) -> set[str]:
    """Elements with planted words; the file is removed."""
    found = set()
    with quiet_libraries():
        for element in pydicom.dcmread(segmentation).iterall():
            value = str(element.value)
            if element.VR != "SQ" and (WORD.lower() in value.lower() or value.startswith(ROOT)):
                found.add(element.keyword)
    segmentation.unlink()
    return found


def test_resampled_series_and_segmentations(
    hospital: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    pytest.importorskip("highdicom")
    for name, value in places(tmp_path).items():
        monkeypatch.setenv(name, value)
    model = write_model(tmp_path / "run", kind="volume", channels=1)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        report = predict_files(
            load_model(model),
            [hospital / f"{WORD}{name}" for name in ("_MISSING", "^GOOD", "_CUT")],
            tmp_path / "out",
            dicom=DicomSettings(resample=True),
            to="nifti,dicom-seg",
        )
    assert [len(paths) for paths in report.files.values()] == [2, 2]
    assert list((tmp_path / "cache").rglob("resampled-*.nii"))
    for path in [path for paths in report.files.values() for path in paths]:
        if path.suffix == ".dcm":
            found = inherited(path)
            assert {"PatientName", "PatientID", "StudyInstanceUID"} <= found <= INHERITED
    # Said once, with a prediction that has one.
    assert sum("patient's name" in note for note in report.notes) == 1
    said = [*capfd.readouterr(), caplog.text, json.dumps(report.to_json())]
    said += [str(warning.message) for warning in warned]
    assert leaks(map(str.encode, said), [tmp_path / "out"]) == []
    assert leaks_of_cache(tmp_path / "cache") == []
