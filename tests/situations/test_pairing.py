"""Labels that vanish in pairing: every file that is not used is named, and none is guessed."""

from pathlib import Path

import numpy as np
import pytest
from situations.inputs_pairing import (
    add_picture,
    add_volume,
    masks_of,
    opened,
    remedies,
    told,
    touch,
)

from ecs_med.config import ReadingSettings
from ecs_med.data.checks.examination import diagnose
from ecs_med.data.layout import open_data
from ecs_med.data.masks.reading import read_labels, understand_masks
from ecs_med.data.readers import known_formats
from ecs_med.errors import DataError
from ecs_med_cli.app import main

EVERY = range(1, 5)


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_all_gif_images_are_named_with_their_folder(tmp_path: Path) -> None:
    for i in EVERY:
        touch(tmp_path, f"images/case{i}.gif", f"masks/case{i}.png")
    with pytest.raises(DataError) as caught:
        open_data(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: images/ holds 4 .gif file(s), which are not read: case1.gif, case2.gif,"
        f" case3.gif, ...; convert them to {known_formats()}."
    )


def test_gif_masks_some_are_a_warning_with_the_format(tmp_path: Path) -> None:
    touch(tmp_path, *(f"images/case{i}.png" for i in EVERY), "masks/case1.png", "masks/case2.png")
    touch(tmp_path, "masks/case3.gif", "masks/case4_mask.gif")
    collection = opened(tmp_path)
    assert told(collection, "warning") == [
        "/masks: 2 .gif file(s) here are masks of images that count as unlabelled, because this"
        " format is not read: case3.gif, case4_mask.gif"
    ]
    assert masks_of(collection)["images/case3"] is None
    touch(tmp_path, "masks/case3.png", "masks/case4.png")
    for name in ("case3.gif", "case4_mask.gif"):
        (tmp_path / "masks" / name).unlink()
    assert opened(tmp_path).problems == ()


def test_img_hdr_images_are_named_and_their_masks_are_not_called_lonely(tmp_path: Path) -> None:
    touch(tmp_path, *(f"imagesTr/c{i}.nii.gz" for i in EVERY if i > 2))
    touch(tmp_path, *(f"imagesTr/c{i}.{end}" for i in (1, 2) for end in ("img", "hdr")))
    touch(tmp_path, *(f"labelsTr/c{i}.nii.gz" for i in EVERY))
    collection = opened(tmp_path)
    assert told(collection, "warning") == [
        "/imagesTr: 2 .img file(s), a format that is not read: c1.img, c2.img"
    ]
    assert told(collection, "note") == [
        "/labelsTr: 2 mask(s) are not used, because their images are not read: c1.nii.gz, c2.nii.gz"
    ]


@pytest.mark.parametrize("suffix", [".mgz", ".mnc", ".par", ".webp", ".img.gz"])
def test_other_formats_are_named(tmp_path: Path, suffix: str) -> None:
    touch(tmp_path, "images/a.png", "masks/a.png", f"images/b{suffix}", f"masks/b{suffix}")
    warnings = told(opened(tmp_path), "warning")
    assert [line.split(": ")[0] for line in warnings] == ["/images", "/masks"]
    assert all(f"b{suffix}" in line for line in warnings)


def test_nfd_names_pair_with_nfc_names(tmp_path: Path) -> None:
    touch(tmp_path, "images/La\u0308sion_1.png", "images/B.png")
    touch(tmp_path, "masks/L\u00e4sion_1.png", "masks/B.png")
    collection = opened(tmp_path)
    assert set(masks_of(collection).values()) == {"masks/L\u00e4sion_1.png", "masks/B.png"}
    assert collection.problems == ()


def test_nfd_name_with_a_mask_word(tmp_path: Path) -> None:
    touch(tmp_path, "La\u0308sion.png", "L\u00e4sion_mask.png")
    assert list(masks_of(opened(tmp_path)).values()) == ["L\u00e4sion_mask.png"]


@pytest.mark.parametrize("end", ["_mask_1", "_mask1", "_seg (2)", "-label-02", "_mask_b"])
def test_numbered_mask_suffix_is_an_error_and_never_a_picture(tmp_path: Path, end: str) -> None:
    touch(tmp_path, "p1.png", "p1_mask.png", "p6.png", f"p6{end}.png")
    collection = opened(tmp_path)
    assert masks_of(collection) == {"p1": "p1_mask.png", "p6": None}
    assert told(collection, "error") == [
        f"/p6{end}.png: looks like one of several masks of p6.png, so that its labels are not used"
    ]
    (tmp_path / f"p6{end}.png").rename(tmp_path / "p6_mask.png")  # the remedy
    assert masks_of(opened(tmp_path)) == {"p1": "p1_mask.png", "p6": "p6_mask.png"}


