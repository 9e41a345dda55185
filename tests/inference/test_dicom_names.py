"""DICOM among the inputs of a prediction: what is found, chosen, named and passed over."""

import re
import shutil
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from dicom_mask_files import affine_of, picture, seg, series, structures
from dicom_pictures import make_dataset
from odd_series import ROW_MM, STEP_MM, make_series, write_series

from ecs_med.data.intake.pseudonyms import Pseudonyms
from ecs_med.errors import DataError, SomeInputsFailed
from ecs_med.inference.dicom_inputs import DicomSettings
from ecs_med.inference.inputs import FoundInputs, find_inputs
from ecs_med.inference.predict import predict

RNG = np.random.default_rng(0)
VOXELS = RNG.choice(np.array([0, 100], np.int16), (7, 6, 5))
ID = r"case-[0-9a-f]{10}"


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def found(*inputs: str | Path, series: str | None = None, **settings: bool) -> FoundInputs:
    paths = [Path(path) for path in inputs]
    return find_inputs(paths, dicom=DicomSettings(series, **settings), kind="volume")


def names(*inputs: str | Path, series: str | None = None, **settings: bool) -> list[str]:
    """Of results, whose inputs are all fine."""
    items = found(*inputs, series=series, **settings).items
    assert [item.problem for item in items] == [None] * len(items)
    return [str(item.folder / item.stem) for item in items]


def refusal(*inputs: str | Path, series: str | None = None) -> str:
    (item,) = found(*inputs, series=series).items
    return str(item.problem)


def test_patients_of_one_series_each_are_all_segmented(make_model) -> None:
    for number in range(3):
        series(Path("in") / f"DOE{number}" / "CT", VOXELS + np.int16(number))
    report = predict("in", model=make_model("volume"))
    assert len(report.written) == 3
    for path, result in report.written.items():
        assert re.fullmatch(rf"{ID}\.nii\.gz", result.name)
        assert result.parent == Path("predictions")
        assert "DOE" not in f"{path}{result}"
        files = sorted(path.resolve().parent.iterdir())
        written = nibabel.load(result)
        np.testing.assert_array_equal(np.asarray(written.dataobj), VOXELS > 50)
        np.testing.assert_allclose(written.affine, affine_of(files), atol=1e-4)


def test_names_are_the_same_from_everywhere_and_over_runs(monkeypatch, tmp_path) -> None:
    files = series(Path("in/DOE"), VOXELS)
    for path in series(Path("in/bare"), VOXELS):
        dataset = pydicom.dcmread(path)
        dataset.SeriesInstanceUID = dataset.StudyInstanceUID = ""
        dataset.save_as(path)
    first = names("in")
    assert names("in") == names(Path("in").absolute()) == first
    shutil.move("in/DOE", "in/ROE")
    assert set(names("in")) == set(first)
    monkeypatch.chdir(tmp_path)
    assert names("work/in/ROE") + names("work/in/bare") == names("work/in", series="all")
    (tmp_path / "config" / "ecs-med" / "key").unlink()
    assert not {*names("work/in")} & {*first}
    assert len(files) == 5


def test_names_are_kept_where_that_is_asked(tmp_path) -> None:
    series(Path("in/DOE/CT"), VOXELS)
    series(Path("in/ROE"), VOXELS)
    picture(Path("in/face.dcm"), np.zeros((8, 9, 3), np.uint8))
    options = {"keep_names": True}
    assert sorted(names("in", **options)) == ["DOE/CT", "ROE", "face"]
    assert names("in/ROE", **options) == ["ROE"]
    assert names("in/face.dcm", **options) == ["face"]
    (item,) = found("in/ROE", **options).items
    assert item.images[0].parent == Path("in/ROE")
    assert not (tmp_path / "config").exists()
    assert not (tmp_path / "cache").exists()


def test_kept_names_of_several_series_in_a_folder() -> None:
    for number in (1, 2):
        for path in series(Path(f"tmp{number}"), VOXELS, study="1.2.3"):
            Path("in").mkdir(exist_ok=True)
            shutil.move(path, f"in/{number}{path.name}")
    assert names("in", series="all", keep_names=True) == ["in-1", "in-2"]
    assert names("in", series="in-2", keep_names=True) == ["in-2"]


def two_series() -> list[str]:
    """An examination of two series; what its cases are called."""
    for number, size in enumerate((5, 4), 1):
        series(Path(f"in/{number}"), VOXELS[:, :, :size], study="1.2.3", start=5.0 * number)
    return [Pseudonyms.local().of("case", identity) for identity in identities()]


def identities() -> list[str]:
    from ecs_med.data.readers.dicom.series import find_series

    return [scan.identity for scan in find_series(sorted(Path("in").rglob("*.dcm"))).series]


