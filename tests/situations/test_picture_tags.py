"""Pictures with an orientation tag: read upright, and masks with them where sizes show it."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch import nn

from ecs_med.config import Preparation
from ecs_med.data.cases import prepare_case
from ecs_med.data.checks.examination import diagnose
from ecs_med.data.layout import open_data
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.reading import read_labels
from ecs_med.data.readers import read_header, read_scan
from ecs_med.data.readers.orientation import turned
from ecs_med.errors import DataError
from ecs_med.inference.model import Model
from ecs_med.inference.predict import predict_files
from ecs_med.runs.spec import ModelSpec
from ecs_med.types import Case, Problem

SCHEME = LabelScheme(class_names=("background", "bright"))
UPRIGHT = np.zeros((20, 32), np.uint8)
UPRIGHT[2:8, 4:26] = 1
"""The bright bar of a picture as viewers show it: near the upper edge, left of the middle."""

STORED = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
"""The tag that undoes each tag."""


def tag(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def stored(pixels: np.ndarray, value: int) -> np.ndarray:
    """Pixels as a camera that is held otherwise stores them."""
    return np.ascontiguousarray(turned(pixels, STORED[value]))


def picture(path: Path, value: int, upright: np.ndarray = UPRIGHT) -> Path:
    """A bright bar, stored under a tag; lossless but for JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.repeat(stored(upright * np.uint8(255), value)[..., None], 3, axis=-1)
    Image.fromarray(pixels).save(path, exif=tag(value), quality=95)
    return path


def mask(path: Path, pixels: np.ndarray, value: int | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **({"exif": tag(value)} if value else {}))
    return path


def late_exif(path: Path, value: int) -> Path:
    """A PNG whose EXIF follows its pixels, as some programs write it."""
    Image.fromarray(stored(UPRIGHT * np.uint8(255), value)).save(path)
    content = tag(value).tobytes()[6:]
    checksum = zlib.crc32(b"eXIf" + content)
    chunk = struct.pack(">I", len(content)) + b"eXIf" + content + struct.pack(">I", checksum)
    data = path.read_bytes()
    path.write_bytes(data[:-12] + chunk + data[-12:])
    return path


def problems(folder: Path) -> list[Problem]:
    return [p for p in diagnose(open_data(folder)).problems if "orientation" in p.message]


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_pictures_are_read_upright(tmp_path: Path, suffix: str, value: int) -> None:
    path = picture(tmp_path / f"a{suffix}", value)
    assert read_header([path]).shape == (20, 32)
    np.testing.assert_array_equal(read_scan([path]).array[0] > 127, UPRIGHT)
    upright, drawn_stored = mask(tmp_path / "u.png", UPRIGHT), stored(UPRIGHT, value)
    np.testing.assert_array_equal(read_labels([path], upright, SCHEME), UPRIGHT)
    own = mask(tmp_path / "own.png", drawn_stored, value)
    np.testing.assert_array_equal(read_labels([path], own, SCHEME), UPRIGHT)
    if value >= 5:  # by its size it fits the pixels as they are stored alone
        lying = mask(tmp_path / "lying.png", drawn_stored)
        np.testing.assert_array_equal(read_labels([path], lying, SCHEME), UPRIGHT)


def test_a_tag_behind_the_pixels_counts_as_well(tmp_path: Path) -> None:
    path = late_exif(tmp_path / "a.png", 6)
    assert read_header([path]).shape == (20, 32)
    np.testing.assert_array_equal(read_scan([path]).array[0] > 0, UPRIGHT)


def test_training_sees_pictures_and_masks_upright(tmp_path: Path) -> None:
    case = Case("a", (picture(tmp_path / "a.jpg", 8),), mask(tmp_path / "m.png", UPRIGHT))
    prepared = prepare_case(case, Preparation(), SCHEME)
    assert prepared.labels is not None
    np.testing.assert_array_equal(prepared.slices[0, 0].numpy() > 127, prepared.labels[0] == 1)


def test_a_tag_of_the_mask_that_turns_it_away_is_named(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.jpg", 1)
    wrong = mask(tmp_path / "m.png", UPRIGHT, 6)
    with pytest.raises(DataError, match=r"m\.png is 32 x 20.*remove the tag from the mask"):
        read_labels([path], wrong, SCHEME)


def test_check_warns_where_sizes_cannot_tell(tmp_path: Path) -> None:
    square = UPRIGHT[:, :20]
    for name, value, upright, drawn, drawn_tag in (
        ("half", 3, UPRIGHT, UPRIGHT, None),
        ("square", 6, square, square, None),
        ("said", 6, square, stored(square, 6), 6),
        ("plain", 6, UPRIGHT, UPRIGHT, None),
        ("lying", 6, UPRIGHT, stored(UPRIGHT, 6), None),
        ("none", 1, UPRIGHT, UPRIGHT, None),
    ):
        picture(tmp_path / f"images/{name}.png", value, upright)
        mask(tmp_path / f"masks/{name}.png", drawn, drawn_tag)
    found = problems(tmp_path)
    named = {p.path.stem: p.severity for p in found if p.path}
    assert named == {"half": "warning", "square": "warning", "lying": "note"}
    [remedy] = {p.remedy for p in found if p.severity == "warning"}
    assert "remove its tag" in remedy
    # The remedy: turn the pixels and remove the tag, or remove the tag alone.
    for name in ("half", "square"):
        with Image.open(tmp_path / f"images/{name}.png") as image:
            pixels = np.asarray(ImageOps.exif_transpose(image))
        Image.fromarray(pixels).save(tmp_path / f"images/{name}.png")
    assert [p.severity for p in problems(tmp_path)] == ["note"]


class BrightPixels(nn.Module):
    """Class 1 where the first channel is above one half."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bright = images[:, :1] - 0.5
        return torch.cat([-bright, bright], dim=1)


@pytest.fixture
def bright_model(tmp_path: Path) -> Model:
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
    return Model(spec, BrightPixels(), None, device=torch.device("cpu"), run=tmp_path / "run")


def test_exif_predict_writes_what_fits_the_viewer(tmp_path: Path, bright_model: Model) -> None:
    photo = picture(tmp_path / "in/phone.jpg", 6)
    report = predict_files(bright_model, photo.parent, tmp_path / "out", overlay=True)
    written = report.written[photo]
    with Image.open(photo) as image, Image.open(written) as result:
        upright = ImageOps.exif_transpose(image)
        assert result.size == upright.size == (32, 20)
        assert 0x0112 not in result.getexif()
        np.testing.assert_array_equal(np.asarray(result), UPRIGHT)
    with Image.open(tmp_path / "out/phone-overlay.png") as overlay:
        assert overlay.size == (32, 20)
    # The result is a mask of its picture, without a doubt.
    np.testing.assert_array_equal(read_labels([photo], written, SCHEME), UPRIGHT)
