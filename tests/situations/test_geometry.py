"""Where masks lie on their images, and in which plane volumes are sliced."""

import gzip
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from ecs_med.config import Preparation, ReadingSettings
from ecs_med.data.layout import open_data
from ecs_med.data.masks.reading import read_labels, understand_masks
from ecs_med.data.planes import Grid, other_plane, slice_axis, usual_plane
from ecs_med.data.prepare import prepare_scan
from ecs_med.data.readers import read_header, read_scan
from ecs_med.errors import DataError
from ecs_med.inference import evaluation_run
from ecs_med.inference.planes import plane_notes
from ecs_med.training.resolve import look_at_images
from ecs_med.types import IGNORE_INDEX, Case
from tests.situations.inputs_geometry import (
    SHAPE,
    check,
    drawn,
    errors,
    moved,
    run,
    write_set,
    write_volume,
)

Capture = pytest.CaptureFixture[str]

MASKS = [f"labelsTr/c{index}.nii.gz" for index in range(3)]
IMAGES = [f"imagesTr/c{index}.nii.gz" for index in range(3)]
NINE_DEGREES = np.eye(4)
NINE_DEGREES[:2, :2] = [[np.cos(0.157), -np.sin(0.157)], [np.sin(0.157), np.cos(0.157)]]


def labels_of(folder: Path, index: int = 0, **settings: Any) -> np.ndarray:
    """The labels that training sees."""
    cases = [case for case in open_data(folder).cases if case.mask is not None]
    masks = [case.mask for case in cases if case.mask is not None]
    scheme, _ = understand_masks(masks, ReadingSettings(**settings))
    return read_labels(cases[index].images, masks[index], scheme)


def one(rows: dict[str, list[dict[str, str]]], name: str) -> dict[str, str]:
    (row,) = rows[name]
    return row


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


def test_the_remedy_for_two_positions_settles_it(tmp_path: Path, capfd: Capture) -> None:
    """As fslorient -copyqform2sform writes them."""
    folder = write_set(tmp_path, {"sform": moved(-6, -7, -5), "qform": moved(-6, -7, -5)})
    code, rows = check(folder, capfd)
    assert (code, list(rows)) == (0, [""])


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


def test_outside_mask_is_kept_with_the_model(tmp_path: Path, make_spec: Any) -> None:
    part = np.s_[4:10, 3:10, 2:8]
    folder = write_set(tmp_path, mask={"sform": moved(4, 3, 2)}, labels=drawn()[part])
    masks = [folder / name for name in MASKS]
    scheme, _ = understand_masks(masks, ReadingSettings(outside_mask="background"))
    model = make_spec(scheme)
    case = Case("c0", (folder / IMAGES[0],), masks[0])
    selection = evaluation_run.Selection((case,), "all", "")
    assert evaluation_run._label_scheme(model, selection, {}) is None
    other = evaluation_run._label_scheme(model, selection, {"outside_mask": "void"})
    assert other is not None
    assert (scheme.outside, other.outside) == ("background", "void")
    again = evaluation_run._label_scheme(model, selection, {"mask_values": (0, 1, 2)})
    assert again is not None
    assert again.outside == "background"


@pytest.fixture
def make_spec() -> Any:
    class Spec:
        def __init__(self, labels: Any) -> None:
            self.labels, self.class_names = labels, labels.class_names

    class Model:
        run = Path("run")

        def __init__(self, labels: Any) -> None:
            self.spec = Spec(labels)

    return Model