def test_numbered_mask_suffix_stops_train(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    touch(tmp_path, "p1.png", "p1_mask.png", "p6.png", "p6_mask_1.png")
    assert run("train", "--data", tmp_path, "--run", tmp_path / "run") == 2
    assert "p6_mask_1.png: looks like one of several masks of p6.png" in capsys.readouterr().err


def test_second_lesions_of_busi_are_an_error(tmp_path: Path) -> None:
    names = ("benign (1).png", "benign (1)_mask.png", "benign (1)_mask_1.png")
    touch(tmp_path, *(f"benign/{name}" for name in names))
    assert told(opened(tmp_path), "error") == [
        "/benign/benign (1)_mask_1.png: looks like one of several masks of benign (1).png, so that"
        " its labels are not used"
    ]


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("IMG_1.JPG", "img_1.png"),
        ("1.png", "001.png"),
        ("Case_07.png", "case_7_seg.png"),
        ("21_training.tif", "21_manual1.tif"),
        ("image_3.png", "label_3.png"),
        ("img3.png", "mask3.png"),
        ("volume-3.nii.gz", "segmentation-3.nii.gz"),
        ("a .png", "a.png"),
        ("Image_01L.jpg", "Image_01L_1stHO.png"),
        ("sub/deep/x.png", "x.png"),
    ],
)
def test_names_of_one_case_in_other_conventions(tmp_path: Path, image: str, mask: str) -> None:
    touch(tmp_path, f"images/{image}", "images/zz.png", f"masks/{mask}", "masks/zz.png")
    collection = opened(tmp_path)
    assert sorted(filter(None, masks_of(collection).values())) == sorted(
        [f"masks/{mask}", "masks/zz.png"]
    )
    assert not told(collection, "warning")


def test_one_mask_that_fits_several_images_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "images/p1/f1.png", "images/p2/f1.png", "images/q.png")
    touch(tmp_path, "masks/f1.png", "masks/q.png")
    collection = opened(tmp_path)
    assert told(collection, "error") == [
        "/masks/f1.png: may be the mask of p1/f1 or p2/f1, so that it is not used"
    ]
    touch(tmp_path, "images/1_test.png", "images/1_train.png", "masks/1_gt.png")
    assert any("1_gt.png: may be the mask of" in line for line in told(opened(tmp_path), "error"))


def test_two_observers_in_one_folder_are_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "Image_01L.jpg", "Image_01L_1stHO.png", "Image_01L_2ndHO.png")
    assert told(opened(tmp_path), "error") == [
        "/Image_01L_2ndHO.png: a second mask for the image that already has Image_01L_1stHO.png"
    ]


def test_a_mask_without_its_image_is_no_picture(tmp_path: Path) -> None:
    touch(tmp_path, "p1.png", "p1_mask.png", "p9_mask.png", "mask_12.png")
    collection = opened(tmp_path)
    assert masks_of(collection) == {"p1": "p1_mask.png"}
    assert told(collection, "warning") == [
        ": 2 file(s) look like masks and are not used: mask_12.png, p9_mask.png"
    ]


def test_images_that_are_called_as_masks_are_images(tmp_path: Path) -> None:
    touch(tmp_path, *(f"images/seg_{i}.png" for i in EVERY), "masks/seg_1.png", "masks/seg_2.png")
    assert len(masks_of(opened(tmp_path))) == 4
    assert len(masks_of(opened(touch(tmp_path / "b", "images/label_1.png", "images/x.png")))) == 1


def test_case_folder_layouts_of_kits(tmp_path: Path) -> None:
    for i in range(3):
        folder = tmp_path / f"case_0000{i}"
        add_volume(folder / "imaging.nii.gz", i)
        add_volume(folder / "segmentation.nii.gz", i, mask=True)
    touch(tmp_path, "case_00003/imaging.nii.gz")
    collection = opened(tmp_path)
    assert collection.layout == "case_folders"
    assert masks_of(collection) == {
        **{f"case_0000{i}": f"case_0000{i}/segmentation.nii.gz" for i in range(3)},
        "case_00003": None,
    }
    case = collection.cases[1]
    assert case.mask is not None
    scheme, _ = understand_masks([case.mask], ReadingSettings())
    assert np.count_nonzero(read_labels(case.images, case.mask, scheme)) == 4 * 6 * 4


