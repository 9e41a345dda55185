"""No word of a patient comes out: neither of headers nor of files, folders, pictures or errors.

Words are planted wherever a hospital's names may stand, then everything that the program says and
writes is searched for them. Links in the cache are the only way back, and belong to their owner.
"""

import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from dicom_mask_files import nifti, seg, series, structures
from PIL import Image, PngImagePlugin
from planted import ROOT, WORD, leaks, plant

from ecs_med_cli.app import main

SHAPE = (32, 32, 4)
FEW = ("--iterations", "2", "--batch", "2", "--crop", "32", "--encoder-weights", "none")
TRAIN = ("train", "--encoder", "test_resnet", "--device", "cpu", "--labeled", "50%", *FEW)

_INHERITED = {
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "PatientWeight"),
    *("PatientComments", "AdditionalPatientHistory"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription"),
    *("AccessionNumber", "ReferringPhysicianName", "FrameOfReferenceUID"),
    *("SeriesInstanceUID", "ReferencedSOPInstanceUID", "OtherPatientIDsSequence", "TextValue"),
}
"""What the standard has a segmentation take over from its source: patient, study, references."""


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache and a key of its own, and every warning shown instead of raised."""
    pytest.importorskip("highdicom")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        yield tmp_path


def _patient(folder: Path, number: int) -> tuple[list[Path], np.ndarray]:
    """A bright box in noise, on disc."""
    rng = np.random.default_rng(number)
    labels = np.zeros(SHAPE, np.uint8)
    x, y = rng.integers(2, 12, 2)
    labels[x : x + 12, y : y + 9, 1:3] = 1
    voxels = rng.normal(0, 60, SHAPE) + np.array([0, 500])[labels]
    return series(folder, voxels.astype(np.int16), patient=f"ID{number}"), labels


def _called(files: Sequence[Path]) -> list[Path]:
    """Files under planted names."""
    return [path.rename(path.with_name(f"{WORD}^{path.name}")) for path in files]


def _training_folder(root: Path) -> Path:
    for number in range(7):
        folder = root / f"{WORD}^John{number}"
        files, labels = _patient(folder / f"{WORD}_ct", number)
        if number < 3:
            seg(folder / f"{WORD}_seg.dcm", labels[..., None], files, ["Liver"])
        elif number == 3:
            square = np.array([[2, 2, 1], [12, 2, 1], [12, 12, 1], [2, 12, 1]], float)
            structures(folder / f"{WORD}_rt.dcm", files, {"Liver": [square]})
        elif number == 4:
            nifti(folder / f"{WORD}_mask.nii.gz", labels, files)
        # References have to lead somewhere after planting, so masks are planted with their series.
        _plant(folder, str(number))
    return root


def _plant(folder: Path, case: str) -> None:
    """Plant words in a patient's slices, and in masks as far as these are no references."""
    for path in sorted((folder / f"{WORD}_ct").iterdir()):
        before = pydicom.dcmread(path)
        uids = {str(before[k].value): k for k in ("SOPInstanceUID", "SeriesInstanceUID",
                "StudyInstanceUID", "FrameOfReferenceUID")}  # fmt: skip
        plant(path, case)
        known = str(pydicom.dcmread(path).PatientID).encode()  # the patients differ
        path.write_bytes(path.read_bytes().replace(known, known[:-1] + case.encode()))
        after = pydicom.dcmread(path)
        new = {old: str(after[key].value) for old, key in uids.items()}
        for mask in folder.glob("*.dcm"):
            dataset = pydicom.dcmread(mask)
            dataset.PatientName = f"{WORD}^mask"
            dataset.InstitutionName = WORD
            dataset.SeriesDescription = WORD
            for element in dataset.iterall():
                if element.VR == "UI" and str(element.value) in new:
                    element.value = new[str(element.value)]
            dataset.save_as(mask)
    _called(sorted((folder / f"{WORD}_ct").iterdir()))


