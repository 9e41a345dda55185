"""Every test file of pydicom and pydicom-data decodes to pydicom's pixels, or is refused."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_pictures import make_dataset, packaged, write_compressed, write_picture
from pydicom.data import get_testdata_files
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders import JPEGBaseline8BitDecoder, JPEGLosslessSV1Decoder

from ecs_med.data.readers.dicom import decoding
from ecs_med.data.readers.dicom.decoding import decode_frames
from ecs_med.data.readers.dicom.files import open_dataset, quiet_libraries
from ecs_med.errors import EcsMedError, MissingExtraError, UnreadableFileError

LOSSY_GRAYS = 2
"""JPEG decoders differ by so much."""

NOT_OF_PYDICOM = {"OT-PAL-8-face.dcm", "emri_small_jpeg_2k_lossless_too_short.dcm"}
"""Files that have no transfer syntax, and no end: what is there decides."""


def expected_frames(path: Path) -> np.ndarray | None:
    """`(T, H, W[, 3])` as pydicom decodes a file; `None` if it does not."""
    try:
        with quiet_libraries():
            dataset = pydicom.dcmread(path, force=True)
            pixels = dataset.pixel_array
    except Exception:
        return None
    single = 2 if dataset.SamplesPerPixel == 1 else 3
    return pixels[None] if pixels.ndim == single else pixels


def frames_or_sentence(path: Path) -> list[np.ndarray] | str:
    try:
        return list(decode_frames(path))
    except EcsMedError as error:
        return str(error)


def test_files_of_pydicom_decode_as_pydicom_decodes_them():
    same, refused = 0, 0
    for path in sorted({Path(name) for name in get_testdata_files()}):
        if not path.is_file() or path.name == "color3d_jpeg_baseline.dcm":  # 120 frames, elsewhere
            continue
        expected = expected_frames(path)
        found = frames_or_sentence(path)
        if isinstance(found, str):
            assert expected is None, found
            assert str(path) in found
            assert "\n" not in found
            refused += 1
            continue
        if expected is None:
            assert path.name in NOT_OF_PYDICOM
            continue
        assert len(found) == len(expected)
        for frame, other in zip(found, expected, strict=True):
            assert frame.shape == other.shape
            assert frame.dtype == other.dtype.newbyteorder("=")
            assert np.abs(frame.astype(float) - other.astype(float)).max() <= LOSSY_GRAYS
        same += 1
    assert same >= 80  # with pydicom-data: 152
    assert refused >= 30


@pytest.mark.parametrize(
    "name", ["examples_ybr_color.dcm", "SC_rgb_rle_2frame.dcm", "rtdose.dcm", "liver.dcm"]
)
def test_some_frames_are_those_of_all(name):
    path = packaged(name)
    every = list(decode_frames(path))
    last = len(every) - 1
    for frame, chosen in zip([last, 0], decode_frames(path, frames=[last, 0]), strict=True):
        assert np.array_equal(chosen, every[frame])
    for dataset in (open_dataset(path), open_dataset(path, pixels=True)):
        (chosen,) = decode_frames(dataset, frames=[last])
        assert np.array_equal(chosen, every[last])
    assert list(decode_frames(path, frames=[])) == []
    with pytest.raises(UnreadableFileError, match=rf"has no frame {last + 1}; name one of 0 to"):
        list(decode_frames(path, frames=[last + 1]))


def test_single_bits_need_not_begin_with_a_byte(tmp_path):
    bits = np.random.default_rng(0).integers(0, 2, (3, 3, 5), np.uint8)
    dataset = make_dataset(bits, 3, BitsAllocated=1, BitsStored=1, HighBit=0)
    dataset.PixelData = np.packbits(bits.ravel(), bitorder="little").tobytes()
    path = tmp_path / "a.dcm"
    dataset.save_as(path, enforce_file_format=True)
    assert np.array_equal(np.stack(list(decode_frames(path))), bits)
    assert np.array_equal(next(decode_frames(path, frames=[1])), bits[1])


def test_more_bytes_than_the_header_knows_of_are_refused(tmp_path):
    pixels = np.zeros((3, 40, 32), np.int16)
    path = write_picture(tmp_path / "a.dcm", pixels, 3, NumberOfFrames=None)
    with pytest.raises(
        UnreadableFileError, match="holds 7,680 bytes of pixels, and its header des"
    ):
        list(decode_frames(path))


def test_bits_beyond_those_stored_are_no_part_of_a_number(tmp_path):
    pixels = np.array([[0xF001, 0x0FFF], [0x1800, 0xE000]], np.uint16)
    path = write_picture(tmp_path / "a.dcm", pixels, BitsStored=12, HighBit=11)
    assert next(decode_frames(path)).tolist() == [[1, 0xFFF], [0x800, 0]]
    signed = write_picture(tmp_path / "b.dcm", pixels.view(np.int16), BitsStored=12, HighBit=11)
    assert next(decode_frames(signed)).tolist() == [[1, -1], [-2048, 0]]


def test_numbers_in_the_upper_bits_are_refused(tmp_path):
    pixels = np.full((4, 4), 0x1230, np.uint16)
    path = write_picture(tmp_path / "a.dcm", pixels, BitsStored=12, HighBit=15)
    with pytest.raises(UnreadableFileError, match="its numbers of 12 bits end at bit 15"):
        next(decode_frames(path))


def test_a_missing_codec_is_told_by_the_name_of_the_compression(monkeypatch):
    monkeypatch.setattr(type(JPEGLosslessSV1Decoder), "available_plugins", ())
    path = packaged("JPGLosslessP14SV1_1s_1f_8b.dcm")
    with pytest.raises(
        MissingExtraError, match=r"compression \(JPEG Lossless.*pip install 'ecs-med\[dicom\]'"
    ):
        list(decode_frames(path))


def test_decoders_are_asked_in_one_order(monkeypatch):
    asked = []
    decoder = get_decoder(JPEGBaseline8BitDecoder.UID)
    original = type(decoder).as_array

    def noted(self, *args, **options):
        asked.append(options["decoding_plugin"])
        return original(self, *args, **options)

    everything = ("pillow", "pylibjpeg", "gdcm")
    monkeypatch.setattr(type(decoder), "available_plugins", everything)
    monkeypatch.setattr(type(decoder), "as_array", noted)
    list(decode_frames(packaged("SC_rgb_jpeg_dcmtk.dcm")))
    assert asked == ["gdcm"]  # not pylibjpeg, whose decoder of JPEG is under the GPL
    asked.clear()
    list(decode_frames(packaged("MR_small_jp2klossless.dcm")))
    assert asked == ["pylibjpeg"]


def test_frames_are_not_held(tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 255, (9, 64, 64), np.uint8)
    path = write_picture(tmp_path / "a.dcm", pixels, 9)
    read = []
    original = decoding._plain
    monkeypatch.setattr(
        decoding, "_plain", lambda pixels, frame: (read.append(frame), original(pixels, frame))[1]
    )
    frames = decode_frames(path)
    assert np.array_equal(next(frames), pixels[0])
    assert read == [0]


def test_a_frame_of_other_channels_is_refused(tmp_path):
    rgb = packaged("SC_rgb_jpeg_dcmtk.dcm")
    frame = next(generate_frames(pydicom.dcmread(rgb).PixelData, number_of_frames=1))
    elements = {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2"}
    path = write_compressed(tmp_path / "a.dcm", [frame], rgb, **elements)
    with pytest.raises(UnreadableFileError, match="has 3 channels of 8 bits, its header says 1 of"):
        list(decode_frames(path))