def test_case_folder_layouts_of_lits(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{kind}-{i}.nii" for i in range(12) for kind in ("volume", "segmentation")))
    masks = masks_of(opened(tmp_path))
    assert masks == {f"volume-{i}": f"segmentation-{i}.nii" for i in range(12)}


def test_case_folder_layouts_of_brats(tmp_path: Path) -> None:
    kinds = ("t1c", "t1n", "t2f", "seg")
    names = [f"train/BraTS-{i}-000/BraTS-{i}-000-{kind}.nii.gz" for i in EVERY for kind in kinds]
    touch(tmp_path, *names, "name_mapping.csv")
    collection = opened(tmp_path)
    first = collection.cases[0]
    assert first.id == "train/BraTS-1-000"
    assert [path.name[12:15] for path in first.images] == ["t1c", "t1n", "t2f"]
    assert first.mask == tmp_path / "train/BraTS-1-000/BraTS-1-000-seg.nii.gz"
    assert told(collection, "note") == [": each case has 3 channels, in this order: t1c, t1n, t2f"]
    (tmp_path / names[-2]).unlink()
    assert told(opened(tmp_path), "error") == [
        "/train/BraTS-4-000: holds t1c, t1n, where most cases have t1c, t1n, t2f"
    ]


def test_a_folder_a_case_with_a_picture_and_its_mask(tmp_path: Path) -> None:
    touch(tmp_path, *(f"00{i}/{kind}.png" for i in EVERY for kind in ("image", "mask")))
    assert masks_of(opened(tmp_path)) == {f"00{i}": f"00{i}/mask.png" for i in EVERY}


def test_one_file_a_structure_as_of_totalsegmentator_is_told_once(tmp_path: Path) -> None:
    organs = ("liver", "spleen")
    touch(tmp_path, *(f"s{i}/segmentations/{organ}.nii.gz" for i in EVERY for organ in organs))
    collection = opened(touch(tmp_path, *(f"s{i}/ct.nii.gz" for i in EVERY)))
    assert told(collection, "warning")[0].startswith(": 8 file(s) look like masks and are not used")
    assert "Merge the masks of a case into one label map" in remedies(collection, "warning")[0]
    touch(tmp_path, *(f"s{i}/segmentation.nii.gz" for i in EVERY))  # the remedy
    assert set(masks_of(opened(tmp_path)).values()) == {f"s{i}/segmentation.nii.gz" for i in EVERY}


def test_one_mask_an_object_is_told(tmp_path: Path) -> None:
    touch(tmp_path, "1/images/1.png", "1/masks/a.png", "1/masks/b.png", "2/images/2.png")
    assert told(opened(tmp_path), "error")[0] == (
        "/1/masks: 2 masks for one image, 1.png, and none has its name"
    )


def test_cvat_export_is_read_with_its_names_and_colors(tmp_path: Path) -> None:
    for i in range(4):
        add_picture(tmp_path / f"JPEGImages/frame_{i}.jpg", i)
        add_picture(tmp_path / f"SegmentationClass/frame_{i}.png", i, (250, 50, 83))
        add_picture(tmp_path / f"SegmentationObject/frame_{i}.png", i, (0, 0, 128))
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nlesion:250,50,83::\nbackground:0,0,0::\n"
    )
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "default.txt").write_text("frame_0\n")
    collection = opened(tmp_path)
    assert (collection.layout, len(collection.cases)) == ("cvat", 4)
    assert not told(collection, "warning")
    masks = [case.mask for case in collection.cases if case.mask]
    scheme, _ = understand_masks(masks, ReadingSettings(), collection.labels)
    assert scheme.class_names == ("background", "lesion")
    case = collection.cases[2]
    assert case.mask is not None
    labels = read_labels(case.images, case.mask, scheme)
    assert labels[6:16, 6:18].all()
    assert np.count_nonzero(labels) == 10 * 12
    (lists / "train.txt").write_text("frame_0\nframe_1\nframe_2\n")
    (lists / "test.txt").write_text("frame_3\n")
    assert [case.partition for case in opened(tmp_path).cases] == [*["train"] * 3, "test"]


@pytest.mark.parametrize("line", ["lesion:250,50::", "lesion:300,0,0::", "lesion", ":1,2,3::"])
def test_damaged_labelmap_of_cvat(tmp_path: Path, line: str) -> None:
    touch(tmp_path, "JPEGImages/a.jpg", "SegmentationClass/a.png")
    (tmp_path / "labelmap.txt").write_text(f"background:0,0,0::\n{line}\n")
    with pytest.raises(DataError, match="line 2 gives no colour of its own to a class"):
        open_data(tmp_path)


def test_cvat_export_without_images(tmp_path: Path) -> None:
    touch(tmp_path, "labelmap.txt", "SegmentationClass/a.png")
    with pytest.raises(DataError, match="export from CVAT again with 'Save images'"):
        open_data(tmp_path)


def test_nnunet_channel_numbered_0002(tmp_path: Path) -> None:
    touch(tmp_path, *(f"imagesTr/c{i}_000{k}.nii.gz" for i in (1, 2, 3) for k in (0, 1)))
    touch(tmp_path, "imagesTr/c4_0000.nii.gz", "imagesTr/c4_0002.nii.gz")
    touch(tmp_path, *(f"labelsTr/c{i}.nii.gz" for i in EVERY))
    assert told(opened(tmp_path), "error") == [
        "/imagesTr/c4_0000.nii.gz: 2 channel file(s) (0000, 0002), where most cases have 2;"
        " missing: 0001"
    ]


