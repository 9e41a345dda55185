"""DICOM series with known truth, made in memory and written in an order that says nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SLICES, ROWS, COLUMNS = 12, 40, 32
ORIGIN = (-10.0, -20.0, 30.0)
ROW_MM, COLUMN_MM, STEP_MM = 0.8, 0.7, 2.5
AXIAL = (1, 0, 0, 0, 1, 0)
TILT = np.deg2rad(20)
OBLIQUE = (
    *(np.cos(0.35), np.sin(0.35), 0),
    *(-np.sin(0.35) * np.cos(0.3), np.cos(0.35) * np.cos(0.3), np.sin(0.3)),
)
STORED = (
    np.random.default_rng(3).normal(size=(SLICES, ROWS, COLUMNS)).cumsum(1).cumsum(2) * 3
).astype(np.int16)
"""Stored values, `(slice, row, column)`."""


def make_series(
    orientation: Sequence[float] = AXIAL,
    step: Sequence[float] | None = None,
    stored: np.ndarray = STORED,
    origin: Sequence[float] = ORIGIN,
    like: FileDataset | None = None,
    **elements: Any,
) -> list[FileDataset]:
    """Slices in the order of their normal.

    Args:
        orientation: Direction of columns, then of rows.
        step: From slice to slice in mm; `None`: along the normal.
        stored: `(slice, row, column)`.
        origin: Of the first slice.
        like: A slice whose study, series and frame of reference they share.
        elements: More of the header, for each slice.
    """
    across = np.cross(orientation[:3], orientation[3:])
    step = across * STEP_MM if step is None else step
    shared = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
    uids = {key: getattr(like, key) if like else generate_uid() for key in shared}
    made = []
    for index, pixels in enumerate(stored):
        own = {
            "SOPClassUID": CTImageStorage, "SOPInstanceUID": generate_uid(), "Modality": "CT",
            "PatientName": "SENTINEL^NAME", "PatientID": "SENTINELID", "SeriesNumber": 3,
            "InstanceNumber": index + 1, "AcquisitionNumber": 1, "SliceThickness": 5,
            "ImagePositionPatient": [float(x) for x in np.add(origin, np.multiply(index, step))],
            "ImageOrientationPatient": [float(x) for x in orientation],
            "PixelSpacing": [ROW_MM, COLUMN_MM], "Rows": pixels.shape[0],
            "Columns": pixels.shape[1], "SamplesPerPixel": 1, "BitsAllocated": 16,
            "BitsStored": 16, "HighBit": 15, "PixelRepresentation": int(pixels.dtype.kind == "i"),
            "PhotometricInterpretation": "MONOCHROME2", "RescaleSlope": 1,
            "RescaleIntercept": -1000, "PixelData": pixels.tobytes(),
        }  # fmt: skip
        made.append(_dataset({**own, **uids, **elements}))
    return made


def _dataset(elements: dict[str, Any]) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = elements["SOPClassUID"]
    meta.MediaStorageSOPInstanceUID = elements["SOPInstanceUID"]
    dataset = FileDataset("", Dataset(), file_meta=meta)
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def renewed(dataset: FileDataset, **elements: Any) -> FileDataset:
    """A copy with an identifier of its own and some elements changed."""
    own = {element.keyword: element.value for element in dataset}
    return _dataset({**own, "SOPInstanceUID": generate_uid(), **elements})


def write_series(folder: Path, datasets: Sequence[Dataset], seed: int = 0) -> list[Path]:
    """Write slices under names that are shuffled; their paths come in the order given."""
    folder.mkdir(parents=True, exist_ok=True)
    names = np.random.default_rng(seed).permutation(len(datasets))
    paths = [folder / f"I{name:04d}" for name in names]
    for dataset, path in zip(datasets, paths, strict=True):
        dataset.save_as(path, enforce_file_format=True)
    return paths


def true_affine(
    orientation: Sequence[float] = AXIAL,
    step: Sequence[float] | None = None,
    origin: Sequence[float] = ORIGIN,
) -> np.ndarray:
    """Voxel `(column, row, slice)` to RAS mm, as the standard defines it (C.7.6.2.1.1)."""
    columns, rows = np.reshape(orientation, (2, 3))
    step = np.cross(columns, rows) * STEP_MM if step is None else step
    affine = np.eye(4)
    affine[:3] = np.stack([columns * COLUMN_MM, rows * ROW_MM, step, origin], axis=1)
    return np.diag([-1.0, -1, 1, 1]) @ affine
