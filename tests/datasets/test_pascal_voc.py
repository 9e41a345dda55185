"""Layout `voc`: lists, palette masks with a void border, and the union with SBD."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from miniatures import add_image, add_list, add_mask, add_mat
from PIL import Image
from scipy.io import savemat

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import open_data
from ecs_med.data.masks.reading import read_labels, understand_masks
from ecs_med.errors import DataError
from ecs_med.types import Case, CaseCollection
from ecs_med_datasets import pascal_voc, sbd
from ecs_med_datasets.pascal_voc import PascalVocLayout

SIZE = (9, 12)
Labels = npt.NDArray[np.uint8]


def labels_of(name: str, *classes: int, void: bool = True) -> Labels:
    """A map with a block of each class, its border void as VOC draws it."""
    labels = np.zeros(SIZE, np.uint8)
    for place, value in enumerate(classes):
        labels[2:7, 3 * place + 1 : 3 * place + 3] = value
        if void:
            labels[1, 3 * place + 1 : 3 * place + 3] = 255
    return labels


TRAIN = {"2007_000032": labels_of("a", 1, 15), "2007_000039": labels_of("b", 20)}
VAL = {"2007_000033": labels_of("c", 1, 2, 3)}
EXTRA = {"2008_000002": labels_of("d", 20, void=False), "2010_000999": labels_of("e", 3, 15)}


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """A folder of VOCdevkit and of SBD, which repeats images of VOC's lists."""
    root = tmp_path / "data"
    voc = root / "VOCdevkit" / "VOC2012"
    for name, labels in {**TRAIN, **VAL}.items():
        add_image(voc / "JPEGImages", name, SIZE)
        add_mask(voc / "SegmentationClass", name, labels)
    add_list(voc, "train", *TRAIN)
    add_list(voc, "val", *VAL)
    dataset = root / "benchmark_RELEASE" / "dataset"
    other = np.full(SIZE, 7, np.uint8)
    for name, labels in {**EXTRA, "2007_000032": other, "2007_000033": other}.items():
        add_image(dataset / "img", name, SIZE)
        add_mat(dataset / "cls", name, labels)
    (dataset / "train.txt").write_text("2008_000002\n2007_000033\n")
    (dataset / "val.txt").write_text("2010_000999\n2007_000032\n")
    return root


def stored_labels(collection: CaseCollection, case: Case) -> Labels:
    masks = [c.mask for c in collection.cases if c.mask is not None]
    scheme, _ = understand_masks(masks, ReadingSettings(), collection.labels)
    assert scheme.class_names == PascalVocLayout.class_names
    assert case.mask is not None
    return read_labels(case.images, case.mask, scheme)


def messages(collection: CaseCollection, severity: str) -> list[str]:
    return [p.message for p in collection.problems if p.severity == severity]


def test_union_with_sbd_without_validation_images(both: Path) -> None:
    collection = open_data(both)
    assert collection.layout == "voc"
    parts = {case.id.removeprefix("JPEGImages/"): case.partition for case in collection.cases}
    assert parts == {
        **dict.fromkeys({**TRAIN, **EXTRA}, "train"),
        **dict.fromkeys(VAL, "validation"),
    }
    assert not messages(collection, "error")


def test_classes_pixel_by_pixel(both: Path) -> None:
    collection = open_data(both)
    expected = {**TRAIN, **VAL, **EXTRA}
    for case in collection.cases:
        labels = stored_labels(collection, case)
        np.testing.assert_array_equal(labels, expected[case.id.removeprefix("JPEGImages/")])


@pytest.mark.parametrize("inner", ["VOCdevkit", "VOCdevkit/VOC2012"])
def test_voc_alone_is_told_as_such(both: Path, inner: str) -> None:
    collection = open_data(both / inner)
    assert [case.id for case in collection.cases] == [
        "JPEGImages/2007_000032",
        "JPEGImages/2007_000033",
        "JPEGImages/2007_000039",
    ]
    (told,) = messages(collection, "warning")
    assert told.startswith("2 train, 1 validation cases with masks, where VOC 2012 with SBD has")
    assert "10,582 train, 1,449 validation" in told
    (problem,) = [p for p in collection.problems if p.severity == "warning"]
    assert "benchmark_RELEASE/" in problem.remedy


def test_published_numbers_are_confirmed(both: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PascalVocLayout, "num_cases", {"train": 4, "validation": 1})
    monkeypatch.setattr(pascal_voc, "NUM_SBD", 4)
    collection = open_data(both)
    assert not messages(collection, "warning")
    assert "as published" in messages(collection, "note")[-1]