def test_nnunet_lone_channel_0002_and_a_case_number_without_channel(tmp_path: Path) -> None:
    touch(tmp_path, "imagesTr/c_1_0000.nii.gz", "imagesTr/c_2_0002.nii.gz")
    touch(tmp_path, "imagesTr/c_0007.nii.gz", "labelsTr/c_0007.nii.gz")
    touch(tmp_path, "labelsTr/c_1.nii.gz", "labelsTr/c_2.nii.gz")
    collection = opened(tmp_path)
    assert collection.layout == "nnunet"
    assert told(collection, "error") == [
        "/imagesTr/c_2_0002.nii.gz: 1 channel file(s) (0002), where most cases have 1; missing:"
        " 0000, 0001"
    ]
    assert "Rename it to c_0007_0000.nii.gz" in remedies(collection, "warning")


def test_labels_of_test_images_that_are_not_there_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "imagesTr/a.nii.gz", "labelsTr/a.nii.gz", "labelsTs/b.nii.gz")
    assert told(opened(tmp_path), "warning") == [
        "/labelsTs: 1 file(s) look like masks and are not used: b.nii.gz"
    ]


def test_list_names_what_lies_beside_its_files(tmp_path: Path) -> None:
    touch(tmp_path, "i/a.png", "i/b.png", "m/a.png", "m/b.png")
    (tmp_path / "list.csv").write_text("image,mask\ni/a.png,m/a.png\n")
    assert [p.message for p in open_data(tmp_path / "list.csv").problems] == [
        "1 image(s) here are not in the list: b.png",
        "1 image(s) here are not in the list: b.png",
    ]


def test_files_that_are_plainly_something_else_are_no_warning(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{folder}/{i}.png" for i in EVERY for folder in ("images", "masks")))
    touch(tmp_path, "README.md", "images/list.csv", "overview.png", "LICENSE", "boxes.json")
    assert told(opened(tmp_path), "warning") == []
    assert told(opened(tmp_path), "note") == [": 1 image file(s) here are not used: overview.png"]


def test_unreadable_mask_folder_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    touch(tmp_path, *(f"{folder}/{i}.png" for i in EVERY for folder in ("images", "masks")))
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("masks"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    assert told(opened(tmp_path), "error")[0] == "/masks: folder cannot be read (Permission denied)"
    assert not any("no readable mask" in p.message for p in opened(tmp_path).problems)


def test_a_link_to_masks_that_are_not_mounted_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "images/b.png", "labels/a.png", "labels/b.png")
    (tmp_path / "masks").symlink_to(tmp_path / "absent")
    assert told(opened(tmp_path), "error") == [
        "/masks: the link leads nowhere, so what it stood for is not used"
    ]


def test_a_hundred_thousand_names_take_seconds(tmp_path: Path) -> None:
    from ecs_med_datasets.matching import match

    images = dict.fromkeys(f"img_{i:06}" for i in range(100_000))
    found = match(images, [f"IMG_{i:06}_mask" for i in range(100_000)])
    assert len(found.mask_of) == 100_000


def test_thumbnails_below_the_images_are_told(tmp_path: Path) -> None:
    for i in EVERY:
        touch(tmp_path, f"images/{i}.png", f"masks/{i}.png", f"images/thumbnails/{i}.png")
    problem = next(p for p in open_data(tmp_path).problems if p.severity == "warning")
    assert problem.path == tmp_path / "images" / "thumbnails"
    assert problem.message == (
        "4 unlabelled image(s) here are called like labelled ones of the folder above: 1, 2, 3, ..."
    )


def test_equal_names_in_folders_of_patients_are_nothing_to_tell(tmp_path: Path) -> None:
    for i in EVERY:
        touch(tmp_path, f"images/patient{i}/1.png", f"masks/patient{i}/1.png")
    touch(tmp_path, "images/patient5/1.png")
    assert [p.message for p in open_data(tmp_path).problems if p.severity == "warning"] == []


def test_one_mask_for_two_images_of_a_list_is_told(tmp_path: Path) -> None:
    rows = ["image,mask"]
    for i in EVERY:
        add_picture(tmp_path / f"images/{i}.png", i)
        add_picture(tmp_path / f"masks/{i}.png", i, [255])
        rows.append(f"images/{i}.png,masks/{i if i != 3 else 1}.png")
    (tmp_path / "list.csv").write_text("\n".join(rows))
    problems = diagnose(open_data(tmp_path / "list.csv")).problems
    told = [p for p in problems if p.severity == "warning"]
    assert [(p.path, p.message) for p in told] == [
        (tmp_path / "masks/1.png", "is the mask of images/1 and of images/3")
    ]
