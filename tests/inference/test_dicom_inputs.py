"""Which DICOM is segmented, under what name, and what is said of the rest."""

import re
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pytest
from dicom_mask_files import seg, structures
from dicom_pictures import make_dataset
from odd_series import AXIAL, STORED, make_series, true_affine, write_series
from PIL import Image
from pydicom.uid import BasicTextSRStorage, SegmentationStorage

from ecs_med.data.readers import read_scan
from ecs_med.data.readers.dicom.series import FoundSeries, Series
from ecs_med.errors import EcsMedError
from ecs_med.inference.dicom_inputs import DicomSettings, take_in_dicom
from ecs_med.inference.inputs import FoundInputs, find_inputs
from ecs_med.inference.listing import list_folder
from ecs_med.inference.predict import predict_files
from ecs_med.inference.scans import PredictionInput

SMALL = np.ascontiguousarray(STORED[:5, :9, :7])
KEPT = DicomSettings(keep_names=True)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _series(folder: Path, **options) -> list[Path]:
    return write_series(folder, make_series(**{"stored": SMALL, **options}))


def _find(*inputs: Path, **settings) -> FoundInputs:
    return find_inputs(inputs, dicom=DicomSettings(**settings))


def _targets(item: PredictionInput) -> list[Path]:
    return sorted(path.resolve() for path in item.images)


def _told(found: FoundInputs) -> str:
    return " | ".join((*found.told(), *found.notes))


def _reasons(found: FoundInputs) -> list[str]:
    return sorted(found.passed_over.values())


def _assert_hidden(found: FoundInputs, *names: str) -> None:
    texts = [str(item.problem) for item in found.items]
    texts += [str(path) for item in found.items for path in item.images]
    texts += [*map(str, found.passed_over), _told(found)]
    for name in names:
        assert not [text for text in texts if name in text]


def test_a_folder_of_one_series(tmp_path: Path) -> None:
    files = _series(tmp_path / "Doe^John" / "S1")
    found = _find(tmp_path / "Doe^John")
    (item,) = found.items
    assert (item.problem, found.passed_over, found.notes) == (None, {}, [])
    assert _targets(item) == sorted(files)
    assert re.fullmatch(r"case-[0-9a-f]{10}", item.stem)
    assert item.folder == Path()
    _assert_hidden(found, "Doe")
    np.testing.assert_array_equal(
        read_scan(item.images).array[0], SMALL.transpose(2, 1, 0).astype(int) - 1000
    )
    assert _find(tmp_path / "Doe^John").items == found.items


def test_the_name_of_a_case_is_that_of_its_series_wherever_it_lies(tmp_path: Path) -> None:
    datasets = make_series(stored=SMALL)
    write_series(tmp_path / "a", datasets)
    write_series(tmp_path / "b" / "c", datasets, seed=1)
    names = [_find(tmp_path / folder).items[0].stem for folder in ("a", "b")]
    assert names[0] == names[1]


def test_a_directory_of_dicom_is_no_scan(tmp_path: Path) -> None:
    (first, *_) = _series(tmp_path / "in")
    (tmp_path / "in" / "DICOMDIR").write_bytes(first.read_bytes())
    found = _find(tmp_path / "in")
    (item,) = found.items
    assert (len(item.images), item.problem) == (5, None)
    assert found.notes == ["1 file(s) beside DICOM are no images and are passed over."]


def test_single_files_and_a_series_file_by_file(tmp_path: Path) -> None:
    files = _series(tmp_path / "Doe")
    (item,) = _find(files[2]).items
    assert _targets(item) == [files[2]]
    (item,) = _find(*files).items
    assert _targets(item) == sorted(files)
    (item,) = _find(tmp_path / "Doe", *files, tmp_path / "Doe").items
    assert _targets(item) == sorted(files)


