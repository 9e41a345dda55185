"""Two folders that may hold the masks: asked, never chosen in silence."""

from pathlib import Path

import pytest
from situations.inputs_pairing import add_picture, masks_of, opened, remedies, told, touch

from ecs_med.errors import DataError, SettingsError
from ecs_med_cli.app import main

EVERY = range(8)


def add_drive(root: Path) -> Path:
    """Retina pictures: `mask/` is the field of view, `1st_manual/` the vessels."""
    for i in EVERY:
        add_picture(root / f"images/0{i}_training.png", i)
        add_picture(root / f"mask/0{i}_training_mask.png", 0, (255,))
        add_picture(root / f"1st_manual/0{i}_manual1.png", i, (255,))
    return root


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_drive_fov_mask_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_drive(tmp_path)
    said = (
        f"{tmp_path}/images: 2 folders may hold the masks: mask/ (8 of 8 images) and 1st_manual/"
        " (8 of 8 images); say which with --mask-folder mask or --mask-folder 1st_manual"
    )
    assert run("train", "--data", tmp_path, "--run", tmp_path / "run") == 2
    assert said in capsys.readouterr().err
    assert run("check", tmp_path) == 2
    assert "1st_manual/" in capsys.readouterr().out
    assert run("check", tmp_path, "--mask-folder", "1st_manual") == 0
    assert "No errors, 0 warnings" in capsys.readouterr().out


def test_drive_fov_mask_settled_reads_the_vessels(tmp_path: Path) -> None:
    collection = opened(add_drive(tmp_path), mask_folder="1st_manual")
    assert masks_of(collection) == {
        f"images/0{i}_training": f"1st_manual/0{i}_manual1.png" for i in EVERY
    }
    assert "/mask: not used, because `mask_folder=1st_manual` is asked for" in told(
        collection, "note"
    )


@pytest.mark.parametrize("part", ["", "train/"])
def test_two_usual_names_that_both_hold_masks(tmp_path: Path, part: str) -> None:
    touch(tmp_path, *(f"{part}{f}/{i}.png" for i in EVERY for f in ("images", "masks", "labels")))
    assert remedies(opened(tmp_path), "error") == [
        "Say which with `mask_folder=masks` or `mask_folder=labels`"
    ]
    chosen = opened(tmp_path, mask_folder="labels")
    assert set(masks_of(chosen).values()) == {f"{part}labels/{i}.png" for i in EVERY}
    assert not told(chosen, "warning") + told(chosen, "error")


def test_final_and_original_labels_of_monai_label(tmp_path: Path) -> None:
    touch(tmp_path, *(f"p{i}.nii.gz" for i in EVERY))
    touch(
        tmp_path, *(f"labels/{kind}/p{i}.nii.gz" for i in EVERY for kind in ("final", "original"))
    )
    assert remedies(opened(tmp_path), "error") == [
        "Say which with `mask_folder=labels/final` or `mask_folder=labels/original`"
    ]
    chosen = opened(tmp_path, mask_folder="labels/final")
    assert masks_of(chosen) == {f"p{i}": f"labels/final/p{i}.nii.gz" for i in EVERY}


def test_a_folder_of_other_pictures_is_a_warning_at_most(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{f}/{i}.png" for i in EVERY for f in ("images", "masks", "bbox")))
    touch(tmp_path, "figures/1.png")
    collection = opened(tmp_path)
    assert set(masks_of(collection).values()) == {f"masks/{i}.png" for i in EVERY}
    assert told(collection, "error") == []
    assert told(collection, "warning") == [
        "/bbox: 8 image file(s) here are not used: 0.png, 1.png, 2.png, ..."
    ]


def test_masks_in_a_folder_of_an_unusual_name_are_found_by_the_remedy(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{f}/{i}.png" for i in EVERY for f in ("images", "vessels")))
    collection = opened(tmp_path)
    assert "say `mask_folder=vessels`" in remedies(collection, "warning")[0]
    assert set(masks_of(opened(tmp_path, mask_folder="vessels")).values()) == {
        f"vessels/{i}.png" for i in EVERY
    }


def test_few_files_with_names_of_unlabeled_images_are_a_warning(tmp_path: Path) -> None:
    touch(tmp_path, *(f"images/{i}.png" for i in EVERY), "masks/0.png", "vessels/3.png")
    assert told(opened(tmp_path), "warning") == [
        "/vessels: 1 image file(s) here are not used, though they have names of unlabelled images:"
        " 3.png"
    ]


def test_wrong_mask_folder(tmp_path: Path) -> None:
    touch(tmp_path / "a", "images/a.png", "masks/a.png")
    with pytest.raises(DataError, match="no folder vessel beside a folder of images"):
        opened(tmp_path / "a", mask_folder="vessel")
    touch(tmp_path / "b", "imagesTr/a.nii.gz", "labelsTr/a.nii.gz")
    with pytest.raises(SettingsError, match="does not apply to the layout msd"):
        opened(tmp_path / "b", mask_folder="labelsTr")
