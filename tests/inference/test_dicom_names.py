"""Names of DICOM cases, and which of several scans are meant."""

import re
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_mask_files import picture, series
from dicom_pictures import make_dataset
from odd_series import make_series, write_series
from PIL import Image

from ecs_med.data.intake.pseudonyms import Pseudonyms
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
    parts = names("work/in/ROE") + names("work/in/bare")
    assert sorted(parts) == sorted(names("work/in"))
    (tmp_path / "config" / "ecs-med" / "key").unlink()
    assert not {*names("work/in")} & {*first}
    assert len(files) == 5


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


def test_sizes_and_directions_in_one_series_do_not_share_names() -> None:
    slices = make_series()
    like = slices[0]
    small = make_series(stored=np.zeros((4, 10, 12), np.int16), like=like)
    write_series(Path("in"), [*slices, *small])
    items = found("in", series="all").items
    assert sorted(len(item.images) for item in items) == [4, 12]
    assert len({item.case for item in items}) == 2
    assert len({image.resolve() for item in items for image in item.images}) == 16


def test_pictures_beside_volumes_are_not_for_a_model_of_volumes() -> None:
    series(Path("in/CT"), VOXELS, study="1.2.3")
    picture(Path("in/dose.dcm"), np.zeros((8, 9, 3), np.uint8), group="1.2.3")
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


def test_a_series_is_no_channel() -> None:
    series(Path("in"), VOXELS)
    (item,) = find_inputs([Path("in")], num_channels=2).items
    assert "is 1 of the 2 channels that the model takes" in str(item.problem)