def test_a_zip_archive(tmp_path: Path) -> None:
    files = _series(tmp_path / "in")
    archive = tmp_path / "Doe.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in files:
            opened.write(path, f"Doe^John/{path.name}")
        opened.writestr("Doe^John/report.pdf", b"%PDF")
    found = _find(archive)
    (item,) = found.items
    assert sorted(p.read_bytes() for p in item.images) == sorted(p.read_bytes() for p in files)
    assert item.stem == _find(tmp_path / "in").items[0].stem
    assert found.notes == ["1 file(s) beside DICOM are no images and are passed over."]
    _assert_hidden(found, "Doe")
    (kept,) = _find(archive, keep_names=True).items
    assert kept.stem == "Doe^John"


def test_an_archive_without_dicom(tmp_path: Path) -> None:
    archive = tmp_path / "Doe.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("Doe.txt", b"Doe")
    found = _find(archive)
    assert str(found.items[0].problem).endswith(".zip: holds no DICOM file; unpack it yourself.")
    _assert_hidden(found, "Doe")


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """An examination of two series, whose second is the larger, beside a localizer."""
    first = make_series(stored=SMALL[:4], SeriesNumber=1)
    study = {"StudyInstanceUID": first[0].StudyInstanceUID}
    write_series(tmp_path / "Doe" / "a", first)
    _series(tmp_path / "Doe" / "b", SeriesNumber=2, Modality="MR", **study)
    _series(tmp_path / "Doe" / "c", SeriesNumber=3, stored=SMALL[:1], **study)
    return tmp_path / "Doe"


def test_several_series_are_asked_about(two: Path) -> None:
    found = _find(two)
    (item,) = found.items
    names = re.findall(r"case-\w+", str(item.problem).partition(": is one")[2])
    assert str(item.problem) == (
        f"{item.path.parent}: is one of 3 series, and it is not known which one is meant: "
        f"1: CT, 7 x 9 x 4, 0.7 x 0.8 x 2.5 mm ({names[0]}); "
        f"2: MR, 7 x 9 x 5, 0.7 x 0.8 x 2.5 mm ({names[1]}); "
        f"3: CT, 7 x 9 x 1, 0.7 x 0.8 x 5 mm ({names[2]}); "
        "name one with `series`, or segment `all`."
    )
    _assert_hidden(found, "Doe")
    for wanted in ("2", names[1]):
        found = _find(two, series=wanted)
        assert [(item.stem, item.problem) for item in found.items] == [(names[1], None)]
        assert _reasons(found) == 2 * ["series that are not asked for"]
    assert [item.stem for item in _find(two, series="all").items] == names


@pytest.mark.parametrize(
    ("wanted", "why"),
    [("7", "none has the number 7"), ("case-Doe", "none has the name that was asked for"),
     ("0", "none has the number 0"), ("²", "none has the name that was asked for")],
)  # fmt: skip
def test_a_series_that_is_not_there(two: Path, wanted: str, why: str) -> None:
    found = _find(two, series=wanted)
    (item,) = found.items
    assert f"is one of 3 series, and {why}: 1: CT" in str(item.problem)
    _assert_hidden(found, "Doe")


def test_a_localizer_beside_a_series_is_passed_over(tmp_path: Path) -> None:
    datasets = make_series(stored=SMALL)
    study = datasets[0].StudyInstanceUID
    write_series(tmp_path / "in", datasets)
    _series(tmp_path / "in" / "scout", stored=SMALL[:1], StudyInstanceUID=study)
    found = _find(tmp_path / "in")
    (item,) = found.items
    assert (len(item.images), item.problem) == (5, None)
    assert _reasons(found) == ["series of fewer than 3 slices beside a larger one"]


def test_a_tree_of_patients(tmp_path: Path) -> None:
    sizes = {}
    for number in (2, 3, 4):
        _series(tmp_path / f"P{number}" / "ct", stored=SMALL[:number])
        sizes[number] = number
    items = _find(tmp_path).items
    assert sorted(len(item.images) for item in items) == [2, 3, 4]
    assert not [item.problem for item in items if item.problem]
    assert len({item.stem for item in items}) == 3
    kept = _find(tmp_path, keep_names=True).items
    assert sorted(str(item.folder / item.stem) for item in kept) == ["P2/ct", "P3/ct", "P4/ct"]
    assert all(item.images[0].parent == tmp_path / item.folder / "ct" for item in kept)


