"""Layouts `msd` and `nnunet`: imagesTr beside labelsTr."""

import json
from pathlib import Path
from typing import Any

import pytest

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import open_data
from ecs_med.errors import DataError


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def describe(root: Path, values: Any) -> None:
    (root / "dataset.json").write_text(json.dumps(values))


def test_pairs_without_description(tmp_path: Path) -> None:
    touch(tmp_path, "imagesTr/h_001.nii.gz", "imagesTr/h_002.nii.gz", "labelsTr/h_001.nii.gz")
    touch(tmp_path, "imagesTr/._h_001.nii.gz")
    collection = open_data(tmp_path)
    assert collection.layout == "msd"
    assert [(c.id, c.mask is not None) for c in collection.cases] == [
        ("imagesTr/h_001", True),
        ("imagesTr/h_002", False),
    ]
    assert collection.labels is None


def test_msd_description(tmp_path: Path) -> None:
    touch(tmp_path, "imagesTr/a.nii.gz", "labelsTr/ref_a.nii.gz", "imagesTs/t.nii.gz")
    describe(
        tmp_path,
        {
            "labels": {"0": "background", "1": "anterior"},
            "training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/ref_a.nii.gz"}],
            "test": ["./imagesTs/t.nii.gz"],
        },
    )
    collection = open_data(tmp_path)
    assert collection.labels == {0: "background", 1: "anterior"}
    assert [c.mask for c in collection.cases] == [tmp_path / "labelsTr/ref_a.nii.gz", None]
    assert all(c.partition is None for c in collection.cases)
    assert any("no labelsTs" in p.message for p in collection.problems)
    assert not any(p.severity in ("error", "warning") for p in collection.problems)


@pytest.mark.parametrize("label", ["../secret.nii.gz", "/etc/passwd", "labelsTr/../../s.nii.gz"])
def test_paths_that_lead_outside_are_not_followed(tmp_path: Path, label: str) -> None:
    root = tmp_path / "task"
    touch(root, "imagesTr/a.nii.gz")
    touch(tmp_path, "secret.nii.gz", "s.nii.gz")
    describe(root, {"training": [{"image": "imagesTr/a.nii.gz", "label": label}]})
    collection = open_data(root)
    assert collection.cases[0].mask is None
    assert any("leads out of the data set" in p.message for p in collection.problems)


@pytest.mark.parametrize(
    "description",
    [
        {"modality": {"0": "CT"}, "labels": {"0": "background", "1": "liver"}},
        {
            "channel_names": {"0": "CT"},
            "labels": {"background": 0, "liver": 1},
            "file_ending": ".nii.gz",
        },
    ],
)
def test_nnunet_both_descriptions(tmp_path: Path, description: Any) -> None:
    touch(tmp_path, "imagesTr/c_1_0000.nii.gz", "labelsTr/c_1.nii.gz", "imagesTs/c_2_0000.nii.gz")
    describe(tmp_path, description)
    collection = open_data(tmp_path)
    assert collection.layout == "nnunet"
    assert collection.labels == {0: "background", 1: "liver"}
    assert [(c.id, c.mask is not None) for c in collection.cases] == [
        ("imagesTr/c_1", True),
        ("imagesTs/c_2", False),
    ]


def test_nnunet_v1_lists_images_without_channel_number(tmp_path: Path) -> None:
    touch(tmp_path, "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz")
    training = [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}]
    describe(tmp_path, {"modality": {"0": "MRI"}, "training": training})
    assert open_data(tmp_path).cases[0].mask == tmp_path / "labelsTr/a.nii.gz"


def test_nnunet_channels_in_order_and_test_partition(tmp_path: Path) -> None:
    touch(tmp_path, *(f"imagesTr/a_000{i}.nii.gz" for i in (1, 0, 2)), "labelsTr/a.nii.gz")
    touch(tmp_path, *(f"imagesTs/b_000{i}.nii.gz" for i in (0, 1)), "labelsTs/b.nii.gz")
    collection = open_data(tmp_path)
    first, second = collection.cases
    assert [path.name[2:6] for path in first.images] == ["0000", "0001", "0002"]
    assert (first.partition, second.partition) == ("train", "test")
    [error] = [p for p in collection.problems if p.severity == "error"]
    assert error.message == (
        "2 channel file(s) (0000, 0001), where most cases have 3; missing: 0002"
    )


def test_four_digits_in_the_names_of_both_are_no_channels(tmp_path: Path) -> None:
    touch(tmp_path, "imagesTr/a_0001.nii.gz", "labelsTr/a_0001.nii.gz", "imagesTr/a_0002.nii.gz")
    collection = open_data(tmp_path)
    assert collection.layout == "msd"
    assert len(collection.cases) == 2


def test_nnunet_color_pictures_are_one_file(tmp_path: Path) -> None:
    touch(tmp_path, "imagesTr/a_0000.png", "labelsTr/a.png")
    names = {"0": "R", "1": "G", "2": "B"}
    describe(tmp_path, {"channel_names": names, "labels": {"background": 0, "road": 1}})
    assert not open_data(tmp_path).problems


def test_nnunet_orphans_and_names_without_number(tmp_path: Path) -> None:
    touch(tmp_path, "imagesTr/a_0000.nii.gz", "imagesTr/b.nii.gz", "labelsTr/c.nii.gz")
    problems = open_data(tmp_path).problems
    warned = [p.path for p in problems if p.severity == "warning"]
    assert warned == [tmp_path / "imagesTr/b.nii.gz"]
    errors = [p for p in problems if p.severity == "error"]
    assert errors[0].path == tmp_path / "labelsTr"
    assert "the first image is a, the first mask c.nii.gz" in errors[0].message


@pytest.mark.parametrize("text", ["{", "[1]", "\xff"])
def test_broken_description(tmp_path: Path, text: str) -> None:
    touch(tmp_path, "imagesTr/a.nii.gz")
    (tmp_path / "dataset.json").write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=r"dataset\.json"):
        open_data(tmp_path)


def test_region_labels_are_not_taken_as_names(tmp_path: Path) -> None:
    touch(tmp_path, "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz")
    describe(tmp_path, {"labels": {"background": 0, "whole": [1, 2]}})
    collection = open_data(tmp_path)
    assert collection.labels is None
    assert any("not one value" in p.message for p in collection.problems)


def test_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "imagesTr").mkdir()
    with pytest.raises(DataError, match="no readable image"):
        open_data(tmp_path)
    with pytest.raises(DataError, match="no file with a channel number"):
        open_data(tmp_path, ReadingSettings(layout="nnunet"))
