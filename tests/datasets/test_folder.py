"""Layout `folder`: the variants of the contract, and what is told about each."""

from pathlib import Path

import pytest

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import open_data
from ecs_med.errors import DataError
from ecs_med.types import Case, CaseCollection
from ecs_med_datasets.folder import FolderLayout


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def by_id(collection: CaseCollection) -> dict[str, Case]:
    return {case.id: case for case in collection.cases}


def told(collection: CaseCollection, severity: str) -> list[str]:
    return [f"{p.path}: {p.message}" for p in collection.problems if p.severity == severity]


@pytest.mark.parametrize("masks", ["masks", "labels", "annotations", "Mask", "ground_truth", "GT"])
@pytest.mark.parametrize("images", ["images", "image", "IMGS"])
def test_usual_names_of_the_two_folders(tmp_path: Path, images: str, masks: str) -> None:
    touch(tmp_path, f"{images}/a.jpg", f"{images}/b.jpg", f"{masks}/a.png")
    collection = open_data(tmp_path)
    assert collection.layout == "folder"
    assert collection.name == tmp_path.name
    assert by_id(collection) == {
        f"{images}/a": Case(
            f"{images}/a", (tmp_path / images / "a.jpg",), tmp_path / masks / "a.png"
        ),
        f"{images}/b": Case(f"{images}/b", (tmp_path / images / "b.jpg",)),
    }
    assert told(collection, "note") == [
        f"{tmp_path}: 1 of 2 images have no mask and count as unlabelled"
    ]


@pytest.mark.parametrize("name", ["a_mask", "a_seg", "a_segmentation", "a_label", "a_GT", "a-mask"])
def test_mask_suffixes(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "images/a.png", f"masks/{name}.png")
    assert open_data(tmp_path).cases[0].mask == tmp_path / "masks" / f"{name}.png"


def test_the_same_name_wins_over_a_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "images/a_seg.png", "masks/a.png", "masks/a_seg.png")
    cases = by_id(open_data(tmp_path))
    assert cases["images/a"].mask == tmp_path / "masks/a.png"
    assert cases["images/a_seg"].mask == tmp_path / "masks/a_seg.png"


@pytest.mark.parametrize("validation", ["validation", "val", "valid"])
def test_partitions_around_the_folders(tmp_path: Path, validation: str) -> None:
    for part in ("train", validation, "test"):
        touch(tmp_path, f"{part}/images/a.png", f"{part}/masks/a.png")
    partitions = {case.id: case.partition for case in open_data(tmp_path).cases}
    assert partitions == {
        "train/images/a": "train",
        f"{validation}/images/a": "validation",
        "test/images/a": "test",
    }


def test_partitions_inside_the_folders(tmp_path: Path) -> None:
    for part in ("train", "val"):
        touch(tmp_path, f"images/{part}/p1/a.png", f"masks/{part}/p1/a.png")
    collection = open_data(tmp_path)
    assert {c.id: (c.partition, c.mask is not None) for c in collection.cases} == {
        "images/train/p1/a": ("train", True),
        "images/val/p1/a": ("validation", True),
    }


def test_train_alone_gives_no_split(tmp_path: Path) -> None:
    touch(tmp_path, "train/images/a.png", "train/masks/a.png")
    assert open_data(tmp_path).cases[0].partition is None


def test_mirrored_subfolders(tmp_path: Path) -> None:
    touch(tmp_path, "images/p1/a.png", "images/p2/a.png", "masks/p2/a_mask.png")
    cases = by_id(open_data(tmp_path))
    assert cases["images/p1/a"].mask is None
    assert cases["images/p2/a"].mask == tmp_path / "masks/p2/a_mask.png"


def test_unlabeled_folder_serves_training(tmp_path: Path) -> None:
    touch(
        tmp_path, "train/images/a.png", "train/masks/a.png", "val/images/b.png", "val/masks/b.png"
    )
    touch(tmp_path, "unlabelled/c.png", "train/unlabeled/images/d.png", "unlabelled/masks/c.png")
    cases = by_id(open_data(tmp_path))
    assert cases["unlabelled/c"] == Case(
        "unlabelled/c", (tmp_path / "unlabelled/c.png",), partition="train"
    )
    assert cases["train/unlabeled/images/d"].mask is None
    assert len(cases) == 4