def _run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def _spoil(root: Path) -> None:
    """A missing slice, a damaged file, other pixels in one place, unreadable and lost masks."""

    def slices(n: int) -> list[Path]:
        return sorted((root / f"{WORD}^John{n}" / f"{WORD}_ct").iterdir())

    by_height = sorted(slices(0), key=lambda p: pydicom.dcmread(p).ImagePositionPatient[2])
    by_height[1].unlink()
    damaged = slices(1)[0]
    damaged.write_bytes(damaged.read_bytes()[:1500])
    twice = pydicom.dcmread(slices(2)[0])
    twice.SOPInstanceUID = f"{ROOT}.2.99"
    twice.PixelData = bytes(len(twice.PixelData))
    twice.save_as(slices(2)[0].with_name(f"{WORD}_twice.dcm"))
    (root / f"{WORD}^John4" / f"{WORD}_mask.nii.gz").write_bytes(b"no mask")
    rt = root / f"{WORD}^John3" / f"{WORD}_rt.dcm"
    rt.write_bytes(rt.read_bytes()[:-700])
    (root / f"{WORD}.txt").write_text(WORD)
    lost, labels = _patient(root.parent / "elsewhere", 9)
    seg(root / f"{WORD}_lost.dcm", labels[..., None], lost, ["Liver"])


