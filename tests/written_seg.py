"""A small series with labels on it, and what other programs find in a DICOM SEG of them."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pytest
from dicom_mask_files import AXIAL, in_order, series
from scipy.spatial import cKDTree

from ecs_med.data.readers import ResultMeaning

needs_dciodvfy = pytest.mark.skipif(
    shutil.which("dciodvfy") is None, reason="the program dciodvfy is not installed"
)
needs_dcmqi = pytest.mark.skipif(
    shutil.which("segimage2itkimage") is None, reason="segimage2itkimage (dcmqi) is not installed"
)

SHAPE = (7, 6, 5)
MEANING = ResultMeaning({0: "background", 1: "liver", 4: "Tumör"})
RNG = np.random.default_rng(0)
LABELS = RNG.choice(np.array([0, 1, 4], np.uint8), SHAPE)


def small_series(folder: Path, orientation: Sequence[float] = AXIAL) -> list[Path]:
    voxels = RNG.integers(-1000, 1000, SHAPE).astype(np.int16)
    return series(folder, voxels, orientation=orientation)


def dciodvfy_errors(path: Path) -> list[str]:
    """What dciodvfy objects to; its exit code too."""
    done = subprocess.run(["dciodvfy", path], capture_output=True, check=False)
    lines = (done.stdout + done.stderr).decode("latin-1").splitlines()
    found = [line for line in lines if line.startswith(("Error", "Abort"))]
    return found + ([f"exit {done.returncode}"] if done.returncode else [])


def segments_by_source(path: Path, files: list[Path]) -> npt.NDArray[Any]:
    """`(frames, rows, columns, segments)` by highdicom, in the order of the files' datasets."""
    import highdicom.seg

    seg = highdicom.seg.segread(path)
    return seg.get_pixels_by_source_instance(
        [dataset.SOPInstanceUID for dataset in in_order(files)],
        assert_missing_frames_are_empty=True,
        ignore_spatial_locations=True,
    )


def read_by_dcmqi(path: Path) -> Any:
    """The numbers of segments as dcmqi writes them."""
    out = path.with_name("dcmqi")
    out.mkdir()
    if shutil.which("segimage2itkimage") is None:
        pytest.skip("segimage2itkimage (dcmqi) is not installed")
    command = ["segimage2itkimage", "--inputDICOM", path, "--outputDirectory", out]
    subprocess.run(
        [*command, "--outputType", "nii", "--mergeSegments"], check=True, capture_output=True
    )
    (merged,) = out.glob("*.nii*")
    return nibabel.load(merged)


def require_same_places(
    image: Any, affine: npt.NDArray[np.float64], labels: npt.NDArray[np.uint8]
) -> None:
    """Hold the places in space of the segments 1 and 2 against those of the labels 1 and 4."""
    voxels = np.asarray(image.dataobj)
    for number, value in ((1, 1), (2, 4)):
        places = [
            nibabel.affines.apply_affine(own, np.argwhere(where))
            for own, where in ((image.affine, voxels == number), (affine, labels == value))
        ]
        there, wanted = places
        assert there.shape == wanted.shape
        distances, _ = cKDTree(there).query(wanted)
        assert distances.max() < 0.02
