"""Pictures that are large for the memory: read and segmented in bands, or refused beforehand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from ecs_med.config import Preparation
from ecs_med.data import prepare
from ecs_med.data.prepare import native_bands, prepare_scan, to_native
from ecs_med.data.readers import Scan, read_scan
from ecs_med.data.readers import picture_decoding as decoding
from ecs_med.errors import UnreadableFileError
from ecs_med.inference.views import FILL_OPACITY, draw_labels
from ecs_med.memory import free_memory
from ecs_med.palette import class_color


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, height, width), np.uint8)


@pytest.mark.parametrize("longest", [64, 200, 511])
def test_a_picture_is_brought_down_in_bands_to_the_last_bit(longest: int) -> None:
    pixels = picture(600, 530)
    found = prepare_scan(Scan(pixels, None, "picture"), Preparation(max_size=longest))
    whole = F.interpolate(
        torch.from_numpy(pixels)[None].float(),
        size=found.shape[-2:],
        mode="bilinear",
        antialias=True,
    )
    np.testing.assert_array_equal(found, whole.round().clamp(0, 255).byte().numpy())


def test_bands_of_class_maps_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "LARGE", 1)
    maps = torch.randn(1, 3, 57, 64, generator=torch.Generator().manual_seed(0))
    shape = (613, 700)
    whole = to_native(maps, shape, 0)
    bands = list(native_bands(maps, shape, 0))
    assert len(bands) == 3
    joined = torch.cat([band for _, band in bands], dim=1)
    assert [rows.stop for rows, _ in bands] == [256, 512, 613]
    torch.testing.assert_close(joined, whole, atol=1e-4, rtol=0)
    assert (joined.argmax(0) == whole.argmax(0)).float().mean() > 0.9999


def test_volumes_and_small_pictures_are_brought_back_at_once() -> None:
    maps = torch.randn(4, 2, 8, 8)
    ((rows, band),) = native_bands(maps, (16, 16, 4), 2)
    assert rows == slice(None)
    torch.testing.assert_close(band, to_native(maps, (16, 16, 4), 2), atol=0, rtol=0)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "L"])
def test_bands_of_rows_are_decoded_as_the_whole(tmp_path: Path, mode: str) -> None:
    pixels = picture(700, 40).transpose(1, 2, 0)
    path = tmp_path / "a.tif"
    Image.fromarray(pixels).convert(mode).save(path)
    expected = np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1)
    if mode == "RGBA":
        expected = np.asarray(Image.open(path))[..., :3].transpose(2, 0, 1)
    np.testing.assert_array_equal(read_scan([path]).array, expected)


def test_a_picture_that_memory_cannot_hold_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.png"
    Image.fromarray(picture(50, 40).transpose(1, 2, 0)).save(path)
    monkeypatch.setattr(decoding, "_LARGE", 1)
    monkeypatch.setattr(decoding, "free_memory", lambda: 10_000)
    with pytest.raises(UnreadableFileError) as caught:
        read_scan([path])
    assert str(caught.value).startswith(f"{path}: 40 x 50 pixels need 0.0 GB of memory")
    monkeypatch.setattr(decoding, "free_memory", lambda: None)
    assert read_scan([path]).spatial_shape == (50, 40)


def test_free_memory_is_that_of_the_machine_or_of_the_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    2000 kB\n")
    monkeypatch.setattr("ecs_med.memory._MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr("ecs_med.memory._GROUP", tmp_path)
    assert free_memory() == 2_048_000
    (tmp_path / "memory.max").write_text("1500000\n")
    (tmp_path / "memory.current").write_text("500000\n")
    assert free_memory() == 1_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory() == 2_048_000
    (tmp_path / "meminfo").unlink()
    assert free_memory() is None


def test_labels_are_drawn_into_bands_as_into_the_whole() -> None:
    shown = picture(600, 30).transpose(1, 2, 0)
    labels = np.zeros((600, 30), np.uint8)
    labels[100:500, 5:25] = 1
    drawn = draw_labels(shown, labels)
    color = np.array(class_color(1), np.float32)
    inside = (slice(110, 490), slice(8, 22))
    expected = np.rint((1 - FILL_OPACITY) * shown[inside].astype(np.float32) + FILL_OPACITY * color)
    np.testing.assert_array_equal(drawn[inside], expected.astype(np.uint8))
    np.testing.assert_array_equal(drawn[:100], shown[:100])
