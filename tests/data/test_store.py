"""The cache: same content as without it, stale and broken entries made anew."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ecs_med.config import Preparation
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.store import SliceStore
from ecs_med.errors import UnreadableFileError
from ecs_med.types import Case

SCHEME = LabelScheme(class_names=("background", "polyp"))


def write_case(folder: Path, value: int, name: str = "a") -> Case:
    pixels = np.full((8, 6, 3), value, np.uint8)
    mask = np.zeros((8, 6), np.uint8)
    mask[2:4] = 1
    Image.fromarray(pixels).save(folder / f"{name}.png")
    Image.fromarray(mask).save(folder / f"{name}-mask.png")
    return Case(id=name, images=(folder / f"{name}.png",), mask=folder / f"{name}-mask.png")


def open_store(cases: list[Case], folder: Path) -> SliceStore:
    return SliceStore(cases, Preparation(), SCHEME, folder / "cache")


def entries(folder: Path) -> list[Path]:
    return list((folder / "cache").rglob("*.safetensors"))


def test_a_slice_and_what_is_in_it(tmp_path: Path) -> None:
    store = open_store([write_case(tmp_path, 9)], tmp_path)
    for _ in range(2):  # made, then read
        found = store.slice(0, 0)
        assert found.image.shape == (3, 8, 6)
        assert found.image.dtype == torch.uint8
        assert found.labels is not None
        assert found.labels.sum() == 12
        assert store.num_slices(0) == 1
        assert store.classes(0) == {0, 1}
        assert store.foreground_slices(0).tolist() == [0]
    assert store[0]["image"].shape == (1, 3, 8, 6)


def test_without_its_mask_a_case_has_no_labels_in_the_cache(tmp_path: Path) -> None:
    case = write_case(tmp_path, 9)
    store = SliceStore([case.without_mask()], Preparation(), None, tmp_path / "cache")
    assert store.slice(0, 0).labels is None
    assert set(store[0]) == {"image", "num_slices", "mirror_axes"}
    assert store.classes(0) == frozenset()


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    case = write_case(tmp_path, 9)
    store = open_store([case], tmp_path)
    assert store.slice(0, 0).image.max() == 9
    write_case(tmp_path, 77)
    os.utime(case.images[0], ns=(1, 1))
    assert store.slice(0, 0).image.max() == 77


@pytest.mark.parametrize("keep", [0, 5, 100])
def test_a_damaged_entry_is_made_anew(tmp_path: Path, keep: int) -> None:
    store = open_store([write_case(tmp_path, 9)], tmp_path)
    store.slice(0, 0)
    (entry,) = entries(tmp_path)
    whole = entry.read_bytes()
    entry.write_bytes(whole[:keep])
    assert store.slice(0, 0).image.max() == 9
    assert entry.read_bytes() == whole


def test_other_settings_are_another_entry(tmp_path: Path) -> None:
    case = write_case(tmp_path, 9)
    open_store([case], tmp_path).slice(0, 0)
    small = SliceStore([case], Preparation(max_size=4), SCHEME, tmp_path / "cache")
    assert small.slice(0, 0).image.shape == (3, 4, 3)
    assert len(entries(tmp_path)) == 2


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    store = open_store([write_case(tmp_path, 9)], tmp_path)
    assert store.slice(0, 0).image.max() == 9
    assert store.num_slices(0) == 1


def test_a_full_disk_is_warned_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    store = open_store([write_case(tmp_path, 9)], tmp_path)
    monkeypatch.setattr("ecs_med.data.store.save_file", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        store.slice(0, 0)
    assert store.slice(0, 0).image.max() == 9
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    case = write_case(tmp_path, 9)
    case.images[0].write_bytes(b"no picture")
    with pytest.raises(UnreadableFileError, match=r"a\.png"):
        open_store([case], tmp_path).slice(0, 0)
