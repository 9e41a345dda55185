import struct
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image, ImageOps

from ecs_med.data.readers import is_image, read_header, read_scan, stem
from ecs_med.data.readers.orientation import turned
from ecs_med.data.readers.picture_decoding import exif_orientation
from ecs_med.errors import UnreadableFileError

COLORS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
GREY = COLORS[..., 0]


def saved(pixels: np.ndarray, path: Path, mode: str | None = None, **options: object) -> Path:
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def volume(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".bmp", ".PNG"])
def test_lossless_colours_come_as_stored_and_never_transposed(tmp_path: Path, suffix: str) -> None:
    path = saved(COLORS, tmp_path / f"a{suffix}")
    scan = read_scan([path])
    assert scan.array.dtype == np.uint8
    assert scan.spatial_shape == (5, 7)
    np.testing.assert_array_equal(scan.array, COLORS.transpose(2, 0, 1))
    assert scan.affine is None
    assert scan.spacing_mm is None
    assert scan.kind == "picture"


def test_jpeg(tmp_path: Path) -> None:
    flat = np.full((8, 16, 3), (200, 30, 90), np.uint8)
    array = read_scan([saved(flat, tmp_path / "a.jpg", quality=95)]).array
    np.testing.assert_allclose(array, flat.transpose(2, 0, 1).astype(int), atol=3)


def test_grey_becomes_three_equal_channels(tmp_path: Path) -> None:
    array = read_scan([saved(GREY, tmp_path / "a.png")]).array
    np.testing.assert_array_equal(array, np.stack([GREY] * 3))


def test_alpha_is_dropped_and_not_blended(tmp_path: Path) -> None:
    rgba = np.dstack([COLORS, np.zeros((5, 7), np.uint8)])
    array = read_scan([saved(rgba, tmp_path / "a.png")]).array
    np.testing.assert_array_equal(array, COLORS.transpose(2, 0, 1))
    la = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(GREY * 0)])
    la.save(tmp_path / "la.png")
    np.testing.assert_array_equal(read_scan([tmp_path / "la.png"]).array[1], GREY)


def test_palette_becomes_its_colours(tmp_path: Path) -> None:
    image = Image.new("P", (3, 1))
    image.putdata([0, 1, 2])
    image.putpalette([1, 2, 3, 40, 50, 60, 7, 8, 9])
    image.save(tmp_path / "p.png", transparency=b"\x00\x80\xff")
    array = read_scan([tmp_path / "p.png"]).array
    assert array[:, 0].T.tolist() == [[1, 2, 3], [40, 50, 60], [7, 8, 9]]


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    saved(np.full((8, 8, 3), 255, np.uint8), tmp_path / "c.tif", "CMYK")
    assert read_scan([tmp_path / "c.tif"]).array.min() == 255


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_are_stretched_by_percentiles(tmp_path: Path, name: str) -> None:
    deep = np.linspace(1000, 5000, 400).reshape(20, 20).astype(np.uint16)
    array = read_scan([saved(deep, tmp_path / name)]).array
    lower, upper = np.percentile(deep, [0.5, 99.5])
    expected = np.round(np.clip((deep - lower) / (upper - lower), 0, 1) * 255)
    np.testing.assert_allclose(array[2], expected, atol=1)
    assert array.min() == 0
    assert array.max() == 255


def test_floating_point_tiff(tmp_path: Path) -> None:
    values = np.linspace(-1, 1, 100, dtype=np.float32).reshape(10, 10)
    array = read_scan([saved(values, tmp_path / "f.tif")]).array
    assert array[0, 0, 0] == 0
    assert array[0, -1, -1] == 255
    values[3, 4] = np.nan
    with pytest.raises(UnreadableFileError, match="1 of its 100 pixels are NaN"):
        read_scan([saved(values, tmp_path / "nan.tif")])


def test_a_constant_deep_picture_is_black(tmp_path: Path) -> None:
    flat = np.full((4, 4), 700, np.uint16)
    assert read_scan([saved(flat, tmp_path / "a.png")]).array.max() == 0


