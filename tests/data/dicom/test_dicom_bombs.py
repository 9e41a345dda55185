"""Small DICOM files that claim or become huge ones: refused at once, in little memory."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_pictures import make_dataset, packaged, write_compressed, write_picture
from pydicom.encaps import generate_frames
from pydicom.uid import DeflatedExplicitVRLittleEndian

MAX_SECONDS = 10
MAX_RISE_KB = 2**20

PROGRAM = """
import resource, sys, time
from pathlib import Path
import pydicom.pixels.decoders
from ecs_med.data.readers.dicom import frames
from ecs_med.errors import EcsMedError

def used():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

before, start = used(), time.perf_counter()
for read in (frames.header, frames.read):
    try:
        read(Path(sys.argv[1]))
        said = "read"
    except EcsMedError as error:
        said = str(error)
print(used() - before, time.perf_counter() - start, said)
"""


def tried(path: Path) -> str:
    """What becomes of a file in a process of its own, which must be quick and small."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    rise, seconds, said = done.stdout.strip().split(" ", 2)
    assert float(seconds) < MAX_SECONDS
    assert int(rise) < MAX_RISE_KB
    return said


def deflated(path: Path, content: bytes) -> Path:
    """A file whose header and pixels are deflated."""
    dataset = make_dataset(np.zeros((4, 4), np.uint8))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    whole = path.read_bytes()
    end = 144 + struct.unpack_from("<I", whole, 140)[0]
    plain = zlib.decompress(whole[end:], -15)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    path.write_bytes(whole[:end] + packer.compress(plain + content) + packer.flush())
    return path


def test_deflated_files_are_read_until_they_are_bombs(tmp_path):
    assert tried(deflated(tmp_path / "fine.dcm", b"")) == "read"
    block = bytes(2**20)
    packer = zlib.compressobj(wbits=-15)
    path = deflated(tmp_path / "bomb.dcm", b"")
    whole = path.read_bytes()
    end = 144 + struct.unpack_from("<I", whole, 140)[0]
    private = struct.pack("<HH2sHI", 0x0007, 0x1001, b"OB", 0, 2**30)
    parts = [packer.compress(private), *(packer.compress(block) for _ in range(1024))]
    path.write_bytes(whole[:end] + b"".join(parts) + packer.flush())
    assert path.stat().st_size < 1.1e6
    assert "inflates from 1,0" in tried(path)


def jpeg2000_frame() -> bytes:
    dataset = pydicom.dcmread(packaged("MR_small_jp2klossless.dcm"))
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


@pytest.mark.parametrize("also_header", [False, True])
def test_a_jpeg_2000_frame_of_another_size_never_reaches_a_decoder(tmp_path, also_header):
    frame = bytearray(jpeg2000_frame())
    for place in (8, 12, 24, 28):  # the whole, and one tile of it
        struct.pack_into(">I", frame, place, 20_000)
    elements = {"Rows": 20_000, "Columns": 20_000} if also_header else {}
    like = packaged("MR_small_jp2klossless.dcm")
    said = tried(write_compressed(tmp_path / "a.dcm", [bytes(frame)], like, **elements))
    if also_header:
        assert "bytes of a frame cannot hold its 20000 x 20000 numbers" in said
    else:
        assert "a compressed frame is 20000 x 20000 pixels, its header says 64 x 64" in said


def test_a_jpeg_2000_frame_of_millions_of_tiles_never_reaches_a_decoder(tmp_path):
    frame = bytearray(jpeg2000_frame())
    for place in (24, 28):
        struct.pack_into(">I", frame, place, 1)
    for place in (8, 12):
        struct.pack_into(">I", frame, place, 4096)
    like = packaged("MR_small_jp2klossless.dcm")
    path = write_compressed(tmp_path / "a.dcm", [bytes(frame)], like, Rows=4096, Columns=4096)
    assert "a frame is no JPEG 2000 picture" in tried(path)


def test_a_jpeg_frame_of_another_size_never_reaches_a_decoder(tmp_path):
    like = packaged("SC_rgb_jpeg_dcmtk.dcm")
    frame = next(generate_frames(pydicom.dcmread(like).PixelData, number_of_frames=1))
    place = frame.index(b"\xff\xc0")
    changed = frame[: place + 5] + b"\xff\xff\xff\xff" + frame[place + 9 :]
    said = tried(write_compressed(tmp_path / "a.dcm", [changed], like))
    assert "a compressed frame is 65535 x 65535 pixels, its header says 100 x 100" in said


