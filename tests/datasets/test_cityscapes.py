"""Layout `cityscapes`: ids to classes, parts, and what is missing."""

from pathlib import Path

import numpy as np
import pytest
from miniatures import add_frame

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import open_data
from ecs_med.data.masks.reading import read_labels, understand_masks
from ecs_med.errors import DataError
from ecs_med.types import IGNORE_INDEX
from ecs_med_datasets.benchmark_layouts import CityscapesLayout

# Train id of each label id, written down from cityscapesscripts/helpers/labels.py.
TRAIN_IDS = [
    *(255, 255, 255, 255, 255, 255, 255, 0, 1, 255, 255, 2, 3, 4, 255, 255, 255, 5, 255, 6, 7),
    *(8, 9, 10, 11, 12, 13, 14, 15, 255, 255, 16, 17, 18),
]
IDS = np.arange(34, dtype=np.uint8).reshape(2, 17)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    add_frame(tmp_path, "train", "aachen_000000_000019", IDS)
    add_frame(tmp_path, "train", "bremen_000001_000019", IDS[::-1].copy())
    add_frame(tmp_path, "val", "munster_000002_000019", IDS)
    add_frame(tmp_path, "test", "berlin_000003_000019", np.zeros_like(IDS))
    (tmp_path / "leftImg8bit" / "train_extra").mkdir()
    return tmp_path


def test_cases_and_parts(root: Path) -> None:
    collection = open_data(root)
    assert collection.layout == "cityscapes"
    assert [(case.id, case.partition) for case in collection.cases] == [
        ("leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit", "train"),
        ("leftImg8bit/train/bremen/bremen_000001_000019_leftImg8bit", "train"),
        ("leftImg8bit/val/munster/munster_000002_000019_leftImg8bit", "validation"),
    ]
    assert all(case.mask and case.mask.name.endswith("_labelIds.png") for case in collection.cases)
    assert any("masks are not public" in p.message for p in collection.problems)


def test_all_34_ids_pixel_by_pixel(root: Path) -> None:
    collection = open_data(root)
    masks = [case.mask for case in collection.cases if case.mask]
    scheme, problems = understand_masks(masks, ReadingSettings(), collection.labels)
    assert scheme.class_names == CityscapesLayout.class_names
    assert len(CityscapesLayout.class_names) == 19
    assert not [p for p in problems if p.severity != "note"]
    expected = np.array(TRAIN_IDS, np.uint8).reshape(2, 17)
    for case, turned in zip(collection.cases, (False, True, False), strict=True):
        assert case.mask is not None
        labels = read_labels(case.images, case.mask, scheme)
        np.testing.assert_array_equal(labels, expected[::-1] if turned else expected)
    stored = scheme.decode(np.arange(19))
    np.testing.assert_array_equal(expected.ravel()[stored], np.arange(19))
    assert expected.ravel()[scheme.decode(np.array([IGNORE_INDEX]))] == IGNORE_INDEX


def test_value_that_is_no_id_is_refused(root: Path) -> None:
    add_frame(root, "train", "aachen_000000_000020", np.full_like(IDS, 34))
    collection = open_data(root)
    masks = [case.mask for case in collection.cases if case.mask]
    with pytest.raises(DataError, match=r"aachen_000000_000020_gtFine_labelIds.png: .* value 34"):
        understand_masks(masks, ReadingSettings(), collection.labels)


def test_parent_is_understood_and_cities_are_groups(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    parent = tmp_path_factory.mktemp("data")
    root.rename(parent / "cityscapes")
    collection = open_data(parent, ReadingSettings(patient="folder"))
    assert [case.patient for case in collection.cases] == ["aachen", "bremen", "munster"]
    assert collection.cases[0].id.startswith("leftImg8bit/train/")


def test_numbers_are_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (warning,) = [p for p in open_data(root).problems if p.severity == "warning"]
    assert warning.message.startswith(
        "2 train, 1 validation cases with masks, where Cityscapes has 2,975 train, 500 validation"
    )
    monkeypatch.setattr(CityscapesLayout, "num_cases", {"train": 2, "validation": 1})
    assert not [p for p in open_data(root).problems if p.severity == "warning"]


def test_image_without_mask_is_unlabelled(root: Path) -> None:
    add_frame(root, "train", "aachen_000000_000021", None)
    collection = open_data(root)
    assert [case.mask is None for case in collection.cases] == [False, True, False, False]


def test_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected leftImg8bit/ beside gtFine/"):
        CityscapesLayout().read(tmp_path, ReadingSettings())
    (tmp_path / "leftImg8bit").mkdir()
    (tmp_path / "gtFine").mkdir()
    with pytest.raises(DataError, match="no image named CITY"):
        open_data(tmp_path)
