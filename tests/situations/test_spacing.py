"""One size of pixels: what `spacing` does, decides and tells, and what `check` says of space."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from situations.inputs_geometry import check, drawn, errors, moved, run, write_set, write_volume
from situations.inputs_space import ORDERS, Order, noise, random_model, rotated, write_nifti

import ecs_med
from ecs_med.config import Preparation, TrainConfig
from ecs_med.config.preparation import MAX_SIDE
from ecs_med.data.prepare import prepare_labels, prepare_scan
from ecs_med.data.readers import Scan, read_scan
from ecs_med.data.slicing import prepared_size
from ecs_med.data.spacing import PixelSides
from ecs_med.errors import SettingsError
from ecs_med.training.resolve import look_at_images, preparation_of, resolve
from ecs_med.types import Case

Capture = pytest.CaptureFixture[str]


def volume(values: np.ndarray, sides: tuple[float, float, float]) -> Scan:
    return Scan(values[None].astype(np.float32), np.diag([*sides, 1.0]), "volume")


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({}, (40, 32)),
        ({"spacing_mm": 0.8}, (25, 40)),  # 40 * 0.5 / 0.8 and 32 * 1 / 0.8
        ({"spacing_mm": 2.0}, (10, 16)),
        ({"spacing_mm": 0.8, "max_size": 20}, (12, 20)),
        ({"spacing_mm": 0.8, "min_size": 80}, (50, 80)),
        ({"spacing_mm": 1000.0}, (1, 1)),
        ({"spacing_mm": 0.8, "plane": "sagittal"}, (40, 19)),  # 5 * 3 / 0.8 = 18.75
    ],
)
def test_the_size_of_slices(settings: dict[str, object], size: tuple[int, int]) -> None:
    scan = volume(noise((40, 32, 5)), (0.5, 1, 3))
    preparation = Preparation.parse(settings)
    assert prepared_size(scan, preparation) == size
    assert prepare_scan(scan, preparation).shape[-2:] == size
    labels = noise((40, 32, 5), 1).astype(np.uint8) % 3
    assert prepare_labels(labels, scan, preparation).shape[-2:] == size


def test_pictures_are_left_alone() -> None:
    picture = Scan(np.zeros((3, 30, 40), np.uint8), None, "picture")
    assert prepare_scan(picture, Preparation(spacing_mm=0.5)).shape == (1, 3, 30, 40)


def test_values_are_interpolated_where_they_lie_and_labels_are_the_nearest() -> None:
    ramp = np.broadcast_to(np.arange(20.0)[:, None, None], (20, 6, 2))
    scan = volume(ramp, (1, 1, 3))
    preparation = Preparation(spacing_mm=0.5, percentiles=(0, 100))
    stack = prepare_scan(scan, preparation)
    places = (np.arange(40) + 0.5) / 2 - 0.5  # centres of the new pixels, in old ones
    expected = np.broadcast_to(places.clip(0, 19)[None, :, None] / 19, (2, 40, 12))
    np.testing.assert_allclose(stack[:, 0], expected, atol=1e-3)
    labels = ramp.astype(np.uint8)
    nearest = np.floor((np.arange(8) + 0.5) * 2.5).astype(int)
    stack = prepare_labels(labels, scan, Preparation(spacing_mm=2.5))
    np.testing.assert_array_equal(stack[0, :, 0], labels[nearest, 0, 0])


def test_a_checkerboard_is_averaged_and_not_sampled_where_slices_shrink() -> None:
    board = np.indices((32, 32, 2)).sum(axis=0) % 2
    stack = prepare_scan(volume(board, (1, 1, 3)), Preparation(spacing_mm=4, percentiles=(0, 100)))
    assert stack.shape == (2, 1, 8, 8)
    np.testing.assert_allclose(stack[:, :, 1:-1, 1:-1], 0.5, atol=0.05)


def test_results_are_on_the_grid_of_the_input_in_each_order(tmp_path: Path) -> None:
    shape, affine = (20, 14, 11), rotated((0.6, 1.1, 2.5), 12)
    values = noise(shape)
    model = random_model(tmp_path / "run", spacing_mm=0.75)
    original = None
    for order in ORDERS[::5]:
        path = write_nifti(tmp_path / "a.nii", order.copy(values), order.affine(affine, shape))
        scan = read_scan([path])
        assert prepared_size(scan, model.spec.preparation) == (16, 21)  # 20 * 0.6, 14 * 1.1
        found = ecs_med.segment(model, scan, certainty=True)
        original = found if original is None else original
        assert found.certainty is not None
        assert original.certainty is not None
        np.testing.assert_array_equal(found.labels, order.copy(original.labels))
        np.testing.assert_array_equal(found.certainty, order.copy(original.certainty))


def test_absurd_sizes_are_refused_in_a_sentence() -> None:
    scan = volume(np.zeros((400, 300, 2), np.int16), (1, 1, 3))
    with pytest.raises(SettingsError, match=r"400 x 300 pixels of 1 x 1 mm would have 40,000 x"):
        prepare_scan(scan, Preparation(spacing_mm=0.01))
    assert prepared_size(scan, Preparation(spacing_mm=0.01, max_size=64)) == (64, 48)
    assert max(prepared_size(scan, Preparation(spacing_mm=400 / MAX_SIDE))) == MAX_SIDE
    for wrong in ("0", "-1", "nan", "inf", "1e9", "much", None, True, [1]):
        with pytest.raises(SettingsError, match=r"^spacing: give auto, none, or mm above 0"):
            TrainConfig.parse({"data": "x", "spacing": wrong})
    with pytest.raises(SettingsError, match=r"^plane: Input should be 'auto', 'sagittal', 'cor"):
        TrainConfig.parse({"data": "x", "plane": "oblique"})


def cases_of(folder: Path, *pixels: tuple[float, float, float]) -> list[Case]:
    paths = [
        write_volume(folder / f"{i}.nii.gz", drawn(), moved(sides=sides))
        for i, sides in enumerate(pixels)
    ]
    return [Case(str(i), (path,)) for i, path in enumerate(paths)]


def test_one_spacing_is_decided_where_they_vary_much(tmp_path: Path) -> None:
    config = TrainConfig(data=tmp_path, encoder_weights="none", device="cpu", min_size=0)
    near = cases_of(tmp_path / "near", (1, 1, 4), (1.5, 1, 4), (1.2, 1.2, 9))
    images = look_at_images(near, config)
    assert (images.spacing_mm, images.notes, images.size) == (None, (), (12, 14))
    assert resolve(config, images, tmp_path)[0].spacing == "none"
    # Two sides a volume: 0.5, 0.5, 1, 1, 1.25, 2; thick slices do not count.
    far = cases_of(tmp_path / "far", (0.5, 0.5, 9), (1, 1, 4), (2, 1.25, 4))
    images = look_at_images(far, config)
    assert images.spacing_mm == 1
    assert images.size == (12, 14)  # medians of 6, 12, 24 and 7, 14, 17.5
    assert images.notes == (
        "Pixels of slices measure 0.5 to 2 mm, so all slices are resampled to pixels of 1 mm; "
        "`spacing=none` leaves them as they are.",
    )
    resolved = resolve(config, images, tmp_path)[0]
    assert (resolved.spacing, preparation_of(resolved).spacing_mm) == (1, 1)
    for asked, given in (("none", None), ("0.7", 0.7)):
        own = config.model_copy(update={"spacing": TrainConfig(data="x", spacing=asked).spacing})
        images = look_at_images(far, own)
        assert (images.spacing_mm, images.notes) == (given, ())
    whole = [volume(np.zeros((2, 2, 2)), sides) for sides in ((1, 1, 9), (3, 3, 9), (2, 2, 9))]
    assert look_at_images(near, config, whole).spacing_mm == 2


def test_pixels_are_those_of_the_plane() -> None:
    thick = [volume(np.zeros((4, 5, 6)), (1, 9, 2)), volume(np.zeros((4, 5, 6)), (1.4, 1.2, 9))]
    found = PixelSides.of(thick, Preparation())
    assert found is not None
    assert (found.smallest, found.largest, found.median) == pytest.approx((1, 2, 1.3))
    assert PixelSides.of([], Preparation()) is None
    assert PixelSides(1, 1.5, 1).wanted is None


def test_training_keeps_and_tells_the_spacing(tmp_path: Path, capfd: Capture) -> None:
    folder = tmp_path / "data"
    for index in range(4):
        side = 0.5 + 0.5 * (index % 2)
        for part, values in (
            ("imagesTr", noise((24, 20, 5), index)),
            ("labelsTr", drawn((24, 20, 5))),
        ):
            write_volume(folder / part / f"c{index}.nii.gz", values, moved(sides=(side, side, 3)))
    words = (
        *("train", "--data", folder, "--run", tmp_path / "run", "--method", "supervised"),
        *("--iterations", "1", "--batch", "2", "--crop", "32", "--enlarge", "0"),
        *("--encoder", "test_resnet", "--encoder-weights", "none", "--device", "cpu"),
    )
    assert run(*words) == 0
    told = capfd.readouterr()
    assert "resampled to pixels of 0.75 mm; --spacing none leaves" in " ".join(
        (told.out + told.err).split()
    )
    spec = json.loads((tmp_path / "run" / "model.json").read_text())
    assert spec["preparation"]["spacing_mm"] == 0.75
    assert json.loads((tmp_path / "run" / "config.json").read_text())["spacing"] == 0.75


def test_check_tells_of_mixed_orientations_and_pixels(tmp_path: Path, capfd: Capture) -> None:
    folder = write_set(tmp_path, {"sform": moved(sides=(1, 1, 3))})
    order = Order((0, 1, 2), (True, True, False))
    shape, affine = (12, 14, 10), rotated((2, 2, 3), 7)
    for part, values in (("imagesTr", noise(shape)), ("labelsTr", drawn())):
        write_nifti(folder / part / "c9.nii.gz", order.copy(values), order.affine(affine, shape))
    code, rows = check(folder, capfd)
    notes = [row["message"] for row in rows["."] if row["severity"] == "note"]
    assert code == 0
    assert errors(rows, "warning") == []
    assert (
        "volumes are stored in 2 orientations (3 RAS, 1 LPS); all are brought to RAS before they "
        "are sliced, and results are on the grid of each file"
    ) in notes
    angle = np.degrees(np.arccos(np.cos(np.radians(7)) ** 2))
    assert (
        f"1 of 4 volumes lie obliquely in the body, by up to {angle:.1f} degrees (imagesTr/c9); "
        "they are sliced along their own axes, those nearest to the axes of the body"
    ) in notes
    assert (
        "Pixels of slices measure 1 to 2 mm, so all slices are resampled to pixels of 1 mm; "
        "--spacing none leaves them as they are"
    ) in notes


def test_check_tells_of_shear_and_of_volumes_without_a_position(
    tmp_path: Path, capfd: Capture
) -> None:
    sheared = moved()
    sheared[0, 1] = 0.05
    folder = write_set(tmp_path / "sheared", {"sform": sheared})
    _, rows = check(folder, capfd)
    assert errors(rows, "warning") == [f"imagesTr/c{index}.nii.gz" for index in range(3)]
    assert "2.9 degrees off a right angle" in rows["imagesTr/c0.nii.gz"][0]["message"]
    folder = write_set(tmp_path / "lost", {})
    _, rows = check(folder, capfd)
    (said,) = (row for row in rows["."] if "no position in space" in row["message"])
    assert said["severity"] == "note"
    for part in ("imagesTr", "labelsTr"):
        write_volume(folder / part / "c0.nii.gz", drawn(), moved())
    _, rows = check(folder, capfd)
    (said,) = (row for row in rows["."] if "no position in space" in row["message"])
    assert said["severity"] == "warning"
    assert said["message"].startswith("2 of 3 volumes have no position in space")


def test_the_network_is_not_asked_for_more_than_there_is() -> None:
    """A map of one pixel comes back as the whole slice."""
    scan = volume(noise((6, 5, 2)), (1, 1, 3))
    stack = prepare_scan(scan, Preparation(spacing_mm=500))
    assert torch.from_numpy(stack).shape == (2, 1, 1, 1)