def test_zero_pixdim_noise(tmp_path: Path, capfd: Capture) -> None:
    folder = write_set(tmp_path, {"sform": moved(sides=(1, 1, 3))})
    for name in IMAGES[:2]:
        overwrite_sides(folder / name, 0, 0, 0)
    overwrite_sides(folder / MASKS[2], 1, -1, float("nan"))
    code, rows = check(folder, capfd)
    assert code == 0
    assert errors(rows, "warning") == sorted([*IMAGES[:2], MASKS[2]])
    said = one(rows, IMAGES[0])["message"]
    assert said == (
        "voxel sides of 0 x 0 x 0 mm in its header (pixdim); 1 x 1 x 3 mm of its sform are used"
    )
    assert "1 x -1 x nan mm" in one(rows, MASKS[2])["message"]
    assert read_scan(folder / IMAGES[0]).spacing_mm == (1, 1, 3)


def test_zero_sides_without_sform_become_1_mm(tmp_path: Path, capfd: Capture) -> None:
    folder = write_set(tmp_path, {"qform": moved()})
    for name in (*IMAGES, *MASKS):
        overwrite_sides(folder / name, 1, 1, 0)
    code, rows = check(folder, capfd)
    assert code == 0
    assert errors(rows, "warning") == [*IMAGES, *MASKS]
    assert one(rows, IMAGES[0])["message"].endswith("1 x 1 x 1 mm instead are used")