def test_several_series_of_an_examination_are_listed() -> None:
    first, second = two_series()
    told = refusal("in")
    listed = (
        f"1: CT, 7 x 6 x 5, 0.7 x 0.8 x 2.5 mm ({first}); "
        f"2: CT, 7 x 6 x 4, 0.7 x 0.8 x 2.5 mm ({second}); name one with `series`"
    )
    assert listed in told
    assert "is one of 2 series, and it is not known which one is meant: " in told


def test_series_are_chosen_by_number_name_or_all() -> None:
    first, second = two_series()
    assert names("in", series="1") == [first]
    assert names("in", series="2") == [second]
    assert names("in", series=second) == [second]
    assert names("in", series="all") == [first, second]
    assert "none has the number 7: 1: CT" in refusal("in", series="7")
    assert "none is called 'case-0': 1: CT" in refusal("in", series="case-0")


def test_a_number_chooses_within_each_examination_and_a_name_among_all() -> None:
    first, second = two_series()
    series(Path("in/3"), VOXELS, study="9.9")
    third = next(
        name
        for name in (Pseudonyms.local().of("case", identity) for identity in identities())
        if name not in (first, second)
    )
    assert sorted(names("in", series="2")) == sorted([second, third])
    assert names("in", series=second) == [second]
    assert len(found("in", series=second).passed_over) == 2
    # Of one that is asked, the other is still segmented.
    items = found("in").items
    assert [item.problem is None for item in items].count(True) == 1


def test_localizers_are_passed_over() -> None:
    series(Path("in/1"), VOXELS, study="1.2.3")
    series(Path("in/2"), VOXELS[:, :, :2], study="1.2.3", start=50)
    taken = found("in")
    assert [len(item.images) for item in taken.items] == [5]
    (why,) = taken.passed_over.values()
    assert why == "series of fewer than 3 slices beside a larger one"


def test_sizes_and_directions_in_one_series_do_not_share_names() -> None:
    slices = make_series()
    like = slices[0]
    small = make_series(stored=np.zeros((4, 10, 12), np.int16), like=like)
    write_series(Path("in"), [*slices, *small])
    items = found("in", series="all").items
    assert sorted(len(item.images) for item in items) == [4, 12]
    assert len({item.case for item in items}) == 2
    assert len({image.resolve() for item in items for image in item.images}) == 16


def test_what_lies_beside_is_told() -> None:
    pytest.importorskip("highdicom")
    files = series(Path("in/CT"), VOXELS)
    seg(Path("in/SENTINELSEG.dcm"), (VOXELS > 50).astype(np.uint8), files, ["Liver"])
    corners = np.array([[0, 0, 30.0], [2, 0, 30], [0, 2, 30]])
    structures(Path("in/SENTINELRT.dcm"), files, {"Liver": [corners]})
    report = pydicom.dcmread(files[0])
    report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    report.Modality = "SR"
    del report.PixelData
    report.save_as("in/SENTINELSR")
    shutil.copy(files[0], "in/DICOMDIR")
    Path("in/SENTINEL.txt").write_text("x")
    Path("in/SENTINEL.pdf").write_text("x")
    taken = found("in")
    assert [len(item.images) for item in taken.items] == [5]
    reasons = sorted(taken.passed_over.values())
    assert reasons == [
        "DICOM segmentations or contours",
        "DICOM segmentations or contours",
        "DICOM that is no image",
    ]
    assert any("file(s) beside DICOM are no images" in note for note in taken.notes)
    assert "SENTINEL" not in "".join([*taken.told(), *taken.notes, *map(str, taken.passed_over)])


def test_pictures_beside_volumes_are_not_for_a_model_of_volumes() -> None:
    series(Path("in/CT"), VOXELS, study="1.2.3")
    picture(Path("in/dose.dcm"), np.zeros((8, 9, 3), np.uint8), study="1.2.3")
    paths = [Path("in")]
    for kind, num_images in (("volume", 5), ("picture", 1)):
        taken = find_inputs(paths, kind=kind)
        assert [len(item.images) for item in taken.items] == [num_images]
        (why,) = taken.passed_over.values()
        assert why.startswith("DICOM of another kind than the model takes")
    assert len(find_inputs(paths).items) == 2
    shutil.rmtree("in/CT")
    # Alone, it is what was meant, and the model says why not.
    assert len(found("in").items) == 1