def test_without_masks_all_is_unlabeled_and_an_error_for_training(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "images/b.png")
    collection = open_data(tmp_path)
    assert [case.mask for case in collection.cases] == [None, None]
    assert "2 image(s) and not one mask" in told(collection, "error")[0]


def test_plain_folder_of_images(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "more/b.png", "scan.nii.gz")
    collection = open_data(tmp_path)
    assert [case.id for case in collection.cases] == ["a", "more/b", "scan"]
    [error] = [p for p in collection.problems if p.severity == "error"]
    assert "images/ beside masks/" in error.remedy


@pytest.mark.parametrize("folder", ["", "benign/", "images/"])
def test_masks_beside_their_images(tmp_path: Path, folder: str) -> None:
    names = ("b (1).png", "b (1)_mask.png", "b (2).png")
    touch(tmp_path, *(folder + name for name in names))
    cases = by_id(open_data(tmp_path))
    assert list(cases) == [f"{folder}b (1)", f"{folder}b (2)"]
    assert cases[f"{folder}b (1)"].mask == tmp_path / f"{folder}b (1)_mask.png"


def test_images_around_a_folder_of_masks(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "p1/b.png", "masks/a.png", "masks/p1/b.png")
    cases = by_id(open_data(tmp_path))
    assert {key: case.mask for key, case in cases.items()} == {
        "a": tmp_path / "masks/a.png",
        "p1/b": tmp_path / "masks/p1/b.png",
    }


def test_orphan_masks_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "masks/a.png", "masks/b.png", "masks/c_mask.png")
    orphans = told(open_data(tmp_path), "warning")
    assert [line.split(": ")[0] for line in orphans] == [
        str(tmp_path / "masks/b.png"),
        str(tmp_path / "masks/c_mask.png"),
    ]


def test_no_mask_fits_any_image(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "images/b.png", "masks/1.png", "masks/2.png")
    errors = told(open_data(tmp_path), "error")
    assert "none of 2 masks has the name of an image" in errors[0]
    assert "a.png" in errors[0]
    assert "1.png" in errors[0]


def test_doubles_are_errors_and_ids_stay_unique(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "images/a.jpg", "masks/a.png")
    touch(tmp_path, "images/b.png", "masks/b.png", "masks/b_mask.png")
    collection = open_data(tmp_path)
    assert [case.id for case in collection.cases] == ["images/a", "images/b"]
    assert [line.split(": ")[0] for line in told(collection, "error")] == [
        str(tmp_path / "images/a.png"),
        str(tmp_path / "masks/b_mask.png"),
    ]


def test_unreadable_formats_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "images/b.svs", "masks/a.png", "gt/a.txt")
    assert told(open_data(tmp_path), "warning") == [
        f"{tmp_path}/gt: no readable mask in this folder, only files such as a.txt",
        f"{tmp_path}/images: 1 .svs file(s), a format that is not read: b.svs",
    ]


def test_two_folders_that_may_hold_the_masks_are_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "images/b.png", "masks/a.png", "labels/a.png", "labels/b.png")
    assert told(open_data(tmp_path), "error") == [
        f"{tmp_path}/images: 2 folders may hold the masks: masks/ (1 of 2 images) and"
        " labels/ (2 of 2 images)"
    ]
    chosen = open_data(tmp_path, ReadingSettings(mask_folder="labels"))
    assert [case.mask for case in chosen.cases] == [
        tmp_path / "labels/a.png",
        tmp_path / "labels/b.png",
    ]
    assert {p.severity for p in chosen.problems} == {"note"}


@pytest.mark.parametrize(
    ("names", "found"),
    [((), "the folder is empty"), (("images/a.svs",), r"images/ holds 1 \.svs file\(s\)")],
)
def test_nothing_usable(tmp_path: Path, names: tuple[str, ...], found: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(DataError, match=found):
        FolderLayout().read(tmp_path, ReadingSettings())


def test_links_that_loop_above_the_image_folder_end(tmp_path: Path) -> None:
    touch(tmp_path, "train/images/a.png", "train/masks/a.png")
    (tmp_path / "train" / "again").symlink_to(tmp_path)
    assert [case.id for case in open_data(tmp_path).cases] == ["train/images/a"]