def overwrite_sides(path: Path, *sides: float, units: int = 2) -> None:
    """Write voxel sides into the bytes of a header, which nibabel would not do."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[80:92] = np.array(sides, "<f4").tobytes()
    content[123] = units
    path.write_bytes(gzip.compress(bytes(content)))


def test_near_isotropic_axis() -> None:
    for sides in ((1.002, 1, 1), (1, 1.002, 1), (1, 1, 1), (0.98, 1, 0.96)):
        assert slice_axis(volume(SHAPE, np.diag([*sides, 1.0])), "auto", "axial") == 2
        assert slice_axis(volume(SHAPE, np.diag([*sides, 1.0])), "auto", "sagittal") == 0
    assert slice_axis(volume(SHAPE, np.diag([1.2, 1, 1, 1])), "auto", "axial") == 0


def test_the_plane_is_decided_over_the_data_set_and_the_same_for_each_order(tmp_path: Path) -> None:
    cases = []
    for index, sides in enumerate([(1.002, 1, 1), (1, 1, 1), (1, 1.003, 1), (6, 1, 1)]):
        path = write_volume(tmp_path / f"{index}.nii.gz", drawn(), moved(sides=sides))
        cases.append(Case(str(index), (path,)))
    assert look_at_images(cases, "auto").plane == "axial"
    assert look_at_images(cases[::-1], "auto").plane == "axial"
    thick = [(1, 5, 1), (1, 4, 1), (1, 1, 1)]
    grids = [Grid(SHAPE, sides, (0, 1, 2)) for sides in thick]
    assert usual_plane(grids) == "coronal"
    assert usual_plane([]) == "axial"


def test_axes_stored_in_another_order_give_the_same_slices() -> None:
    values = np.random.default_rng(0).normal(size=(1, *SHAPE)).astype(np.float32)
    upright = volume(SHAPE, np.diag([1.002, 1.0, 1.0, 1.0]), values)
    order = (2, 0, 1)  # feet to head first
    affine = np.eye(4)
    affine[:3, :3] = np.diag([1.002, 1, 1])[:, order]
    turned = volume(
        tuple(SHAPE[axis] for axis in order), affine, values.transpose(0, *(a + 1 for a in order))
    )
    for plane in ("sagittal", "coronal", "axial"):
        first, second = (prepare_scan(scan, Preparation(plane=plane)) for scan in (upright, turned))
        assert len(first) == len(second) == SHAPE[("sagittal", "coronal", "axial").index(plane)]
        np.testing.assert_array_equal(np.sort(first, axis=None), np.sort(second, axis=None))
        for mine, theirs in zip(first, second, strict=True):
            np.testing.assert_array_equal(np.sort(mine, axis=None), np.sort(theirs, axis=None))


def test_a_data_set_stored_in_another_order_keeps_its_own_plane() -> None:
    stored = [Grid((10, 12, 14), (1, 1, 1), (2, 1, 0))] * 3
    assert usual_plane(stored) == "sagittal"  # across the last array axis, as it always was
    thin = [Grid((10, 12, 14), (side, 0.8, 0.8), (2, 1, 0)) for side in (3, 1, 0.5, 0.8, 2)]
    assert usual_plane(thin) == "axial"
    scan = volume((10, 12, 14), np.array(
        [[0, 0, 0.8, 0], [0, 0.8, 0, 0], [0.5, 0, 0, 0], [0, 0, 0, 1]]
    ))  # fmt: skip
    assert slice_axis(scan, "auto", "axial") == 0  # by spacing alone it would be 2


def test_a_scan_of_another_plane_is_told(tmp_path: Path, capfd: Capture) -> None:
    folder = write_set(tmp_path, {"sform": moved(sides=(1, 1, 4))})
    shape = (10, 14, 12)
    write_volume(folder / IMAGES[2], drawn(shape), moved(sides=(4, 1, 1)))
    write_volume(folder / MASKS[2], drawn(shape), moved(sides=(4, 1, 1)))
    code, rows = check(folder, capfd)
    assert code == 0
    assert errors(rows, "warning") == [IMAGES[2]]
    said = one(rows, IMAGES[2])["message"]
    assert said == (
        "its voxels (4 x 1 x 1 mm) are coarsest from side to side, so that it is cut into sagittal "
        "slices, where axial ones are usual here"
    )
    assert other_plane(Grid(shape, (4, 1, 1), (2, 0, 1)), "axial") is None


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_pictures_stored_as_a_single_layer_are_one_slice(
    tmp_path: Path, capfd: Capture, axis: int
) -> None:
    shape = tuple(np.insert([32, 40], axis, 1))
    labels = np.zeros(shape, np.uint8)
    labels[tuple(np.insert([slice(8, 20), slice(5, 30)], axis, slice(None)))] = 1
    folder = write_set(tmp_path, {"sform": moved(sides=(1, 1, 1))}, labels=labels, shape=shape)
    code, rows = check(folder, capfd)
    assert code == 0
    assert errors(rows, "warning") == []
    for sides in ((1, 1, 1), (0.5, 1, 3), (3, 1, 0.5)):
        scan = volume(shape, np.diag([*sides, 1.0]))
        assert prepare_scan(scan, Preparation()).shape == (1, 1, 32, 40)
    images = look_at_images(open_data(folder).cases, "auto")
    assert images.size == (32, 40)


def volume(shape: tuple[int, ...], affine: np.ndarray, values: np.ndarray | None = None) -> Any:
    from ecs_med.data.readers import Scan

    array = np.random.default_rng(1).normal(size=(1, *shape)) if values is None else values
    return Scan(array.astype(np.float32), affine.astype(float), "volume")


def test_rounding_noise_of_oblique_headers_is_not_worth_a_word(
    tmp_path: Path, capfd: Capture
) -> None:
    oblique = NINE_DEGREES @ moved(-80, 31, 12, sides=(0.7, 0.7, 5))
    noise = oblique + np.random.default_rng(0).normal(0, 1e-3, (4, 4)) * [[1], [1], [1], [0]]
    folder = write_set(tmp_path, {"sform": oblique, "qform": oblique}, {"sform": noise})
    code, rows = check(folder, capfd)
    assert (code, list(rows)) == (0, [""])
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


def test_a_fourth_axis_of_one_and_nifti_2_change_nothing(tmp_path: Path, capfd: Capture) -> None:
    folder = write_set(tmp_path, labels=drawn()[..., None])
    write_volume(folder / MASKS[1], drawn(), moved(), kind=nibabel.Nifti2Image)
    code, rows = check(folder, capfd)
    assert (code, list(rows)) == (0, [""])
    np.testing.assert_array_equal(labels_of(folder), drawn())


@pytest.mark.parametrize(("units", "factor", "word"), [(1, 1e-3, "metres"), (3, 1e3, "micro")])
def test_other_units_of_length_are_converted(
    tmp_path: Path, capfd: Capture, units: int, factor: float, word: str
) -> None:
    sides = (2 * factor, factor, factor)
    folder = write_set(
        tmp_path, {"sform": moved(sides=sides), "units": units}, {"sform": moved(sides=(2, 1, 1))}
    )
    code, rows = check(folder, capfd)
    assert code == 0
    assert errors(rows, "warning") == []
    assert word in one(rows, IMAGES[0])["message"]
    assert read_header([folder / IMAGES[0]]).spacing_mm == pytest.approx((2, 1, 1))
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


def test_qform_alone_and_sform_alone_agree(tmp_path: Path, capfd: Capture) -> None:
    mirrored = moved(4, 5, 6, sides=(-0.9, 0.9, 2))
    folder = write_set(tmp_path, {"sform": mirrored}, {"qform": mirrored})
    code, rows = check(folder, capfd)
    assert (code, list(rows)) == (0, [""])
    np.testing.assert_array_equal(labels_of(folder), drawn())


def test_a_shear_in_the_sform_is_told_and_does_not_hinder(tmp_path: Path, capfd: Capture) -> None:
    sheared = moved()
    sheared[0, 2] = 0.3
    folder = write_set(tmp_path, {"sform": sheared, "qform": moved()})
    code, rows = check(folder, capfd)
    assert code == 0
    assert errors(rows, "warning") == [*IMAGES, *MASKS]
    assert "disagree by 2.7 mm" in one(rows, IMAGES[0])["message"]
    np.testing.assert_array_equal(labels_of(folder), drawn())


def test_a_broken_quaternion_beside_a_good_sform_is_no_matter(
    tmp_path: Path, capfd: Capture
) -> None:
    folder = write_set(tmp_path, {"sform": moved(), "qform": moved()})
    path = folder / IMAGES[0]
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[256:268] = np.array([2, 2, 2], "<f4").tobytes()
    path.write_bytes(gzip.compress(bytes(content)))
    code, rows = check(folder, capfd)
    assert (code, list(rows)) == (0, [""])


def test_predict_says_where_it_slices_otherwise_than_in_training(tmp_path: Path) -> None:
    near = write_volume(tmp_path / "near.nii.gz", drawn(), moved(sides=(1.002, 1, 1)))
    thick = write_volume(tmp_path / "thick.nii.gz", drawn(), moved(sides=(4, 1, 1)))
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"no volume")
    scans = [[near], [broken], [thick], [thick]]
    assert plane_notes(Preparation(), scans) == (
        f"{thick}: its voxels (4 x 1 x 1 mm) are coarsest from side to side, so that it is cut "
        "into sagittal slices, where the model was trained on axial ones: look at the result, "
        "and 1 more like it.",
    )
    assert plane_notes(Preparation(), [[near]]) == ()
    assert plane_notes(Preparation(axis="2"), scans) == ()
    assert plane_notes(Preparation(plane="sagittal"), scans) == ()


def test_the_plane_is_written_into_the_model(tmp_path: Path, capfd: Capture) -> None:
    shape = (16, 32, 32)
    folder = write_set(tmp_path / "data", num_cases=4, shape=shape)
    code = run(
        *("train", "--data", folder, "--run", tmp_path / "run", "--method", "supervised"),
        *("--iterations", "1", "--batch", "2", "--crop", "32", "--resize", "32"),
        *("--encoder", "test_resnet", "--encoder-weights", "none", "--device", "cpu"),
    )
    assert code == 0
    for name, section in (("model.json", "preparation"), ("config.json", None)):
        content = json.loads((tmp_path / "run" / name).read_text())
        assert (content[section] if section else content)["plane"] == "axial"
    assert "pixdim" not in capfd.readouterr().err
