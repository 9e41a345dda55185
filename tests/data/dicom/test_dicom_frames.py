"""DICOM pictures and sequences, against values worked by hand and against other decoders."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_pictures import make_dataset, packaged, write_picture
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut

from ecs_med.data.readers.dicom import decoding, frames
from ecs_med.data.readers.dicom.files import open_dataset, quiet_libraries
from ecs_med.errors import UnreadableFileError


def gray(path: Path) -> list[list[int]]:
    scan = frames.read(path)
    assert (scan.kind, scan.affine, scan.array.dtype) == ("picture", None, np.uint8)
    assert (scan.array[0] == scan.array[1]).all()
    assert (scan.array[0] == scan.array[2]).all()
    return scan.array[0].tolist()


# One picture of four values, shown in every way that a header can ask for.
VALUES = np.array([[0, 50], [100, 200]], np.uint16)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        # PS3.3 C.11.2.1.2.1: ((x - (c - 0.5)) / (w - 1) + 0.5) * 255
        ({"WindowCenter": 100.5, "WindowWidth": 101}, [[0, 0], [128, 255]]),
        ({"WindowCenter": 75.5, "WindowWidth": 51}, [[0, 0], [255, 255]]),
        ({"WindowCenter": 50, "WindowWidth": 1}, [[0, 255], [255, 255]]),
        ({"WindowCenter": [100.5, 9], "WindowWidth": [101, 9]}, [[0, 0], [128, 255]]),
        (
            {"WindowCenter": 100, "WindowWidth": 200, "VOILUTFunction": "LINEAR_EXACT"},
            [[0, 64], [128, 255]],
        ),
        (  # 255 / (1 + exp(-4 (x - c) / w))
            {"WindowCenter": 100, "WindowWidth": 100, "VOILUTFunction": "SIGMOID"},
            [[5, 30], [128, 250]],
        ),
        # The window is of rescaled values: 2 x - 100 is -100, 0, 100, 300.
        (
            {
                "RescaleSlope": 2, "RescaleIntercept": -100,
                "WindowCenter": 100.5, "WindowWidth": 201,
            },
            [[0, 0], [128, 255]],
        ),
        (
            {
                "PhotometricInterpretation": "MONOCHROME1",
                "WindowCenter": 100.5, "WindowWidth": 101,
            },
            [[255, 255], [127, 0]],
        ),
        (
            {"WindowCenter": 100.5, "WindowWidth": 101, "PixelPaddingValue": 200},
            [[0, 0], [128, 0]],
        ),
        # Windows that make no sense, or leave one grey: stretched from 0.75 to 198.5 instead.
        ({"WindowCenter": 5000, "WindowWidth": 10}, [[0, 64], [128, 255]]),
        ({"WindowCenter": 100, "WindowWidth": 0}, [[0, 64], [128, 255]]),
        ({"WindowCenter": 100, "WindowWidth": -5}, [[0, 64], [128, 255]]),
        ({}, [[0, 64], [128, 255]]),
        ({"PhotometricInterpretation": "MONOCHROME1"}, [[255, 191], [127, 0]]),
    ],
)  # fmt: skip
def test_grey_is_shown_as_its_header_asks(tmp_path, elements, expected):
    assert gray(write_picture(tmp_path / "a.dcm", VALUES, **elements)) == expected


def test_grey_of_8_bits_stays_as_it_is(tmp_path):
    pixels = np.array([[0, 7], [90, 130]], np.uint8)
    assert gray(write_picture(tmp_path / "a.dcm", pixels)) == pixels.tolist()
    few = write_picture(tmp_path / "b.dcm", pixels % 16, BitsStored=4, HighBit=3)
    assert gray(few) == (pixels % 16 * 17).tolist()


def test_padding_does_not_stretch_a_picture(tmp_path):
    pixels = np.full((20, 20), -2000, np.int16)
    pixels[:10] = np.arange(200).reshape(10, 20)
    path = write_picture(tmp_path / "a.dcm", pixels, PixelPaddingValue=-2000)
    shown = np.array(gray(path))
    assert not shown[10:].any()
    expected = np.clip((np.arange(200) - 0.995) / (198.005 - 0.995) * 255, 0, 255)
    assert np.array_equal(shown[:10].ravel(), np.rint(expected))


def table(*values: int) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(values), 50, 16]
    item.LUTData = np.array(values, np.uint16).tobytes()
    return item


def test_a_table_of_values_of_interest_is_obeyed(tmp_path):
    entries = [65535 - 600 * step for step in range(100)]
    path = write_picture(tmp_path / "a.dcm", VALUES, VOILUTSequence=[table(*entries)])
    # 0 and 50 are at the first entry, 100 at entry 50, 200 beyond the last one.
    expected = [entries[index] / 65535 * 255 for index in (0, 0, 50, 99)]
    assert gray(path) == np.rint(expected).reshape(2, 2).tolist()
    broken = write_picture(tmp_path / "b.dcm", VALUES, VOILUTSequence=[Dataset()])
    with pytest.raises(UnreadableFileError, match="its rescaling or window makes no sense"):
        frames.read(broken)


def test_each_frame_has_its_own_window_where_the_header_says_so(tmp_path):
    def window(center: float) -> Dataset:
        group, item = Dataset(), Dataset()
        item.WindowCenter, item.WindowWidth = center, 101
        group.FrameVOILUTSequence = [item]
        return group

    groups = [window(100.5), window(50.5)]
    path = write_picture(
        tmp_path / "a.dcm", np.stack([VALUES, VALUES]), 2, PerFrameFunctionalGroupsSequence=groups
    )
    array = frames.read(path).array
    assert array[0].tolist() == [[[0, 0], [128, 255]], [[0, 128], [255, 255]]]
    assert frames.read(path, 1).array[1].tolist() == [[0, 128], [255, 255]]


def with_palette(path: Path, bits: int, first: int, *channels: list[int], **elements) -> Path:
    indices = np.array([[0, 1], [2, 9]], np.uint8)
    described: dict[str, object] = {"PhotometricInterpretation": "PALETTE COLOR", **elements}
    for color, values in zip(("Red", "Green", "Blue"), channels, strict=True):
        described[f"{color}PaletteColorLookupTableDescriptor"] = [len(values), first, bits]
        data = np.array(values, np.uint8 if bits == 8 else np.uint16).tobytes()
        described[f"{color}PaletteColorLookupTableData"] = data + b"\0" * (len(data) % 2)
    return write_picture(path, indices, **described)


@pytest.mark.parametrize(
    ("bits", "channels"),
    [
        (8, ([1, 2, 3], [40, 50, 60], [255, 0, 128])),
        (16, ([0x1FF, 0x2FF, 0x300], [40 << 8, 50 << 8, 60 << 8], [0xFFFF, 0, 0x8000])),
        (16, ([1, 2, 3], [40, 50, 60], [255, 0, 128])),  # 8 bits in 16, whatever is said
    ],
)
def test_palettes_become_colours(tmp_path, bits, channels):
    scan = frames.read(with_palette(tmp_path / "a.dcm", bits, 1, *channels))
    # Indices 0 and 1 have the first colour, 2 the second, 9 the last.
    assert scan.array.tolist() == [[[1, 1], [2, 3]], [[40, 40], [50, 60]], [[255, 255], [0, 128]]]


def test_palettes_of_files_from_machines_are_those_of_pydicom():
    for name in ("examples_palette.dcm", "gdcm-US-ALOKA-16.dcm", "gdcm-US-ALOKA-16_big.dcm"):
        path = packaged(name)
        with quiet_libraries():
            dataset = pydicom.dcmread(path)
            expected = apply_color_lut(dataset.pixel_array, dataset)
        assert np.array_equal(frames.read(path).array, (expected >> 8).transpose(2, 0, 1)), name


def test_a_palette_that_is_missing_is_told(tmp_path):
    pixels = np.zeros((2, 2), np.uint8)
    path = write_picture(tmp_path / "a.dcm", pixels, PhotometricInterpretation="PALETTE COLOR")
    with pytest.raises(UnreadableFileError, match="by a palette, which is missing or damaged"):
        frames.read(path)


def test_colours_of_all_kinds_become_rgb(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    planes = rgb.transpose(2, 0, 1)
    assert np.array_equal(frames.read(write_picture(tmp_path / "a.dcm", rgb)).array, planes)
    by_plane = write_picture(
        tmp_path / "b.dcm", np.ascontiguousarray(planes).reshape(4, 6, 3), PlanarConfiguration=1
    )
    assert np.array_equal(frames.read(by_plane).array, planes)
    deep = write_picture(tmp_path / "c.dcm", rgb.astype(np.uint16) * 256 + 77)
    assert np.array_equal(frames.read(deep).array, planes)


def test_ybr_becomes_rgb_by_the_formula_of_the_standard(tmp_path):
    ybr = np.array([[[76, 85, 255], [150, 44, 21]], [[29, 255, 107], [128, 128, 128]]], np.uint8)
    path = write_picture(tmp_path / "a.dcm", ybr, PhotometricInterpretation="YBR_FULL")
    # PS3.3 C.7.6.3.1.2 inverted: R = Y + 1.402 (Cr - 128), B = Y + 1.772 (Cb - 128)
    expected = [[[254, 0, 0], [0, 255, 1], [0, 0, 254], [128, 128, 128]]]
    found = frames.read(path).array.transpose(1, 2, 0).reshape(1, 4, 3)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_ybr_with_half_the_colours_becomes_rgb(tmp_path):
    dataset = make_dataset(np.zeros((1, 4, 3), np.uint8), PhotometricInterpretation="YBR_FULL_422")
    dataset.PixelData = bytes([76, 80, 85, 255, 10, 20, 128, 128])  # Y Y Cb Cr, for two pixels each
    path = tmp_path / "a.dcm"
    dataset.save_as(path, enforce_file_format=True)
    expected = [[[254, 255, 10, 20]], [[0, 4, 10, 20]], [[0, 4, 10, 20]]]
    assert np.abs(frames.read(path).array.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ({"PhotometricInterpretation": "YBR_PARTIAL_420"}, "stored as YBR_PARTIAL_420 with 3"),
        ({"PixelRepresentation": 1}, "its colours are stored as no colours are"),
    ],
)
def test_colours_that_are_none_are_refused(tmp_path, elements, said):
    path = write_picture(tmp_path / "a.dcm", np.zeros((2, 2, 3), np.uint8), **elements)
    for use in (frames.header, frames.read):
        with pytest.raises(UnreadableFileError, match=said):
            use(path)


def test_a_cine_is_a_sequence_and_its_frames_are_pictures(monkeypatch):
    path = packaged("examples_ybr_color.dcm")
    scan = frames.read(path)
    header = frames.header(path)
    assert (header.kind, header.shape, header.num_channels) == ("sequence", (30, 240, 320), 3)
    assert (scan.kind, scan.array.shape) == ("sequence", (3, 30, 240, 320))
    assert frames.num_frames(path) == 30
    decoded = []
    original = decoding._decode
    monkeypatch.setattr(
        decoding, "_decode", lambda *given: (decoded.append(1), original(*given))[1]
    )
    picture = frames.read(path, 7)
    assert len(decoded) == 1
    assert (picture.kind, frames.header(path, 7).shape) == ("picture", (240, 320))
    assert np.array_equal(picture.array, scan.array[:, 7])
    for use in (frames.header, frames.read):
        for frame in (30, -1):
            with pytest.raises(UnreadableFileError, match=rf"has no frame {frame}; name one of 0"):
                use(path, frame)


CINE = """
import sys
from pathlib import Path
from ecs_med.data.readers.dicom import frames
def now_kb():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
path = Path(sys.argv[1])
for frame in range(0, 120, 8):
    frames.read(path, frame)
    if frame == 16:
        before = now_kb()
print(now_kb() - before)
"""


def test_frames_of_a_long_cine_are_read_in_flat_memory():
    path = packaged("color3d_jpeg_baseline.dcm")
    assert frames.header(path).shape == (120, 480, 640)
    command = [sys.executable, "-c", CINE, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) < 4 * 1024  # a frame has 0.9 MB, all of them 110


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ({"BurnedInAnnotation": "YES", "Modality": "CT"}, "text is burned into its pixels"),
        ({"Modality": "US"}, "pictures of modality US often show text"),
        ({"Modality": "US", "BurnedInAnnotation": "NO"}, None),
        ({"Modality": "CT"}, None),
    ],
)
def test_names_in_pixels_are_warned_of(tmp_path, elements, said):
    path = write_picture(tmp_path / "a.dcm", np.zeros((2, 2), np.uint8), **elements)
    problem = frames.burned_in(open_dataset(path), path)
    if said is None:
        assert problem is None
    else:
        assert problem is not None
        assert problem.severity == "warning"
        assert said in problem.sentence()
        assert str(path) in problem.sentence()