def test_images_of_sbd_may_lie_in_voc(both: Path) -> None:
    img = both / "benchmark_RELEASE" / "dataset" / "img"
    (img / "2008_000002.jpg").rename(both / "VOCdevkit/VOC2012/JPEGImages/2008_000002.jpg")
    collection = open_data(both)
    assert len(collection.cases) == 5
    (img / "2010_000999.jpg").unlink()
    (error,) = messages(open_data(both), "error")
    assert error == "1 listed images are missing (2010_000999)"


def test_segmentation_class_aug_serves_without_sbd(both: Path) -> None:
    voc = both / "VOCdevkit" / "VOC2012"
    add_image(voc / "JPEGImages", "2008_000002", SIZE)
    (voc / "SegmentationClassAug").mkdir()
    for name, labels in {**EXTRA, **VAL}.items():
        Image.fromarray(labels).save(voc / "SegmentationClassAug" / f"{name}.png")
    add_image(voc / "JPEGImages", "2010_000999", SIZE)
    collection = open_data(voc)
    assert len(collection.cases) == 5
    last = collection.cases[-1]
    assert last.mask == voc / "SegmentationClassAug" / "2010_000999.png"
    np.testing.assert_array_equal(stored_labels(collection, last), EXTRA["2010_000999"])


def test_missing_image_and_mask_are_errors(both: Path) -> None:
    voc = both / "VOCdevkit" / "VOC2012"
    (voc / "JPEGImages/2007_000032.jpg").unlink()
    (voc / "SegmentationClass/2007_000033.png").unlink()
    assert sorted(messages(open_data(voc), "error")) == [
        "1 listed images are missing (2007_000032)",
        "1 listed masks are missing (2007_000033)",
    ]


@pytest.mark.parametrize("entry", ["../../2007_000032", "/etc/passwd"])
def test_list_that_leads_outside_is_refused(both: Path, entry: str) -> None:
    voc = both / "VOCdevkit" / "VOC2012"
    add_list(voc, "val", "2007_000033", entry)
    with pytest.raises(DataError, match=r"val\.txt: '.*' is no image name of VOC"):
        open_data(voc)


def test_missing_list_names_file_and_remedy(both: Path) -> None:
    (both / "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt").unlink()
    with pytest.raises(DataError, match=r"val\.txt: the list cannot be read .* Unpack"):
        open_data(both)


def test_own_data_in_the_layout_of_voc_is_not_taken_for_voc(tmp_path: Path) -> None:
    add_image(tmp_path / "JPEGImages", "scan_001", SIZE)
    add_mask(tmp_path / "SegmentationClass", "scan_001", labels_of("a", 1))
    add_list(tmp_path, "train", "scan_001")
    assert not PascalVocLayout().recognizes(tmp_path)
    with pytest.raises(DataError, match="not PASCAL VOC 2012"):
        PascalVocLayout().read(tmp_path, ReadingSettings())


def test_converted_masks_are_kept_until_the_mat_changes(tmp_path: Path) -> None:
    add_mat(tmp_path, "2008_000002", labels_of("a", 5))
    mat, cache = tmp_path / "2008_000002.mat", tmp_path / "cache"
    first = sbd.convert_masks([mat], cache)[0]["2008_000002"]
    assert first.stat().st_mtime_ns == mat.stat().st_mtime_ns
    written = first.stat().st_ino
    assert sbd.convert_masks([mat], cache)[0]["2008_000002"].stat().st_ino == written
    add_mat(tmp_path, "2008_000002", labels_of("a", 5, 6, 7))
    second = sbd.convert_masks([mat], cache)[0]["2008_000002"]
    assert second != first
    np.testing.assert_array_equal(np.asarray(Image.open(second)), labels_of("a", 5, 6, 7))


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "other", "value"])
def test_damaged_mat_is_named(both: Path, damage: str) -> None:
    mat = both / "benchmark_RELEASE/dataset/cls/2008_000002.mat"
    if damage == "truncated":
        mat.write_bytes(mat.read_bytes()[:-40])
    elif damage == "empty":
        mat.write_bytes(b"")
    elif damage == "text":
        mat.write_text("<html>404 Not Found</html>" * 20)
    elif damage == "other":
        savemat(mat, {"GTinst": {"Segmentation": EXTRA["2008_000002"]}})
    else:
        add_mat(mat.parent, mat.stem, np.full(SIZE, 33, np.uint8))
    (problem,) = [p for p in open_data(both).problems if p.severity == "error"]
    assert problem.path == mat
    assert problem.remedy == "unpack it again from the archive of SBD"


def test_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    add_mat(tmp_path, "2008_000002", labels_of("a", 5))
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="XDG_CACHE_HOME"):
        sbd.convert_masks([tmp_path / "2008_000002.mat"], tmp_path / "file")
