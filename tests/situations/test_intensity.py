"""Intensities: nothing that is there is flattened, and what is nearly empty is said."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from ecs_med.config import Preparation, ReadingSettings
from ecs_med.data.checks.examination import diagnose
from ecs_med.data.layout import open_data
from ecs_med.data.prepare import prepare_scan
from ecs_med.data.readers import Scan, read_scan
from ecs_med.inference.views import grey_slices
from ecs_med.types import Problem

RNG = np.random.default_rng(0)
SHAPE = (40, 40, 20)


def padded(share: float, background: float = 0, low: int = 70, high: int = 200) -> np.ndarray:
    """A compact structure of the values `low` to `high` in a large background."""
    values = np.full(SHAPE, background, np.float32)
    count = round(share * values.size)
    values.reshape(-1)[500 : 500 + count] = np.linspace(low, high, count)
    return values


def prepared(values: np.ndarray, **settings: object) -> np.ndarray:
    scan = Scan(values[None], np.eye(4), "volume")
    stack = prepare_scan(scan, Preparation.parse({"plane": "axial", **settings}))
    return np.moveaxis(stack[:, 0], 0, 2).astype(np.float32)


def problems(folder: Path, **settings: object) -> list[Problem]:
    reading = ReadingSettings.parse(settings)
    found = diagnose(open_data(folder, reading), reading).problems
    return [p for p in found if p.severity != "note"]


def write_set(folder: Path, *volumes: np.ndarray, channels: bool = False) -> Path:
    """Volumes with masks of their brighter half."""
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    for number, values in enumerate(volumes):
        labels = np.zeros(SHAPE, np.uint8)
        labels[5:10, 5:20, 3:9] = 1
        for channel in range(2 if channels else 1):
            image = np.full(SHAPE, 7, np.float32) if channel else values
            name = f"v{number}_{channel:04d}.nii.gz" if channels else f"v{number}.nii.gz"
            nibabel.save(nibabel.Nifti1Image(image, np.eye(4)), folder / "imagesTr" / name)
        path = folder / "labelsTr" / f"v{number}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), path)
    return folder


@pytest.mark.parametrize("background", [0, -1024, 300])
@pytest.mark.parametrize("share", [0.0001, 0.003, 0.006, 0.009])
def test_sparse_volume_keeps_its_structure(share: float, background: float) -> None:
    values = padded(share, background)
    found = prepared(values)
    signal = values != background
    assert len(np.unique(found[signal])) > 0.5 * min(signal.sum(), 100)
    outside = found[~signal]
    assert outside.min() == outside.max()
    if background == 0:  # black is black, and brighter is brighter
        assert outside.max() == 0
        assert found[signal].min() == pytest.approx(70 / 200, abs=0.02)
        assert found.max() == 1


def test_ordinary_volumes_keep_their_digits() -> None:
    skull = np.where(RNG.random(SHAPE) < 0.9, 0, RNG.normal(500, 80, SHAPE)).astype(np.float32)
    speckled = RNG.normal(100, 20, SHAPE).astype(np.float32)
    speckled[3, 4, 5] = 1e6
    for values in (RNG.normal(size=SHAPE).astype(np.float32), skull, speckled, padded(0.02)):
        lower, upper = np.percentile(values, (0.5, 99.5))
        expected = np.clip((values - lower) / (upper - lower), 0, 1).astype(np.float16)
        np.testing.assert_array_equal(prepared(values).astype(np.float16), expected)


def test_two_values_one_voxel_and_nothing() -> None:
    one = np.zeros(SHAPE, np.float32)
    one[3, 4, 5] = 900
    assert prepared(one)[3, 4, 5] == 1
    assert prepared(one).sum() == 1
    assert not prepared(one * 0 + 5).any()
    assert set(np.unique(prepared(padded(0.003, 0, 5, 5)))) == {0, 1}


def test_crumbs_of_resampling_do_not_count_as_signal() -> None:
    values = padded(0.003)
    values.reshape(-1)[5000:7000] = RNG.normal(0, 0.01, 2000)
    found = prepared(values)
    assert len(np.unique(found[values > 60])) > 50


def test_views_show_what_the_network_sees() -> None:
    values = padded(0.003)
    shown = grey_slices(Scan(values[None], np.eye(4), "volume"), 2)
    assert len(np.unique(np.rint(shown))) > 50


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sparse_pictures_of_16_bits(tmp_path: Path, suffix: str) -> None:
    values = np.zeros((100, 100), np.uint16)
    values[50, 10:40] = np.arange(1000, 4000, 100)
    Image.fromarray(values).save(tmp_path / f"a{suffix}")
    array = read_scan([tmp_path / f"a{suffix}"]).array[0]
    assert len(np.unique(array[50, 10:40])) > 25
    assert array[values == 0].max() == 0
    twelve = RNG.integers(0, 4096, (50, 50)).astype(np.uint16)
    Image.fromarray(twelve).save(tmp_path / f"b{suffix}")
    assert read_scan([tmp_path / f"b{suffix}"]).array.max() == 255


def test_check_says_what_is_nearly_one_value(tmp_path: Path) -> None:
    ordinary = RNG.normal(size=SHAPE).astype(np.float32)
    folder = write_set(tmp_path, padded(0.003), ordinary, ordinary + 1, padded(0.3))
    [found] = problems(folder)
    assert found.path == folder / "imagesTr" / "v0.nii.gz"
    assert found.severity == "warning"
    assert found.message == "99.70% of its voxels have the same value, 0"


def test_check_names_a_constant_channel(tmp_path: Path) -> None:
    ordinary = [RNG.normal(size=SHAPE).astype(np.float32) for _ in range(3)]
    found = problems(write_set(tmp_path, *ordinary, channels=True))
    assert [p.message for p in found] == ["all of channel 2 has the same value"] * 3


def test_check_names_a_window_beside_all_values(tmp_path: Path) -> None:
    ordinary = [RNG.random(SHAPE).astype(np.float32) for _ in range(3)]
    folder = write_set(tmp_path, *ordinary)
    outside = problems(folder, window=(100, 400))
    assert [p.severity for p in outside] == ["error"] * 3
    assert "lie outside of the `window` 100 to 400: nothing is seen" in outside[0].message
    narrow = problems(folder, window=(-160, 240))
    assert [p.severity for p in narrow] == ["warning"] * 3
    assert "fill 0.25% of `window` -160 to 240" in narrow[0].message
    assert problems(folder, window=(0, 2)) == []


def test_nearly_black_pictures_are_named(tmp_path: Path) -> None:
    for number in range(4):
        for name in ("images", "masks"):
            (tmp_path / name).mkdir(exist_ok=True)
        pixels = RNG.integers(0, 256, (40, 40, 3), np.uint8)
        if number == 2:
            pixels[:] = 0
            pixels[5, 5:15] = 200
        Image.fromarray(pixels).save(tmp_path / f"images/{number}.png")
        Image.fromarray(np.eye(40, dtype=np.uint8)).save(tmp_path / f"masks/{number}.png")
    [found] = problems(tmp_path)
    assert found.path == tmp_path / "images" / "2.png"
    assert "99.38% of its pixels have the same value, 0" in found.message


@pytest.mark.parametrize("kind", [np.int16, np.uint8, np.uint16])
def test_integers_are_told_and_prepared_like_the_same_numbers_in_floating_point(
    tmp_path: Path, kind: type[np.generic]
) -> None:
    ordinary = RNG.integers(0, 250, SHAPE)
    volumes = [padded(0.003).round(), ordinary, ordinary[::-1], padded(0.3).round()]
    said = []
    for name, stored in (("float", np.float32), ("integer", kind)):
        folder = write_set(tmp_path / name, *(values.astype(stored) for values in volumes))
        assert read_scan(folder / "imagesTr" / "v1.nii.gz").array.dtype == stored
        for window in (None, (300, 900)):
            found = problems(folder, window=window)
            said.append([(p.severity, p.message) for p in found])
    assert said[:2] == said[2:]
    assert len(said[0]) == 1
    assert len(said[1]) > 4
