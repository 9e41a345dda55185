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
import sys, time
from pathlib import Path
import pydicom.pixels.decoders
from ecs_med.data.readers.dicom import frames
from ecs_med.errors import EcsMedError

def most_kb():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])

for path in sys.argv[1:]:
    before, start = most_kb(), time.process_time()
    try:
        frames.read(Path(path))
        said = "read"
    except EcsMedError as error:
        said = str(error)
    print(most_kb() - before, time.process_time() - start, said, flush=True)
"""


def tried(*paths: Path) -> list[str]:
    """What becomes of files in a process of its own, which must be quick and small."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    results = [line.split(" ", 2) for line in done.stdout.splitlines()]
    assert len(results) == len(paths)
    for rise, seconds, _ in results:
        assert float(seconds) < MAX_SECONDS
        assert int(rise) < MAX_RISE_KB
    return [said for _, _, said in results]


def tried_one(path: Path) -> str:
    (said,) = tried(path)
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
    assert tried_one(deflated(tmp_path / "fine.dcm", b"")) == "read"
    path = deflated(tmp_path / "bomb.dcm", b"")
    whole = path.read_bytes()
    end = 144 + struct.unpack_from("<I", whole, 140)[0]
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    private = struct.pack("<HH2sHI", 0x0007, 0x1001, b"OB", 0, 2**30)
    start = packer.compress(private) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    path.write_bytes(whole[:end] + start + block * 1024 + packer.flush())
    assert path.stat().st_size < 1.1e6
    assert "inflates from 1,0" in tried_one(path)


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
    said = tried_one(write_compressed(tmp_path / "a.dcm", [bytes(frame)], like, **elements))
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
    assert "a frame is no JPEG 2000 picture" in tried_one(path)


def test_a_jpeg_frame_of_another_size_never_reaches_a_decoder(tmp_path):
    like = packaged("SC_rgb_jpeg_dcmtk.dcm")
    frame = next(generate_frames(pydicom.dcmread(like).PixelData, number_of_frames=1))
    place = frame.index(b"\xff\xc0")
    changed = frame[: place + 5] + b"\xff\xff\xff\xff" + frame[place + 9 :]
    said = tried_one(write_compressed(tmp_path / "a.dcm", [changed], like))
    assert "a compressed frame is 65535 x 65535 pixels, its header says 100 x 100" in said


def test_a_run_length_frame_cannot_be_larger_than_runs_can_be(tmp_path):
    like = packaged("MR_small_RLE.dcm")
    frame = next(generate_frames(pydicom.dcmread(like).PixelData, number_of_frames=1))
    said = tried_one(
        write_compressed(tmp_path / "a.dcm", [frame], like, Rows=30_000, Columns=30_000)
    )
    assert "bytes of a frame cannot hold its 30000 x 30000 numbers" in said


CLAIMS = [
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
]


def test_headers_that_claim_what_is_not_there(tmp_path):
    pixels = np.zeros((16, 16), np.uint8)
    paths = [
        write_picture(tmp_path / f"{n}.dcm", pixels, **elements)
        for n, (elements, _) in enumerate(CLAIMS)
    ]
    for (_, expected), said in zip(CLAIMS, tried(*paths), strict=True):
        assert expected in said


def test_compressed_frames_are_counted(tmp_path):
    like = packaged("MR_small_jp2klossless.dcm")
    path = write_compressed(tmp_path / "a.dcm", [jpeg2000_frame()], like, NumberOfFrames=10_000)
    assert "is said to hold 10,000 frames, and 1 are there" in tried_one(path)


def with_elements(path: Path, *elements: bytes) -> Path:
    """A picture whose header begins with these."""
    write_picture(path, np.zeros((16, 16), np.uint8))
    whole = path.read_bytes()
    end = 144 + struct.unpack_from("<I", whole, 140)[0]
    path.write_bytes(whole[:end] + b"".join(elements) + whole[end:])
    return path


ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0)


@pytest.mark.slow
@pytest.mark.parametrize("length", [0xFFFFFFFF, len(ITEM) * 5 * 2**20])
def test_a_sequence_without_end_is_not_read_to_its_end(tmp_path, length):
    start = struct.pack("<HH2sHI", 0x0020, 0x9222, b"SQ", 0, length)
    path = with_elements(tmp_path / "a.dcm", start, ITEM * (5 * 2**20))
    said = tried_one(path)
    assert "cannot be read as DICOM (OSError)" in said or "its element (0020,9222)" in said


@pytest.mark.slow
def test_sequences_hidden_in_a_sequence_are_bounded_together(tmp_path):
    inner = ITEM * (2**20 // 8)
    hidden = struct.pack("<HH2sHI", 0x0020, 0x9222, b"SQ", 0, len(inner)) + inner
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(hidden)) + hidden
    start = struct.pack("<HH2sHI", 0x0020, 0x9221, b"SQ", 0, 40 * len(item))
    assert "its element (0020,9221) makes no sense" in tried_one(
        with_elements(tmp_path / "a.dcm", start, item * 40)
    )


@pytest.mark.slow
def test_elements_without_end_are_not_read_to_their_end(tmp_path):
    tags = (struct.pack("<HH", 9 + 2 * (n >> 16), n & 0xFFFF) for n in range(5 * 2**19))
    path = with_elements(tmp_path / "a.dcm", *(tag + b"LO\0\0" for tag in tags))
    assert "cannot be read as DICOM (ValueError)" in tried_one(path)


def test_a_file_of_many_gigabytes_is_not_begun(tmp_path):
    path = with_elements(tmp_path / "a.dcm")
    with path.open("r+b") as file:
        file.truncate(9 * 2**30)
    assert "which no DICOM file of one scan needs" in tried_one(path)


def test_sequences_in_sequences_without_end(tmp_path):
    deeper = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    deeper += struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    path = with_elements(tmp_path / "a.dcm", deeper * 50_000)
    assert "cannot be read as DICOM (RecursionError)" in tried_one(path)


def test_a_segmented_palette_cannot_unfold_without_end(tmp_path):
    segments = np.array([0, 1, 5, *([1, 65535, 9, 1, 65535, 5] * 5000)], np.uint16).tobytes()
    elements: dict[str, object] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for color in ("Red", "Green", "Blue"):
        elements[f"{color}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        elements[f"Segmented{color}PaletteColorLookupTableData"] = segments
    path = write_picture(tmp_path / "a.dcm", np.zeros((16, 16), np.uint8), **elements)
    assert "has colours by a palette, which is missing or damaged" in tried_one(path)