def test_resampled_series_keep_their_folders(tmp_path: Path) -> None:
    for patient in ("P1", "P2"):
        write_series(tmp_path / patient / "ct", _tilted())
    items = _find(tmp_path, resample=True, keep_names=True).items
    assert sorted(str(item.folder / item.stem) for item in items) == ["P1/ct", "P2/ct"]
    assert all(len(item.source) == 5 for item in items)


def test_masks_and_reports_are_told(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    folder = tmp_path / "Doe"
    files = _series(folder / "ct", PositionReferenceIndicator="", PatientBirthDate="",
                    StudyID="", StudyDate="", StudyTime="", AccessionNumber="", PatientSex="",
                    ReferringPhysicianName="")  # fmt: skip
    labels = np.ones((7, 9, 5, 1), np.uint8)
    seg(folder / "seg" / "Doe.dcm", labels, files, ["Liver"])
    square = np.array([[1, 1, 1], [4, 1, 1], [4, 4, 1]], float)
    structures(folder / "rt.dcm", files, {"liver": [square]})
    report = make_series(stored=SMALL[:1])[0]
    del report.PixelData, report.Rows, report.Columns
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    report.Modality = "SR"
    report.save_as(folder / "Doe_sr.dcm", enforce_file_format=True)
    (folder / "Doe.txt").write_text("x")
    (folder / "Doe.xml").write_text("x")
    found = _find(folder)
    (item,) = found.items
    assert (len(item.images), item.problem) == (5, None)
    assert _reasons(found) == ["DICOM segmentations or contours"] * 2 + ["DICOM that is no image"]
    assert "passed over, DICOM segmentations or contours: 2, such as " in _told(found)
    assert "2 file(s) beside DICOM are no images and are passed over." in found.notes
    _assert_hidden(found, "Doe")


@pytest.mark.parametrize("keep_names", [True, False])
def test_masks_alone_are_nothing_to_segment(tmp_path: Path, keep_names: bool) -> None:
    (tmp_path / "in").mkdir()
    (mask,) = make_series(stored=SMALL[:1], Modality="SEG", SOPClassUID=SegmentationStorage)
    mask.save_as(tmp_path / "in" / "a.dcm", enforce_file_format=True)
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.write(tmp_path / "in" / "a.dcm", "a.dcm")
    for given in (tmp_path / "in", tmp_path / "in" / "a.dcm", archive):
        (item,) = _find(given, keep_names=keep_names).items
        assert str(item.problem) == (
            f"{item.path}: no scan to segment here, only DICOM segmentations or contours; give a "
            "series."
        )
        assert (given == item.path) == keep_names


def test_other_formats_beside_dicom(tmp_path: Path) -> None:
    folder = tmp_path / "Doe"
    _series(folder / "ct")
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4)), folder / "Doe.nii")
    Image.new("L", (4, 4)).save(folder / "Doe.png")
    Image.new("L", (4, 4)).save(folder / "Doe_mask.png")
    (folder / "Doe.mp4").write_bytes(b"x")
    found = _find(folder)
    assert sorted(item.path.suffix for item in found.items) == [".dcm", ".nii", ".png"]
    assert all(item.problem is None and item.folder == Path() for item in found.items)
    assert _reasons(found) == [
        "masks beside their images",
        "videos beside DICOM, which are taken where they are named themselves",
    ]
    _assert_hidden(found, "Doe")


