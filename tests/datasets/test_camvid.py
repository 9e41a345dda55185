"""Layout `camvid`: class numbers with 11 as void, in SegNet's folders."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import open_data
from ecs_med.data.masks.reading import read_labels, understand_masks
from ecs_med.errors import DataError
from ecs_med_datasets.benchmark_layouts import CamVidLayout

VALUES = np.arange(12, dtype=np.uint8).reshape(3, 4)
CASES = (
    *(("train", "0001TP_006690"), ("train", "Seq05VD_f00000")),
    *(("val", "0016E5_07959"), ("test", "0006R0_f00930")),
)


def add(root: Path, part: str, name: str) -> None:
    for folder in (root / part, root / f"{part}annot"):
        folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(root / part / f"{name}.png")
    Image.fromarray(VALUES).save(root / f"{part}annot" / f"{name}.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for part, name in CASES:
        add(tmp_path / "CamVid", part, name)
    (tmp_path / "CamVid" / "train.txt").write_text("/SegNet/CamVid/train/0001TP_006690.png")
    return tmp_path


@pytest.mark.parametrize("inner", ["", "CamVid"])
def test_parts_and_classes(root: Path, inner: str) -> None:
    collection = open_data(root / inner)
    assert collection.layout == "camvid"
    assert {case.id: case.partition for case in collection.cases} == {
        "test/0006R0_f00930": "test",
        "train/0001TP_006690": "train",
        "train/Seq05VD_f00000": "train",
        "val/0016E5_07959": "validation",
    }
    masks = [case.mask for case in collection.cases if case.mask]
    assert len(masks) == 4
    scheme, _ = understand_masks(masks, ReadingSettings(), collection.labels)
    assert scheme.class_names == CamVidLayout.class_names
    labels = read_labels(collection.cases[0].images, masks[0], scheme)
    np.testing.assert_array_equal(labels.ravel(), [*range(11), 255])


def test_numbers_are_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (warning,) = [p for p in open_data(root).problems if p.severity == "warning"]
    assert "where CamVid has 367 train, 101 validation, 233 test" in warning.message
    monkeypatch.setattr(CamVidLayout, "num_cases", {"train": 2, "validation": 1, "test": 1})
    assert not [p for p in open_data(root).problems if p.severity == "warning"]


def test_other_data_in_the_same_folders_is_not_taken_for_camvid(tmp_path: Path) -> None:
    add(tmp_path, "train", "scan_1")
    assert not CamVidLayout().recognizes(tmp_path)
    with pytest.raises(DataError, match="not CamVid as of SegNet"):
        CamVidLayout().read(tmp_path, ReadingSettings())