def test_a_run_length_frame_cannot_be_larger_than_runs_can_be(tmp_path):
    like = packaged("MR_small_RLE.dcm")
    frame = next(generate_frames(pydicom.dcmread(like).PixelData, number_of_frames=1))
    said = tried(write_compressed(tmp_path / "a.dcm", [frame], like, Rows=30_000, Columns=30_000))
    assert "bytes of a frame cannot hold its 30000 x 30000 numbers" in said


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ({"NumberOfFrames": 10_000}, "truncated: 256 of 2,560,000 bytes of pixels are there"),
        ({"NumberOfFrames": 2**31 - 1}, "its header claims 2147483647 x 16 x 16 numbers"),
        ({"NumberOfFrames": -1}, "is said to hold -1 frames"),
        ({"NumberOfFrames": 0}, "read"),
        ({"Rows": 65535}, "truncated: 256 of 1,048,560 bytes"),
        ({"Rows": 65535, "Columns": 65535}, "its header claims 1 x 65535 x 65535 numbers"),
        ({"Rows": 0}, "its frames are said to be 0 x 16 pixels"),
        ({"BitsAllocated": 7}, "its numbers are said to have 8 bits in 7"),
        ({"BitsStored": 9}, "its numbers are said to have 9 bits in 8"),
        ({"BitsStored": 0}, "its numbers are said to have 0 bits in 8"),
        ({"SamplesPerPixel": 3}, "its colours are stored as MONOCHROME2 with 3 numbers a pixel"),
        ({"SamplesPerPixel": None}, "lacks SamplesPerPixel"),
        ({"PixelRepresentation": None}, "lacks PixelRepresentation"),
        ({"PixelRepresentation": 2}, "its numbers are neither signed nor unsigned"),
        ({"PhotometricInterpretation": "DOE JANE"}, "stored as an unknown way with 1 numbers"),
    ],
)
def test_headers_that_claim_what_is_not_there(tmp_path, elements, said):
    path = write_picture(tmp_path / "a.dcm", np.zeros((16, 16), np.uint8), **elements)
    assert said in tried(path)


def test_compressed_frames_are_counted(tmp_path):
    like = packaged("MR_small_jp2klossless.dcm")
    path = write_compressed(tmp_path / "a.dcm", [jpeg2000_frame()], like, NumberOfFrames=10_000)
    assert "is said to hold 10,000 frames, and 1 are there" in tried(path)


def test_a_header_without_end_is_not_read_to_its_end(tmp_path):
    path = write_picture(tmp_path / "a.dcm", np.zeros((16, 16), np.uint8))
    whole = path.read_bytes()
    end = 144 + struct.unpack_from("<I", whole, 140)[0]
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * (5 * 2**20)
    sequence = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    path.write_bytes(whole[:end] + sequence + items + whole[end:])
    assert "cannot be read as DICOM (OSError)" in tried(path)
    tags = (struct.pack("<HH", 9 + 2 * (n >> 16), n & 0xFFFF) for n in range(5 * 2**19))
    path.write_bytes(whole[:end] + b"".join(tag + b"LO\0\0" for tag in tags) + whole[end:])
    assert "cannot be read as DICOM (ValueError)" in tried(path)
    with path.open("r+b") as file:
        file.truncate(9 * 2**30)
    assert "which no DICOM file of one scan needs" in tried(path)


def test_sequences_in_sequences_without_end(tmp_path):
    path = write_picture(tmp_path / "a.dcm", np.zeros((16, 16), np.uint8))
    whole = path.read_bytes()
    end = 144 + struct.unpack_from("<I", whole, 140)[0]
    deeper = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    deeper += struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    path.write_bytes(whole[:end] + deeper * 50_000)
    assert "cannot be read as DICOM (RecursionError)" in tried(path)


def test_a_segmented_palette_cannot_unfold_without_end(tmp_path):
    segments = np.array([0, 1, 5, *([1, 65535, 9, 1, 65535, 5] * 5000)], np.uint16).tobytes()
    elements: dict[str, object] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for color in ("Red", "Green", "Blue"):
        elements[f"{color}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        elements[f"Segmented{color}PaletteColorLookupTableData"] = segments
    path = write_picture(tmp_path / "a.dcm", np.zeros((16, 16), np.uint8), **elements)
    assert "has colours by a palette, which is missing or damaged" in tried(path)
