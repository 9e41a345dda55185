"""DICOM files are opened in one way, and what cannot be opened is one sentence without values."""

import logging
import os
import struct
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_pictures import packaged, write_picture

from ecs_med.data.readers.dicom.files import guarded, is_dicom, open_dataset, quiet_libraries
from ecs_med.errors import SettingsError, UnreadableFileError

GRAY = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm",
        "ExplVR_LitEndNoMeta.dcm", "ExplVR_BigEndNoMeta.dcm", "explicit_VR-UN.dcm",
        "meta_missing_tsyntax.dcm", "no_meta_group_length.dcm", "bad_sequence.dcm",
    ],
)  # fmt: skip
def test_headers_are_those_of_pydicom(name):
    path = packaged(name)
    with quiet_libraries():
        expected = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        found = open_dataset(path)
        assert is_dicom(path)
        assert set(found.keys()) == set(expected.keys())
        for keyword in ("Rows", "Columns", "NumberOfFrames", "SOPClassUID", "PixelSpacing"):
            assert found.get(keyword) == expected.get(keyword)


def test_an_element_that_was_left_out_for_its_length_is_read_on_demand(tmp_path):
    path = write_picture(tmp_path / "a.dcm", GRAY)
    dataset = pydicom.dcmread(path)
    block = dataset.private_block(0x0009, "MAKER", create=True)
    block.add_new(1, "OB", bytes(range(256)) * 2**14)
    dataset.save_as(path)
    found = open_dataset(path)
    assert found.get_item(0x00091001, keep_deferred=True).value is None
    assert found[0x00091001].value == bytes(range(256)) * 2**14


def test_only_what_is_asked_for_is_read(tmp_path):
    path = write_picture(tmp_path / "a.dcm", GRAY)
    assert [element.keyword for element in open_dataset(path, tags=["Rows"])] == ["Rows"]
    assert "PixelData" not in open_dataset(path)
    assert open_dataset(path, pixels=True).PixelData == GRAY.tobytes()


def write_fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "no such file; check the name"),
        (write_fifo, "a pipe or a device, not a file"),
        (Path.mkdir, "it is a folder"),
        (Path.touch, "empty file"),
        (lambda path: path.write_text("Doe^Jane " * 40), "not a DICOM file, whatever its name"),
        (lambda path: path.write_bytes(bytes(128) + b"DICM" + b"Jane"), "is empty or damaged"),
    ],
)
def test_what_is_no_dicom_file_is_refused(tmp_path, make, said):
    path = tmp_path / "a.dcm"
    make(path)
    assert is_dicom(path) == ("damaged" in said)
    with pytest.raises(UnreadableFileError, match=said) as raised:
        open_dataset(path)
    assert "Jane" not in str(raised.value)


@pytest.mark.parametrize(("order", "vr"), [("<", b"UI"), (">", b"UI"), ("<", b"")])
def test_files_without_preamble_begin_with_group_8(tmp_path, order, vr):
    value = b"1.2.840.10008.5.1.4.1.1.7\0"
    length = "H" if vr else "I"
    element = struct.pack(f"{order}HH", 8, 0x16) + vr + struct.pack(f"{order}{length}", len(value))
    path = tmp_path / "IM0001"
    path.write_bytes(element + value)
    assert is_dicom(path)
    assert open_dataset(path).SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    path.write_bytes(b"\x20" + element + value)
    assert not is_dicom(path)


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00281053, b"DS", b"Doe^Jane"),
        (0x00200032, b"DS", b"1\\2\\Jane"),
        (0x00280010, b"US", b"J"),
    ],
)
def test_numbers_that_are_none_are_refused_and_not_quoted(tmp_path, tag, vr, value):
    path = write_picture(tmp_path / "a.dcm", GRAY)
    content = path.read_bytes()
    value += b" " * (len(value) % 2) if vr == b"DS" else b""
    element = struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value
    pixels = content.index(b"\xe0\x7f\x10\0")
    path.write_bytes(content[:pixels] + element + content[pixels:])
    with pytest.raises(
        UnreadableFileError, match=r"\(00[0-9]{2},[0-9]{4}\) makes no sense"
    ) as raised:
        open_dataset(path)
    assert "Jane" not in str(raised.value)


def test_an_odd_description_is_left_out(tmp_path):
    path = write_picture(tmp_path / "a.dcm", GRAY)
    content = path.read_bytes()
    place = content.index(b"\x08\0\x60\0CS")
    odd = struct.pack("<HH2sH", 0x18, 0x50, b"DS", 4) + b"abcd"
    path.write_bytes(content[: place + 10] + odd + content[place + 10 :])
    assert "SliceThickness" not in open_dataset(path)


def test_words_of_libraries_are_kept_back(caplog):
    with quiet_libraries():
        warnings.warn("Doe^Jane", stacklevel=1)
        logging.getLogger("pydicom.pixels").error("Doe^Jane")
    assert not caplog.records
    logging.getLogger("pydicom.pixels").error("heard")
    assert [record.message for record in caplog.records] == ["heard"]
    path = Path("a.dcm")
    with pytest.raises(UnreadableFileError) as raised, guarded(path, "cannot be done", "leave it"):
        raise KeyError("Doe^Jane")
    assert str(raised.value) == "a.dcm: cannot be done (KeyError); leave it."
    assert raised.value.__suppress_context__
    with pytest.raises(SettingsError), guarded(path):
        raise SettingsError
