"""A reader of another package: found, asked and written with, without an edit of the engine."""

import os
from pathlib import Path

import numpy as np
import plugins
import pytest
import torch
from PIL import Image
from torch import nn

from ecs_med.config import Preparation, ReadingSettings
from ecs_med.data.checks.examination import diagnose
from ecs_med.data.layout import open_data
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.reading import read_labels
from ecs_med.data.readers import (
    READERS,
    Reader,
    available_readers,
    fingerprint,
    image_suffixes,
    is_image,
    known_formats,
    read_header,
    read_scan,
    stem,
)
from ecs_med.data.store import SliceStore
from ecs_med.errors import UnreadableFileError
from ecs_med.inference.model import Model
from ecs_med.inference.predict import predict
from ecs_med.runs.spec import ModelSpec
from ecs_med.types import Case

CODE = """
from functools import partial
import numpy as np
from ecs_med.data.readers import Reader, Scan, ScanHeader, StoredMask
from ecs_med.files import write_atomically

class NumpyReader(Reader):
    name = "numpy"
    formats = ("NumPy",)
    suffixes = (".npy",)
    output_suffix = ".npy"
    holds_colors = True

    def header(self, files, frame=None):
        scan = self.read(files, frame)
        return ScanHeader(scan.spatial_shape, 3, None, scan.kind)

    def read(self, files, frame=None):
        pixels = np.load(files[0])
        if pixels.ndim == 4 and frame is None:
            return Scan(np.moveaxis(pixels, -1, 0), None, "sequence")
        pixels = pixels if frame is None else pixels[frame]
        return Scan(np.ascontiguousarray(np.moveaxis(pixels, -1, 0)), None, "picture")

    def read_stored_labels(self, path, images=()):
        return StoredMask(np.load(path), "picture")

    def write_labels(self, path, labels, like, meaning=None):
        assert labels.shape == np.load(like[0]).shape[:2]
        self.write_map(path, labels, like)

    def write_map(self, path, values, like):
        write_atomically(path, partial(_save, values))

def _save(values, path):
    with path.open("wb") as stream:
        np.save(stream, values)
"""
SCHEME = LabelScheme(class_names=("background", "bright"))
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _numpy_reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plugins.install(
        monkeypatch, tmp_path / "site", "npy_reader", CODE, readers={"numpy": "NumpyReader"}
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight cases whose masks are bright pixels, stored as NumPy arrays."""
    for name in ("images", "masks"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for number in range(8):
        bright = RNG.integers(0, 2, (9, 12), dtype=np.uint8)
        pixels = np.repeat(bright[..., None] * 255, 3, axis=-1)
        np.save(tmp_path / "data" / "images" / f"{number}.npy", pixels)
        np.save(tmp_path / "data" / "masks" / f"{number}.npy", bright.astype(np.float64))
    return tmp_path / "data"


def test_it_is_known_by_name_suffix_and_format() -> None:
    assert {"nifti", "numpy", "pictures"} <= set(available_readers())
    assert len(image_suffixes()[0]) == max(map(len, image_suffixes()))
    assert ".npy" in image_suffixes()
    assert is_image(Path("a.NPY"))
    assert stem(Path("x/a.b.npy")) == "a.b"
    assert "NumPy" in known_formats()


def test_a_reader_of_this_process_is_known_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(READERS, "_registered", {})
    assert not is_image(Path("a.own"))

    class OwnReader(type(available_readers()["numpy"])):  # type: ignore[misc]
        name = "own"
        suffixes = (".own",)

    READERS.register(OwnReader)
    assert is_image(Path("a.own"))


def test_its_files_are_checked(folder: Path) -> None:
    collection = open_data(folder)
    assert [case.id for case in collection.cases] == [f"images/{number}" for number in range(8)]
    found = diagnose(collection, ReadingSettings())
    assert found.num_errors == 0
    assert (found.summary.kind, found.summary.num_labeled) == ("pictures", 8)
    assert found.summary.largest == (9, 12)
    assert found.scheme == SCHEME.model_copy(
        update={"class_names": ("background", "foreground"), "void_values": (255,)}
    )
    np.save(folder / "masks" / "3.npy", np.zeros((9, 11)))
    (problem,) = [p for p in diagnose(open_data(folder)).problems if p.severity == "error"]
    assert problem.path == folder / "masks" / "3.npy"
    assert "is 9 x 11 (height x width)" in problem.message


def test_masks_and_images_may_have_different_readers(folder: Path) -> None:
    labels = np.load(folder / "masks" / "0.npy").astype(np.uint8)
    Image.fromarray(labels).save(folder / "0.png")
    np.testing.assert_array_equal(
        read_labels([folder / "images" / "0.npy"], folder / "0.png", SCHEME), labels
    )
    with pytest.raises(UnreadableFileError, match=r"0\.png: is no channel of .*: one is PNG, "):
        read_scan([folder / "images" / "0.npy", folder / "0.png"])


def test_prepared_slices(folder: Path) -> None:
    store = SliceStore(open_data(folder).cases, Preparation(), SCHEME, folder / "cache")
    for _ in range(2):  # made, then read
        found = store.slice(5, 0)
        np.testing.assert_array_equal(found.labels, np.load(folder / "masks" / "5.npy"))
        np.testing.assert_array_equal(found.image[1] // 255, found.labels)


def test_one_frame_is_a_case_of_its_own(tmp_path: Path) -> None:
    frames = RNG.integers(0, 256, (4, 9, 12, 3), dtype=np.uint8)
    video, mask = tmp_path / "video.npy", tmp_path / "mask.npy"
    np.save(video, frames)
    np.save(mask, frames[2, ..., 0] % 2)
    assert read_header([video]).kind == "sequence"
    assert read_header([video]).shape == (4, 9, 12)
    assert read_header([video], frame=2).shape == (9, 12)
    cases = [Case(f"video/{i}", (video,), mask, frame=i) for i in range(4)]
    store = SliceStore(cases, Preparation(), SCHEME, tmp_path / "cache")
    for _ in range(2):
        for index in range(4):
            expected = np.moveaxis(frames[index], -1, 0)
            np.testing.assert_array_equal(store.slice(index, 0).image, expected)
    assert len(list((tmp_path / "cache").rglob("*.safetensors"))) == 4
    assert cases[3].without_mask().frame == 3
    np.testing.assert_array_equal(store.slice(2, 0).labels, frames[2, ..., 0] % 2)


def test_what_identifies_prepared_content(folder: Path) -> None:
    path = folder / "images" / "0.npy"
    found = {fingerprint([path]), fingerprint([path], 0), fingerprint([path], 1)}
    assert len(found) == 3
    assert all(text.startswith("numpy:") for text in found)
    os.utime(path, ns=(1, 1))
    assert fingerprint([path]) not in found


class BrightPixels(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bright = images[:, :1] - 0.5
        return torch.cat([-bright, bright], dim=1)


def test_predictions_are_written_like_the_input(folder: Path, tmp_path: Path) -> None:
    spec = ModelSpec(
        method="toy",
        labels=SCHEME,
        preparation=Preparation(),
        kind="picture",
        in_channels=3,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        encoder="none",
        corrector_encoder=None,
        crop=32,
        initialization="none",
    )
    run = tmp_path / "run"
    model = Model(spec, BrightPixels(), None, device=torch.device("cpu"), run=run)
    report = predict([folder / "images"], model=model, output=tmp_path / "out")
    assert len(report.written) == 8
    for path, written in report.written.items():
        assert written == tmp_path / "out" / path.name
        np.testing.assert_array_equal(np.load(written), np.load(folder / "masks" / path.name))
    single = predict(
        folder / "images" / "0.npy", model=model, output=tmp_path / "mine.npy", overlay=True
    )
    assert list(single.written.values()) == [tmp_path / "mine.npy"]
    assert (tmp_path / "mine-overlay.png").is_file()


def test_the_contract_is_one_class() -> None:
    assert Reader.__abstractmethods__ == {
        "header",
        "read",
        "read_stored_labels",
        "write_labels",
        "write_map",
    }