def test_an_unreadable_file_does_not_keep_the_others(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "Doe"
    _series(folder / "ct")
    (folder / "Doe.dcm").write_bytes(b"no DICOM")
    found = _find(folder)
    bad, good = sorted(found.items, key=lambda item: item.problem is None)
    assert good.problem is None
    assert str(bad.problem) == (
        f"{bad.path}: not a DICOM file, whatever its name says; copy or export it again."
    )
    assert cache in bad.path.parents
    _assert_hidden(found, "Doe")


def test_frames_of_a_sequence(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (3, 6, 8, 3), np.uint8)
    path = tmp_path / "Doe.dcm"
    make_dataset(frames, 3, Modality="US").save_as(path, enforce_file_format=True)
    found = find_inputs([path], kind="picture")
    assert [item.frame for item in found.items] == [0, 1, 2]
    name = found.items[0].stem.removesuffix("_0001")
    assert [item.stem for item in found.items] == [f"{name}_{n:04d}" for n in (1, 2, 3)]
    read = [read_scan(item.images, item.frame).array for item in found.items]
    np.testing.assert_array_equal(np.stack(read), frames.transpose(0, 3, 1, 2))
    _assert_hidden(found, "Doe")


def test_text_in_pixels_is_told_once(tmp_path: Path) -> None:
    for number in range(3):
        folder = tmp_path / f"Doe{number}"
        folder.mkdir()
        pixels = np.full((6, 8, 3), number, np.uint8)
        make_dataset(pixels, Modality="US").save_as(folder / "a.dcm", enforce_file_format=True)
    found = _find(*sorted(tmp_path.glob("Doe*")), tmp_path / "Doe0" / "a.dcm")
    assert len(found.items) == 3
    (note,) = found.notes
    assert note.endswith(
        ": pictures of modality US often show text, and its header does not deny it; look for "
        "names before sharing pictures of reports or results."
    )
    _assert_hidden(found, "Doe")


def _tilted() -> list:
    return make_series(stored=SMALL, step=(0, 0.9, 2.4))


def _uneven() -> list:
    datasets = make_series(stored=SMALL)
    for dataset, z in zip(datasets, (0, 2, 5, 6, 9), strict=True):
        dataset.ImagePositionPatient = [*dataset.ImagePositionPatient[:2], z]
    return datasets


def _missing() -> list:
    datasets = make_series(stored=SMALL)
    return datasets[:2] + datasets[3:]


@pytest.mark.parametrize("make", [_tilted, _uneven, _missing])
def test_what_is_no_grid_is_resampled_or_refused(tmp_path: Path, make_model, make) -> None:
    datasets = make()
    write_series(tmp_path / "Doe", datasets)
    model = make_model("volume")
    with pytest.raises(EcsMedError, match="resample") as refused:
        predict_files(model, tmp_path / "Doe", tmp_path / "out")
    assert "Doe" not in str(refused.value)
    assert str(refused.value).count(str(tmp_path)) == 1
    settings = DicomSettings(resample=True)
    report = predict_files(model, tmp_path / "Doe", tmp_path / "out", dicom=settings)
    (result,) = report.written.values()
    labels = nibabel.load(result)
    positions = np.array([dataset.ImagePositionPatient for dataset in datasets], float)
    steps = np.diff(positions[:, 2])
    layers = round((positions[-1, 2] - positions[0, 2]) / np.median(steps)) + 1
    assert labels.shape[2] == layers
    # The first voxel of the first slice lies where the file says, the axes are perpendicular.
    corner = np.linalg.inv(labels.affine) @ (np.diag([-1, -1, 1, 1]) @ [*positions[0], 1])
    assert np.allclose(corner[:3], np.rint(corner[:3]), atol=1e-4)
    axes = labels.affine[:3, :3]
    np.testing.assert_allclose(axes.T @ axes, np.diag(np.diag(axes.T @ axes)), atol=1e-6)
    (kept,) = (tmp_path / "cache").rglob("resampled-*.nii")
    before = kept.stat().st_mtime_ns
    again = predict_files(model, tmp_path / "Doe", tmp_path / "out", dicom=settings)
    assert again.written == report.written
    assert kept.stat().st_mtime_ns == before


def test_a_resampled_series_is_made_anew_when_slices_change(tmp_path: Path) -> None:
    datasets = _uneven()
    paths = write_series(tmp_path / "in", datasets)
    (first,) = _find(tmp_path / "in", resample=True).items
    before = read_scan(first.images).array
    datasets[0].PixelData = (SMALL[0] + 100).tobytes()
    datasets[0].save_as(paths[0], enforce_file_format=True)
    (second,) = _find(tmp_path / "in", resample=True).items
    after = read_scan(second.images).array
    np.testing.assert_allclose(after[..., 0], before[..., 0] + 100)
    np.testing.assert_array_equal(after[..., -1], before[..., -1])
    assert len(list((tmp_path / "cache").rglob("resampled-*.nii"))) == 1


def test_a_series_that_is_a_grid_is_not_resampled(tmp_path: Path) -> None:
    _series(tmp_path / "in")
    (item,) = _find(tmp_path / "in", resample=True).items
    assert (len(item.images), item.source) == (5, ())


def test_kept_names(tmp_path: Path, cache: Path, make_model) -> None:
    """Results are called as folders are; no link and no key is made."""
    datasets = make_series(stored=SMALL)
    write_series(tmp_path / "in" / "Doe", datasets)
    write_series(tmp_path / "in" / "Roe", make_series(stored=SMALL))
    both = make_series(stored=SMALL, like=make_series(stored=SMALL)[0])
    write_series(tmp_path / "in" / "Poe", both, seed=1)
    other = make_series(stored=SMALL, orientation=(0, 1, 0, 0, 0, -1), like=both[0])
    for number, dataset in enumerate(other):
        dataset.save_as(tmp_path / "in" / "Poe" / f"J{number}", enforce_file_format=True)
    settings = DicomSettings(series="all", keep_names=True)
    report = predict_files(make_model("volume"), tmp_path / "in", tmp_path / "out", dicom=settings)
    assert sorted(str(p.relative_to(tmp_path / "out")) for p in report.written.values()) == [
        "Doe.nii.gz", "Poe/Poe-1.nii.gz", "Poe/Poe-2.nii.gz", "Roe.nii.gz",
    ]  # fmt: skip
    assert not cache.exists()
    labels = nibabel.load(tmp_path / "out" / "Doe.nii.gz")
    np.testing.assert_allclose(labels.affine, true_affine(AXIAL), atol=1e-5)


def test_results_are_on_the_grid_of_the_series(tmp_path: Path, make_model) -> None:
    stored = np.zeros((5, 9, 7), np.int16)
    stored[1:3, 2:6, 1:4] = 1000
    _series(tmp_path / "Doe", stored=stored)
    report = predict_files(make_model("volume"), tmp_path / "Doe", tmp_path / "out")
    ((source, result),) = report.written.items()
    assert re.fullmatch(r"case-[0-9a-f]{10}\.nii\.gz", result.name)
    assert "Doe" not in str(source)
    image = nibabel.load(result)
    np.testing.assert_array_equal(np.asarray(image.dataobj), (stored > 0).transpose(2, 1, 0))
    np.testing.assert_allclose(image.affine, true_affine(AXIAL), atol=1e-5)


@dataclass
class _Reported:
    """A stand-in for `find_series`, as opening thousands of files takes its time."""

    count: int

    def __call__(self, files: Sequence[Path]) -> FoundSeries:
        return FoundSeries(
            tuple(
                Series(
                    (Path(f"f{n}"),), f"1.{n}", "1", "OT", "picture", (2, 2), None, n, (f"2.{n}",)
                )
                for n in range(self.count)
            )
        )


def test_choosing_takes_time_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight times the pictures of an examination take eight times as long, not sixty-four."""
    taken = []
    for count in (1000, 8000):
        monkeypatch.setattr("ecs_med.data.readers.dicom.series.find_series", _Reported(count))
        start = time.process_time()
        found = take_in_dicom(Path("in"), [], KEPT, None, "picture")
        taken.append(time.process_time() - start)
        assert len(found.items) == count
    assert taken[1] < 24 * taken[0]


def test_listing_takes_time_in_proportion(tmp_path: Path) -> None:
    taken = []
    for count in (250, 2000):
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            (folder / f"{number}.dcm").touch()
        start = time.process_time()
        assert len(list_folder(folder).dicom) == count
        taken.append(time.process_time() - start)
    assert taken[1] < 24 * taken[0]
