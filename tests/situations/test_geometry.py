"""Where masks lie on their images, and what is said and done where they do not."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from situations.inputs_geometry import (
    SHAPE,
    check,
    drawn,
    errors,
    labels_of,
    moved,
    one,
    run,
    write_set,
    write_volume,
)

from ecs_med.config import ReadingSettings
from ecs_med.data.masks.other_sets import scheme_of_other_masks
from ecs_med.data.masks.reading import understand_masks
from ecs_med.errors import DataError
from ecs_med.types import IGNORE_INDEX

Capture = pytest.CaptureFixture[str]

MASKS = [f"labelsTr/c{index}.nii.gz" for index in range(3)]
IMAGES = [f"imagesTr/c{index}.nii.gz" for index in range(3)]
NINE_DEGREES = np.eye(4)
NINE_DEGREES[:2, :2] = [[np.cos(0.157), -np.sin(0.157)], [np.sin(0.157), np.cos(0.157)]]


def test_sform_qform_rotated(tmp_path: Path, capfd: Capture) -> None:
    folder = write_set(
        tmp_path, {"sform": NINE_DEGREES @ moved(-6, -7, -5), "qform": moved(-6, -7, -5)},
        {"sform": moved(-6, -7, -5)},
    )  # fmt: skip
    code, rows = check(folder, capfd)
    assert code == 0
    assert errors(rows, "warning") == [*IMAGES, *MASKS]
    for name in IMAGES:
        assert (
            "sform and qform disagree by 1.45 mm; the sform is used" in one(rows, name)["message"]
        )
    for name in MASKS:
        said = one(rows, name)["message"]
        assert said.startswith(
            "lies 1.45 mm away from its image by sform, and on its grid by qform"
        )
        assert said.endswith("not resampled")
    np.testing.assert_array_equal(labels_of(folder, 1), drawn(seed=1))


def test_a_label_map_cut_out_by_the_qform_lies_by_it(tmp_path: Path, capfd: Capture) -> None:
    part = np.s_[4:10, 3:10, 2:8]
    folder = write_set(
        tmp_path, {"sform": NINE_DEGREES @ moved(-6, -7, -5), "qform": moved(-6, -7, -5)},
        {"sform": moved(-2, -4, -3)}, labels=drawn()[part],
    )  # fmt: skip
    assert check(folder, capfd)[0] == 2
    code, rows = check(folder, capfd, "--outside-mask", "background")
    assert code == 0
    assert "and lies on these by the qform, and covers 15 %" in one(rows, MASKS[0])["message"]
    wanted = np.zeros(SHAPE, np.uint8)
    wanted[part] = drawn()[part]
    np.testing.assert_array_equal(labels_of(folder, outside_mask="background"), wanted)


def test_a_mask_turned_on_purpose_is_still_resampled(tmp_path: Path, capfd: Capture) -> None:
    folder = write_set(
        tmp_path, {"sform": moved(-6, -7, -5), "qform": moved(-6, -7, -5)},
        {"sform": NINE_DEGREES @ moved(-6, -7, -5)},
    )  # fmt: skip
    code, rows = check(folder, capfd)
    assert code == 0
    assert errors(rows, "warning") == MASKS
    assert "resampled onto it by nearest neighbour, void" in one(rows, MASKS[0])["message"]
    assert (labels_of(folder) == IGNORE_INDEX).any()


def test_label_origin_shift(tmp_path: Path, capfd: Capture) -> None:
    folder = write_set(tmp_path)
    write_volume(folder / MASKS[1], drawn(seed=1), moved(2))
    code, rows = check(folder, capfd)
    assert code == 0
    assert errors(rows, "warning") == [MASKS[1]]
    said = one(rows, MASKS[1])["message"]
    assert said.startswith("has the shape of its image, but lies 2 mm away and covers 83.3 % of it")
    read = labels_of(folder, 1)
    np.testing.assert_array_equal(read[2:], drawn(seed=1)[:-2])
    assert (read[:2] == IGNORE_INDEX).all()


@pytest.mark.parametrize(("outside", "fill"), [("background", 0), ("void", IGNORE_INDEX)])
def test_slicer_cropped_labels(tmp_path: Path, capfd: Capture, outside: str, fill: int) -> None:
    part = np.s_[4:10, 3:10, 2:8]
    folder = write_set(tmp_path, mask={"sform": moved(4, 3, 2)}, labels=drawn()[part])
    code, rows = check(folder, capfd)
    assert code == 2
    assert errors(rows) == MASKS
    row = one(rows, MASKS[0])
    assert row["message"].startswith("(6 x 7 x 6) covers 15 % of ")
    assert "--outside-mask background" in row["remedy"]
    assert "--outside-mask void" in row["remedy"]
    assert run("train", "--data", folder, "--run", tmp_path / "run") == 2
    assert "covers 15 %" in capfd.readouterr().err
    code, rows = check(folder, capfd, "--outside-mask", outside)
    assert code == 0
    assert errors(rows, "warning") == []
    assert one(rows, MASKS[0])["message"].endswith(f"covers 15 % of it; the rest is {outside}")
    wanted = np.full(SHAPE, fill, np.uint8)
    wanted[part] = drawn()[part]
    np.testing.assert_array_equal(labels_of(folder, outside_mask=outside), wanted)


def test_a_mask_without_its_last_layer_is_told_and_goes_on(tmp_path: Path, capfd: Capture) -> None:
    shape = (12, 14, 30)
    folder = write_set(tmp_path, shape=shape, labels=drawn(shape)[..., :-1])
    code, rows = check(folder, capfd)
    assert code == 0
    assert errors(rows, "warning") == MASKS
    row = one(rows, MASKS[0])
    assert "covers 96.7 % of it" in row["message"]
    assert "--outside-mask background" in row["remedy"]
    assert (labels_of(folder)[..., -1] == IGNORE_INDEX).all()


def test_outside_mask_is_kept_with_the_model(tmp_path: Path) -> None:
    part = np.s_[4:10, 3:10, 2:8]
    folder = write_set(tmp_path, mask={"sform": moved(4, 3, 2)}, labels=drawn()[part])
    masks = [folder / name for name in MASKS]
    scheme, _ = understand_masks(masks, ReadingSettings(outside_mask="background"))
    assert scheme.outside == "background"

    def outside(**asked: Any) -> str:
        return scheme_of_other_masks(masks, scheme, ReadingSettings(**asked))[0].outside

    assert outside() == "background"
    assert outside(outside_mask="void") == "void"
    assert outside(mask_values=(0, 1, 2)) == "background"


def test_rounding_noise_of_oblique_headers_is_not_worth_a_word(
    tmp_path: Path, capfd: Capture
) -> None:
    oblique = NINE_DEGREES @ moved(-80, 31, 12, sides=(0.7, 0.7, 5))
    noise = oblique + np.random.default_rng(0).normal(0, 1e-3, (4, 4)) * [[1], [1], [1], [0]]
    folder = write_set(tmp_path, {"sform": oblique, "qform": oblique}, {"sform": noise})
    code, rows = check(folder, capfd)
    assert (code, list(rows)) == (0, ["", "."])
    assert "3 of 3 volumes lie obliquely in the body" in one(rows, ".")["message"]
    assert errors(rows, "warning") == []
    np.testing.assert_array_equal(labels_of(folder), drawn())


def test_flipped_and_permuted_masks_are_exact_and_silent(tmp_path: Path, capfd: Capture) -> None:
    affine = moved(5, -7, 9, sides=(1, 2, 3))
    order = (2, 0, 1)
    turned = affine.copy()
    turned[:3, :3] = affine[:3, :3][:, order] * [-1, 1, 1]
    turned[:3, 3] += affine[:3, 2] * (SHAPE[2] - 1)
    folder = write_set(
        tmp_path, {"sform": affine}, {"sform": turned}, labels=drawn().transpose(order)[::-1]
    )
    code, rows = check(folder, capfd)
    assert code == 0
    assert errors(rows, "warning") == []
    assert not set(rows) & set(MASKS)
    np.testing.assert_array_equal(labels_of(folder), drawn())


def test_a_mask_of_half_the_resolution_is_noted(tmp_path: Path, capfd: Capture) -> None:
    coarse = drawn()[::2, ::2, ::2]
    half = {"sform": moved(0.5, 0.5, 0.5, sides=(2, 2, 2))}
    folder = write_set(tmp_path, mask=half, labels=coarse)
    code, rows = check(folder, capfd)
    assert code == 0
    row = one(rows, MASKS[0])
    assert row["severity"] == "note"
    assert row["message"] == (
        "6 x 7 x 5 voxels, where its image has 12 x 14 x 10: resampled onto it by nearest neighbour"
    )
    whole = coarse.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    np.testing.assert_array_equal(labels_of(folder), whole)


def test_a_mask_of_a_larger_field_of_view_is_cut(tmp_path: Path, capfd: Capture) -> None:
    larger = np.pad(drawn(), 3)
    folder = write_set(tmp_path, mask={"sform": moved(-3, -3, -3)}, labels=larger)
    code, rows = check(folder, capfd)
    assert code == 0
    assert one(rows, MASKS[0])["severity"] == "note"
    np.testing.assert_array_equal(labels_of(folder), drawn())


def test_without_any_position_equal_shapes_lie_voxel_on_voxel(
    tmp_path: Path, capfd: Capture
) -> None:
    folder = write_set(tmp_path, {})
    assert check(folder, capfd)[0] == 0
    for index, name in enumerate(MASKS):
        image = nibabel.Nifti1Image(drawn(seed=index), None)
        image.header.set_zooms((2, 2, 5))
        nibabel.save(image, folder / name)
    code, rows = check(folder, capfd)
    assert code == 0
    assert (
        "voxels of 2 x 2 x 5 mm, where those of its image have 1 x 1 x 1 mm"
        in (one(rows, MASKS[0])["message"])
    )
    np.testing.assert_array_equal(labels_of(folder), drawn())
    write_volume(folder / MASKS[0], drawn()[:-2])
    code, rows = check(folder, capfd)
    assert code == 2
    assert "neither has a position in space" in one(rows, MASKS[0])["message"]


@pytest.mark.parametrize("lost", ["image", "mask"])
def test_one_without_a_position_is_named(tmp_path: Path, lost: str) -> None:
    placed: dict[str, Any] = {"sform": moved(-50, 3, 9, sides=(1, 1, 4))}
    bare: dict[str, Any] = {}
    folder = write_set(tmp_path, *((bare, placed) if lost == "image" else (placed, bare)))
    with pytest.raises(DataError, match=r"c0\.nii\.gz has no position in space"):
        labels_of(folder)
