"""Miniature DICOM series, and masks of them as SEG, RTSTRUCT and NIfTI, written by others' code."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

AXIAL = (1, 0, 0, 0, 1, 0)
CORONAL = (1, 0, 0, 0, 0, -1)
OBLIQUE = (0.9396926, 0.3420201, 0, -0.3267457, 0.8977263, 0.2955202)

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def series(
    folder: Path,
    voxels: npt.NDArray[np.int16],
    *,
    orientation: Sequence[float] = AXIAL,
    spacing: tuple[float, float, float] = (0.7, 0.8, 2.5),
    patient: str = "SENTINEL^ID",
    study: str | None = None,
    start: float = 0,
) -> list[Path]:
    """Write `(columns, rows, slices)` as one file a slice, in mixed order of names.

    Args:
        folder: Where to.
        voxels: The values.
        orientation: Directions of a row and a column.
        spacing: Between columns, rows and slices, in mm.
        patient: Their PatientID.
        study: UID of the study.
        start: Where the first slice lies along the normal, in mm.
    """
    folder.mkdir(parents=True, exist_ok=True)
    normal = np.cross(orientation[:3], orientation[3:])
    uids = {name: generate_uid() for name in ("study", "series", "frame")}
    paths = []
    for index in range(voxels.shape[2]):
        d = _dataset(CTImageStorage)
        d.StudyInstanceUID, d.SeriesInstanceUID = study or uids["study"], uids["series"]
        d.FrameOfReferenceUID = uids["frame"]
        d.PatientID, d.PatientName = patient, "SENTINEL^NAME"
        d.Modality, d.SeriesNumber, d.InstanceNumber = "CT", 1, index + 1
        d.PositionReferenceIndicator = ""
        position = np.array([-10.0, -20.0, 30.0]) + normal * (start + index * spacing[2])
        d.ImagePositionPatient = [round(float(x), 6) for x in position]
        d.ImageOrientationPatient = [float(x) for x in orientation]
        d.PixelSpacing, d.SliceThickness = [spacing[1], spacing[0]], 5
        d.Rows, d.Columns = voxels.shape[1], voxels.shape[0]
        d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 1
        d.PixelData = np.ascontiguousarray(voxels[:, :, index].T, np.int16).tobytes()
        paths.append(folder / f"I{index * 7 % 1009:04d}.dcm")
        d.save_as(paths[-1], enforce_file_format=True)
    return sorted(paths)


def picture(path: Path, pixels: npt.NDArray[np.uint8], *, group: str | None = None) -> Path:
    """Write `(rows, columns, 3)` as a photograph; `group`: UID of its study and its series."""
    from pydicom.uid import VLPhotographicImageStorage

    d = _dataset(VLPhotographicImageStorage)
    d.StudyInstanceUID = group or generate_uid()
    d.SeriesInstanceUID = f"{group}.1" if group else generate_uid()
    d.Modality, d.SeriesNumber, d.InstanceNumber, d.ImageType = "XC", 1, 1, ["ORIGINAL", "PRIMARY"]
    d.BurnedInAnnotation, d.LossyImageCompression = "NO", "00"
    d.Rows, d.Columns = pixels.shape[:2]
    d.SamplesPerPixel, d.PhotometricInterpretation, d.PlanarConfiguration = 3, "RGB", 0
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 8, 8, 7, 0
    d.PixelData = np.ascontiguousarray(pixels).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    d.save_as(path, enforce_file_format=True)
    return path


def in_order(files: Sequence[Path]) -> list[pydicom.Dataset]:
    """The slices of a series along their normal."""
    found = [pydicom.dcmread(path) for path in files]
    if "ImagePositionPatient" not in found[0]:
        return found
    normal = np.cross(*np.array(found[0].ImageOrientationPatient, float).reshape(2, 3))
    return sorted(found, key=lambda d: float(np.array(d.ImagePositionPatient, float) @ normal))


def affine_of(files: Sequence[Path]) -> npt.NDArray[np.float64]:
    """Voxel `(column, row, slice)` to RAS mm, from the elements of the files."""
    slices = in_order(files)
    rows, columns = np.array(slices[0].ImageOrientationPatient, float).reshape(2, 3)
    first, last = (np.array(d.ImagePositionPatient, float) for d in (slices[0], slices[-1]))
    affine = np.eye(4)
    affine[:3, 0] = rows * float(slices[0].PixelSpacing[1])
    affine[:3, 1] = columns * float(slices[0].PixelSpacing[0])
    affine[:3, 2] = (last - first) / (len(slices) - 1)
    affine[:3, 3] = first
    return LPS_TO_RAS @ affine


def nifti(path: Path, labels: npt.NDArray[Any], files: Sequence[Path]) -> Path:
    """Labels `(columns, rows, slices)` of a series as NIfTI."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(labels.astype(np.uint8), affine_of(files)), path)
    return path


