"""Data is found where it usually lies; what is missing is said with its source."""

from pathlib import Path

import pytest

from ecs_med.errors import DataError, SettingsError
from ecs_med_datasets.data_root import (
    DATA_VARIABLE,
    SOURCES,
    find_data,
    missing_parts,
)

LAYOUTS = {
    "voc": (
        *("VOCdevkit/VOC2012/SegmentationClass/a.png", "VOCdevkit/VOC2012/JPEGImages/a.jpg"),
        *("VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt",),
        *("VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt",),
        "benchmark_RELEASE/dataset/cls/a.mat",
    ),
    "cityscapes": tuple(
        f"{folder}/{part}/aachen/a.png"
        for folder in ("leftImg8bit", "gtFine")
        for part in ("train", "val")
    ),
    "camvid": tuple(
        f"{part}{kind}/0001TP_006690.png"
        for part in ("train", "val", "test")
        for kind in ("", "annot")
    ),
    "kvasir": ("images/a.jpg", "masks/a.jpg"),
    "cvc-clinicdb": ("images/1.png", "masks/1.png"),
    "hippocampus": ("imagesTr/h.nii.gz", "labelsTr/h.nii.gz"),
}


def put(folder: Path, name: str) -> Path:
    for file in LAYOUTS[name]:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("2007_000032\n")
    return folder


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)


@pytest.mark.parametrize("name", SOURCES)
def test_folder_that_is_given(tmp_path: Path, name: str) -> None:
    folder = put(tmp_path / "some name", name)
    assert find_data(name, folder) == folder
    assert missing_parts(SOURCES[name], folder) == []


@pytest.mark.parametrize("name", SOURCES)
def test_folder_of_many_data_sets(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in SOURCES:
        put(tmp_path / SOURCES[other].folders[0], other)
    expected = tmp_path / SOURCES[name].folders[0]
    assert find_data(name, tmp_path) == expected
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    assert find_data(name) == expected
    monkeypatch.setenv(DATA_VARIABLE, str(expected))
    assert find_data(name) == expected


def test_given_folder_comes_before_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(put(tmp_path / "a", "voc")))
    assert find_data("voc", put(tmp_path / "b", "voc")) == tmp_path / "b"


def test_a_folder_of_any_pictures_is_not_taken_for_a_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(put(tmp_path / "own pictures", "kvasir")))
    with pytest.raises(DataError, match=r"holds no Kvasir-SEG"):
        find_data("kvasir")


def test_data_of_another_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no Kvasir-SEG .*missing are kvasir-seg/images"):
        find_data("kvasir", put(tmp_path / "x", "hippocampus"))


def test_nothing_named_tells_all_sources() -> None:
    with pytest.raises(DataError, match=r"give `data=FOLDER` or set ECS_MED_DATA") as caught:
        find_data("cityscapes")
    told = str(caught.value)
    assert "leftImg8bit_trainvaltest.zip (11 GB)" in told
    assert "gtFine_trainvaltest.zip (241 MB)" in told
    assert told.count("with a free account") == 2
    assert "licence: non-commercial research" in told


def test_missing_folder_names_where_it_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="no such folder; check `data`"):
        find_data("voc", tmp_path / "absent")
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(DataError, match="no such folder; check ECS_MED_DATA"):
        find_data("voc")


def test_only_what_is_missing_is_told(tmp_path: Path) -> None:
    put(tmp_path, "voc")
    (tmp_path / "VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt").unlink()
    with pytest.raises(DataError) as caught:
        find_data("voc", tmp_path)
    told = str(caught.value)
    assert "(missing are VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt)" in told
    assert "VOCtrainval_11-May-2012.tar" in told
    assert "benchmark.tgz" not in told


def test_missing_sbd_is_a_missing_part(tmp_path: Path) -> None:
    put(tmp_path, "voc")
    (tmp_path / "benchmark_RELEASE/dataset/cls/a.mat").unlink()
    (tmp_path / "benchmark_RELEASE/dataset/cls").rmdir()
    assert find_data("voc", tmp_path) == tmp_path
    assert [part.title for part in missing_parts(SOURCES["voc"], tmp_path)] == ["SBD"]
    (tmp_path / "VOCdevkit/VOC2012/SegmentationClassAug").mkdir()
    assert missing_parts(SOURCES["voc"], tmp_path) == []


def test_unknown_name() -> None:
    with pytest.raises(SettingsError, match="'coco' is no data set; known are: voc, cityscapes"):
        find_data("coco")