def test_one_pixel(tmp_path: Path) -> None:
    assert read_scan([saved(COLORS[:1, :1], tmp_path / "a.png")]).array.shape == (3, 1, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_the_orientation_tag_is_applied(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(COLORS, tmp_path / f"a{suffix}", exif=exif)
    with Image.open(path) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    assert exif_orientation(path) == orientation
    assert read_header([path]).shape == upright.shape[:2]
    np.testing.assert_array_equal(read_scan([path]).array, upright.transpose(2, 0, 1))
    np.testing.assert_array_equal(turned(COLORS, orientation), upright)


def test_several_pages_are_refused(tmp_path: Path) -> None:
    page = Image.fromarray(GREY)
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page, page])
    with pytest.raises(UnreadableFileError, match="holds 3 pictures"):
        read_scan([tmp_path / "a.tif"])


def test_one_page_is_a_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    pages = [Image.fromarray(GREY + 1), Image.fromarray(GREY[:2]), Image.fromarray(GREY[:3])]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    for frame, rows in ((1, 2), (2, 3)):
        assert read_header([path], frame).shape == (rows, 7)
        np.testing.assert_array_equal(read_scan([path], frame).array[0], GREY[:rows])
    for frame in (3, -1):
        with pytest.raises(UnreadableFileError, match=rf"has no frame {frame}; name one of 0 to 2"):
            read_scan([path], frame)


def test_broken_pictures_end_in_one_sentence(tmp_path: Path) -> None:
    whole = saved(np.tile(COLORS, (20, 20, 1)), tmp_path / "whole.png").read_bytes()
    jpeg = saved(np.tile(COLORS, (20, 20, 1)), tmp_path / "whole.jpg").read_bytes()
    broken = {
        "cut.png": whole[: len(whole) // 2],
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "cut_in_header.png": whole[:20],
        "empty.png": b"",
        "text.png": b"this is a text, not a picture\n",
        "flipped.png": whole[:60] + bytes(255 - byte for byte in whole[60:90]) + whole[90:],
    }
    for name, content in broken.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(UnreadableFileError) as caught:
            read_scan([path])
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)
    with pytest.raises(UnreadableFileError, match="no such file"):
        read_scan([tmp_path / "missing.png"])
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UnreadableFileError):
        read_scan([tmp_path / "folder.png"])


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0))
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IEND", b""))
    with pytest.raises(UnreadableFileError, match="more than 178,956,970 pixels"):
        read_scan([path])


def test_grey_pictures_are_channels_of_one_case(tmp_path: Path) -> None:
    paths = [saved(COLORS[..., i], tmp_path / f"a_000{i}.png") for i in range(3)]
    np.testing.assert_array_equal(read_scan(paths).array, COLORS.transpose(2, 0, 1))
    assert read_scan(paths[:2]).array[2].max() == 0
    with pytest.raises(UnreadableFileError, match="fourth picture"):
        read_scan([*paths, paths[0]])
    with pytest.raises(UnreadableFileError, match="coloured"):
        read_scan([paths[0], saved(COLORS, tmp_path / "rgb.png")])
    with pytest.raises(UnreadableFileError, match="is 2 x 7"):
        read_header([paths[0], saved(GREY[:2], tmp_path / "small.png")])


def test_volumes_are_channels_of_one_case(tmp_path: Path) -> None:
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    first = volume(tmp_path / "a_0000.nii.gz", np.zeros((3, 4, 5), np.int16), affine)
    second = volume(tmp_path / "a_0001.nii.gz", np.ones((3, 4, 5), np.float32), affine + 1e-5)
    scan = read_scan([first, second])
    assert scan.array.shape == (2, 3, 4, 5)
    assert scan.array.dtype == np.float32
    assert scan.spacing_mm == pytest.approx((1, 2, 3))
    header = read_header([first, second])
    assert (header.shape, header.num_channels, header.kind) == ((3, 4, 5), 2, "volume")
    assert header.spacing_mm == pytest.approx((1, 2, 3))
    moved = affine.copy()
    moved[0, 3] = 0.5
    third = volume(tmp_path / "a_0002.nii.gz", np.ones((3, 4, 5), np.float32), moved)
    with pytest.raises(UnreadableFileError, match=r"lies 0.5 mm away"):
        read_scan([first, third])
    with pytest.raises(UnreadableFileError, match="one is PNG, JPEG, TIFF or BMP, the other NIfTI"):
        read_scan([first, saved(GREY, tmp_path / "a.png")])


def test_names() -> None:
    assert stem(Path("a/b.c.NII.GZ")) == "b.c"
    assert stem(Path("a/b.c.png")) == "b.c"
    assert is_image(Path("x.nii"))
    assert not is_image(Path("x.gz"))


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="unknown kind"):
        read_scan([tmp_path / "a.mgz"])