def seg(
    path: Path,
    masks: npt.NDArray[Any],
    files: Sequence[Path],
    names: Sequence[str],
    *,
    kind: str = "BINARY",
    **fields: Any,
) -> Path:
    """Write a SEG with highdicom.

    Args:
        path: Where to.
        masks: `(columns, rows, slices, segments)`, or `(columns, rows, slices)` numbers.
        files: The series.
        names: Label of each segment, from 1.
        kind: Type of segmentation.
        **fields: Further arguments of highdicom's.
    """
    import highdicom
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes

    sources = in_order(files)
    frames = np.moveaxis(masks, (2, 1, 0), (0, 1, 2))
    found = highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=np.ascontiguousarray(frames),
        segmentation_type=kind,
        segment_descriptions=[
            SegmentDescription(n, name, codes.SCT.Tissue, codes.SCT.Organ, algorithm_type="MANUAL")
            for n, name in enumerate(names, 1)
        ],
        series_instance_uid=generate_uid(),
        series_number=2,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="x",
        manufacturer_model_name="x",
        software_versions="x",
        device_serial_number="x",
        **fields,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    found.save_as(path)
    return path


def structures(
    path: Path,
    files: Sequence[Path],
    drawn: Mapping[str, Sequence[npt.NDArray[np.float64]]],
    *,
    geometric: str = "CLOSED_PLANAR",
    numbers: Sequence[int] | None = None,
    references: bool = True,
) -> Path:
    """Write an RTSTRUCT by hand.

    Args:
        path: Where to.
        files: The series.
        drawn: Contours by name, each `(N, 3)` in voxels `(column, row, slice)` of the series.
        geometric: Type of all contours.
        numbers: ROINumber of each; `None`: from 1.
        references: Whether it says which series it was drawn on.
    """
    first = pydicom.dcmread(files[0])
    d = _dataset(RTStructureSetStorage)
    d.StudyInstanceUID, d.SeriesInstanceUID = first.StudyInstanceUID, generate_uid()
    d.PatientID, d.Modality = first.PatientID, "RTSTRUCT"
    to_lps = LPS_TO_RAS @ affine_of(files)
    d.StructureSetROISequence, d.ROIContourSequence = [], []
    if references:
        d.ReferencedFrameOfReferenceSequence = [_frame_of(first)]
    for number, (name, contours) in zip(numbers or range(1, 99), drawn.items(), strict=False):
        roi = Dataset()
        roi.ROINumber, roi.ROIName = number, name
        roi.ReferencedFrameOfReferenceUID = first.FrameOfReferenceUID
        d.StructureSetROISequence.append(roi)
        item = Dataset()
        item.ReferencedROINumber, item.ContourSequence = number, []
        for points in contours:
            contour = Dataset()
            contour.ContourGeometricType = geometric
            contour.NumberOfContourPoints = len(points)
            lps = points @ to_lps[:3, :3].T + to_lps[:3, 3]
            contour.ContourData = [f"{value:.6g}" for value in lps.ravel()]
            item.ContourSequence.append(contour)
        d.ROIContourSequence.append(item)
    path.parent.mkdir(parents=True, exist_ok=True)
    d.save_as(path, enforce_file_format=True)
    return path


def _frame_of(first: pydicom.Dataset) -> Dataset:
    in_series = Dataset()
    in_series.SeriesInstanceUID = first.SeriesInstanceUID
    study = Dataset()
    study.RTReferencedSeriesSequence = [in_series]
    frame = Dataset()
    frame.FrameOfReferenceUID = first.FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    return frame


def _dataset(sop_class: str) -> Dataset:
    d = Dataset()
    d.file_meta = FileMetaDataset()
    d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d.SOPClassUID, d.SOPInstanceUID = sop_class, generate_uid()
    d.file_meta.MediaStorageSOPClassUID = d.SOPClassUID
    d.file_meta.MediaStorageSOPInstanceUID = d.SOPInstanceUID
    for name in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber"):
        setattr(d, name, "")
    d.ReferringPhysicianName, d.StudyID, d.Manufacturer = "", "", "x"
    d.PatientID, d.PatientName = "SENTINEL^ID", "SENTINEL^NAME"
    return d