def test_frames_are_pictures_each_with_its_number(make_model) -> None:
    frames = np.zeros((3, 8, 9, 3), np.uint8)
    for number in range(3):
        frames[number, number] = 255
    make_dataset(frames, 3).save_as("SENTINEL.dcm", enforce_file_format=True)
    model = make_model()
    report = predict("SENTINEL.dcm", model=model, output="out")
    for number, (shown, path) in enumerate(report.written.items()):
        assert re.fullmatch(rf"{ID}_000{number + 1}\.png", path.name)
        assert str(shown).endswith(f"#{number + 1}")
        from PIL import Image

        np.testing.assert_array_equal(np.asarray(Image.open(path)), frames[number, ..., 0] // 255)
    again = predict("SENTINEL.dcm", model=model, output="out", skip_existing=True)
    assert len(again.skipped) == 3


def test_single_files_and_a_folder_that_holds_them() -> None:
    files = series(Path("in"), VOXELS)
    (whole,) = found("in").items
    both = found("in", files[2]).items
    assert [len(item.images) for item in both] == [5, 1]
    assert [image.resolve() for image in both[0].images] == [path.resolve() for path in files]
    assert both[0].images == whole.images
    assert both[1].images[0].resolve() == files[2].resolve()


def test_archives(make_model) -> None:
    files = series(Path("SENTINEL"), VOXELS)
    with zipfile.ZipFile("SENTINEL.zip", "w") as opened:
        for path in files:
            opened.write(path, f"SENTINEL/{path.stem}")
        opened.writestr("SENTINEL/readme.txt", "x")
    report = predict("SENTINEL.zip", model=make_model("volume"))
    ((shown, path),) = report.written.items()
    np.testing.assert_array_equal(np.asarray(nibabel.load(path).dataobj), VOXELS > 50)
    assert "SENTINEL" not in f"{shown}{report.notes}"
    assert "1 file(s) beside DICOM are no images and are passed over." in report.notes
    assert names("SENTINEL") == [path.name.removesuffix(".nii.gz")]
    assert names("SENTINEL.zip", keep_names=True) == ["SENTINEL"]


def test_archives_without_dicom_are_told_of_by_a_link() -> None:
    with zipfile.ZipFile("SENTINEL.zip", "w") as opened:
        opened.writestr("SENTINEL.txt", "x")
    told = refusal("SENTINEL.zip")
    assert re.search(r"file-[0-9a-f]{10}\S*: holds no DICOM file; unpack it yourself\.", told)
    assert "SENTINEL" not in told
    assert "SENTINEL" not in refusal("SENTINEL_MISSING.dcm")


def test_damaged_files_are_told_of_and_others_segmented(make_model) -> None:
    series(Path("in/GOOD"), VOXELS)
    bad = series(Path("in/SENTINELBAD"), VOXELS)
    bad[0].write_bytes(b"SENTINEL")
    with pytest.raises(SomeInputsFailed):
        predict("in", model=make_model("volume"))
    told = Path("predictions/failures.json").read_text()
    assert "SENTINEL" not in told
    assert "not a DICOM file, whatever its name says" in told
    assert len(list(Path("predictions").glob("case-*.nii.gz"))) == 2


def test_pixels_with_text_are_warned_of_once() -> None:
    for number in range(3):
        make_dataset(np.zeros((8, 9), np.uint8), Modality="US").save_as(
            f"in{number}.dcm", enforce_file_format=True
        )
    notes = found(*(f"in{number}.dcm" for number in range(3))).notes
    assert len(notes) == 1
    assert "pictures of modality US often show text" in notes[0]


def test_a_series_is_no_channel() -> None:
    series(Path("in"), VOXELS)
    (item,) = find_inputs([Path("in")], num_channels=2).items
    assert "is 1 of the 2 channels that the model takes" in str(item.problem)


def write_gap() -> list[Path]:
    slices = make_series()
    del slices[5]
    return write_series(Path("in"), slices)


def test_uneven_series_are_refused_or_resampled_once(make_model) -> None:
    files = write_gap()
    with pytest.raises(DataError, match="as if 1 slice were missing"):
        predict("in", model=make_model("volume"))
    (item,) = found("in", resample=True).items
    assert [path.resolve() for path in item.source] == sorted(path.resolve() for path in files)
    volume = nibabel.load(item.images[0])
    assert volume.shape == (32, 40, 12)
    np.testing.assert_allclose(volume.header.get_zooms(), (0.7, ROW_MM, STEP_MM), rtol=1e-5)
    before = item.images[0].stat().st_mtime_ns
    assert found("in", resample=True).items[0].images == item.images
    assert item.images[0].stat().st_mtime_ns == before
    # Another set of files is another volume, though no file is newer.
    files[-1].unlink()
    (less,) = found("in", resample=True).items
    assert nibabel.load(less.images[0]).shape == (32, 40, 11)
    assert not item.images[0].exists()


def test_even_series_are_not_resampled() -> None:
    write_series(Path("in"), make_series())
    (item,) = found("in", resample=True).items
    assert (len(item.images), item.source) == (12, ())
