"""DICOM files made for tests: pictures and sequences with known pixels."""

from pathlib import Path
from typing import Any

import numpy.typing as npt
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

__all__ = ["make_dataset", "packaged", "write_compressed", "write_picture"]


def packaged(name: str) -> Path:
    """A test file of pydicom or pydicom-data, without the network."""
    found = get_testdata_file(name, download=False)
    if found is None:
        pytest.skip(f"{name} is not there: pydicom-data is not installed")
    return Path(str(found))


def make_dataset(pixels: npt.NDArray[Any], num_frames: int = 1, **elements: Any) -> Any:
    """A secondary capture of `([T,] H, W)` grey values or `([T,] H, W, 3)` colours.

    Args:
        pixels: Whole numbers of 8, 16 or 32 bits.
        num_frames: More than one: `pixels` begin with an axis of frames.
        elements: Further elements, or others than those made here; `None` leaves one out.
    """
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    frame = pixels[0] if num_frames > 1 else pixels
    bits = pixels.dtype.itemsize * 8
    described: dict[str, Any] = {
        "SOPClassUID": SecondaryCaptureImageStorage,
        "SOPInstanceUID": dataset.file_meta.MediaStorageSOPInstanceUID,
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "Modality": "OT",
        "Rows": frame.shape[0],
        "Columns": frame.shape[1],
        "SamplesPerPixel": 3 if frame.ndim == 3 else 1,
        "PhotometricInterpretation": "RGB" if frame.ndim == 3 else "MONOCHROME2",
        "PlanarConfiguration": 0 if frame.ndim == 3 else None,
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "NumberOfFrames": num_frames if num_frames > 1 else None,
        **elements,
    }
    for keyword, value in described.items():
        if value is not None:
            setattr(dataset, keyword, value)
    content = pixels.tobytes()
    dataset.add_new("PixelData", "OW", content + b"\0" * (len(content) % 2))
    return dataset


def write_picture(
    path: Path, pixels: npt.NDArray[Any], num_frames: int = 1, **elements: Any
) -> Path:
    """Write what `make_dataset` makes."""
    make_dataset(pixels, num_frames, **elements).save_as(path, enforce_file_format=True)
    return path


def write_compressed(path: Path, frames: list[bytes], like: Path, **elements: Any) -> Path:
    """Write compressed frames under the header of a packaged file."""
    dataset = pydicom.dcmread(like)
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = encapsulate(frames)
    dataset.save_as(path)
    return path