def test_training_and_checking(own: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = _training_folder(own / "data")
    _spoil(shutil.copytree(root, own / "spoilt") and own / "spoilt")
    codes = [
        _run("check", own / "data"),
        _run("check", own / "spoilt", "--json"),
        _run(*TRAIN, "--data", own / "spoilt", "--run", own / "none"),
        _run(*TRAIN, "--data", own / "data", "--run", own / "run"),
    ]
    out, err = capfd.readouterr()
    assert codes == [0, 2, 2, 0], (out, err)
    assert "lies in the same place" in out
    assert "mm apart, where" in out
    places = [own / "cache", own / "config", own / "run", own / "none"]
    assert (own / "run" / "model.safetensors").exists()
    assert leaks([out.encode(), err.encode()], places) == []


@pytest.fixture
def run(own: Path) -> Path:
    """A model of two classes, of volumes."""
    import torch

    from ecs_med.config import Preparation
    from ecs_med.data.masks.reading import LabelScheme
    from ecs_med.inference.model import Model
    from ecs_med.inference.storing import save_model
    from ecs_med.networks import Initialization, build_segmenter
    from ecs_med.runs.spec import ModelSpec

    torch.manual_seed(0)
    folder = own / "runs" / "volumes"
    folder.mkdir(parents=True)
    spec = ModelSpec(
        method="supervised",
        labels=LabelScheme(class_names=("background", "Liver")),
        preparation=Preparation(),
        kind="volume",
        in_channels=1,
        mean=(0.5,),
        std=(0.5,),
        encoder="resnet18",
        corrector_encoder=None,
        crop=32,
        initialization="none",
    )
    network = build_segmenter(Initialization("resnet18", "none"), in_channels=1, num_classes=2)
    save_model(Model(spec, network, None, device=torch.device("cpu"), run=folder))
    return folder


def test_prediction(own: Path, run: Path) -> None:
    """In a process of its own, which has no handler of warnings but Python's."""
    inputs = own / f"{WORD}^inputs"
    for number in range(4):
        _patient(inputs / f"{WORD}^John{number}" / f"{WORD}_ct", number)
        _plant(inputs / f"{WORD}^John{number}", str(number))
    root = own / "spoilt"
    inputs.rename(root)
    gone, cut, twice = (
        sorted((root / f"{WORD}^John{n}" / f"{WORD}_ct").iterdir(),
               key=lambda p: pydicom.dcmread(p).ImagePositionPatient[2])
        for n in range(3)
    )  # fmt: skip
    gone[1].unlink()
    cut[1].write_bytes(cut[1].read_bytes()[:1500])
    dataset = pydicom.dcmread(twice[0])
    dataset.SOPInstanceUID = f"{ROOT}.2.99"
    dataset.PixelData = bytes(len(dataset.PixelData))
    dataset.save_as(twice[0].with_name(f"{WORD}_twice.dcm"))
    (root / f"{WORD}.txt").write_text(WORD)
    root = root.rename(inputs)
    words = ("predict", str(inputs), "--model", str(run), "--output", "out", "--to", "nifti,nrrd",
             "--overlay", "--device", "cpu")  # fmt: skip
    program = "from ecs_med_cli.app import main; main()"
    ended = subprocess.run(
        [sys.executable, "-W", "always", "-c", program, *words],
        capture_output=True, check=False, env={**os.environ},
    )  # fmt: skip
    assert ended.returncode == 3, ended.stderr.decode()
    written = sorted(path.suffix for path in (own / "out").rglob("case-*"))
    assert written == [".gz", ".nrrd", ".png"]
    failures = (own / "out" / "failures.json").read_text()
    assert all(word in failures for word in ("mm apart, where", "lies in the same place"))
    places = [own / "out", own / "cache", own / "config", run]
    assert leaks([ended.stdout, ended.stderr], places) == []


def test_only_segmentations_carry_the_patient(
    own: Path, run: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files, _ = _patient(own / f"{WORD}^in" / "ct", 1)
    for path in files:
        dataset = pydicom.dcmread(path)
        for keyword in (
            "PatientName",
            "PatientID",
            "InstitutionName",
            "StationName",
            "StudyDescription",
            "SeriesDescription",
            "OperatorsName",
            "DeviceSerialNumber",
            "ProtocolName",
            "AccessionNumber",
            "StudyID",
        ):
            setattr(dataset, keyword, f"{WORD}_{keyword}"[:16])
        dataset.save_as(path)
    code = _run("predict", own / f"{WORD}^in", "--model", run, "--output", "out", "--to",
                "dicom-seg,nifti", "--device", "cpu")  # fmt: skip
    out, err = capfd.readouterr()
    assert code == 0, err
    assert err.count("DICOM SEG carries the patient's name") == 1
    (written,) = (own / "out").rglob("*.dcm")
    content = pydicom.dcmread(written)
    assert content.PatientName == f"{WORD}_PatientName"[:16]
    carried = {e.keyword for e in content.iterall() if WORD in str(e.value) and e.VR != "SQ"}
    assert carried <= _INHERITED, carried - _INHERITED
    written.unlink()
    assert leaks([out.encode(), err.encode()], [own / "out", own / "cache", run]) == []


def test_tags_of_pictures_are_not_copied(own: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """EXIF, PNG text and descriptions of NIfTI stay in the files that hold them."""
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (own / "data" / part).mkdir(parents=True)
    exif, text = Image.Exif(), PngImagePlugin.PngInfo()
    exif[0x010E] = exif[0x013B] = f"{WORD} description"
    text.add_text("Author", WORD)
    text.add_itxt("XML:com.adobe.xmp", f"<x>{WORD}</x>")
    for number in range(8):
        disc = np.hypot(*(np.mgrid[:32, :32] - rng.integers(10, 22, (2, 1, 1)))) < 8
        pixels = (rng.integers(0, 60, (32, 32, 3)) + 150 * disc[..., None]).astype(np.uint8)
        name = own / "data" / "images" / f"{number:02}"
        picture = Image.fromarray(pixels)
        if number % 2:
            picture.save(name.with_suffix(".jpg"), exif=exif, comment=WORD.encode())
        else:
            picture.save(name.with_suffix(".png"), pnginfo=text)
        mask = Image.fromarray((255 * disc).astype(np.uint8))
        mask.save(own / "data" / "masks" / f"{number:02}.png", pnginfo=text)
    assert _run(*TRAIN, "--data", own / "data", "--run", own / "run") == 0
    assert _run("predict", own / "data" / "images", "--model", own / "run", "--output", "out",
                "--overlay", "--device", "cpu") == 0  # fmt: skip
    out, err = capfd.readouterr()
    assert len(list((own / "out").rglob("*-overlay.png"))) == 8
    places = [own / "out", own / "run", own / "cache"]
    assert leaks([out.encode(), err.encode()], places) == []


def test_descriptions_of_volumes_are_not_copied(
    own: Path, run: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    image = nibabel.Nifti1Image(np.random.default_rng(0).random((32, 32, 4), np.float32), np.eye(4))
    image.header["descrip"] = WORD.encode()
    image.header["aux_file"] = WORD.encode()
    image.header["db_name"] = WORD.encode()
    image.header["intent_name"] = WORD.encode()
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", WORD.encode()))
    nibabel.save(image, own / "scan.nii.gz")
    assert _run("predict", own / "scan.nii.gz", "--model", run, "--output", "out", "--to",
                "nifti,nrrd", "--device", "cpu") == 0  # fmt: skip
    out, err = capfd.readouterr()
    assert len(list((own / "out").iterdir())) >= 2
    assert leaks([out.encode(), err.encode()], [own / "out", own / "cache"]) == []
