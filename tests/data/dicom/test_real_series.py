"""Real series and enhanced objects, against dcm2niix and highdicom."""

import gzip
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_rescale

from ecs_med.data.readers.dicom.reader import DicomReader
from ecs_med.data.readers.dicom.series import find_series
from ecs_med.errors import EcsMedError

READER = DicomReader()
SAMPLES = sorted(
    path
    for folder in (
        Path(find_spec("pydicom").origin).parent / "data" / "test_files",
        *(Path(spec.origin).parent / "data" for spec in [find_spec("data_store")] if spec),
    )
    for path in folder.rglob("*")
    if path.is_file()
)
"""Files of pydicom, and of pydicom-data (whose package is called data_store)."""

SHARED = Path(__file__).parents[4] / "shared" / "data" / "dicom"
needs_dcm2niix = pytest.mark.skipif(
    shutil.which("dcm2niix") is None, reason="the program dcm2niix is not installed"
)


def converted(source, folder):
    """What dcm2niix makes of a folder, in canonical orientation."""
    folder.mkdir()
    command = ["dcm2niix", "-z", "n", "-b", "n", "-o", folder, source]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("*.nii")
    return nibabel.as_closest_canonical(nibabel.load(path))


def canonical(scan):
    return nibabel.as_closest_canonical(nibabel.Nifti1Image(scan.array[0], scan.affine))


def require_equal(ours, theirs):
    assert ours.shape == theirs.shape
    assert np.abs(ours.affine - theirs.affine).max() < 1e-3
    difference = np.asarray(ours.dataobj, np.float64) - np.asarray(theirs.dataobj, np.float64)
    assert np.abs(difference).max() == 0


@needs_dcm2niix
@pytest.mark.parametrize("name", ["ct_abdomen", "hippocampus_crop_a"])
def test_equals_dcm2niix(tmp_path, name):
    if not (SHARED / name).is_dir():
        pytest.skip("the shared DICOM series are not here")
    (series,) = find_series(sorted((SHARED / name).iterdir())).series
    scan = READER.read(series.files)
    assert scan.array.dtype == np.int16
    require_equal(canonical(scan), converted(SHARED / name, tmp_path / "out"))


@pytest.fixture
def philips(tmp_path):
    packed = Path(nibabel.__file__).parent / "nicom" / "tests" / "data" / "philips_mprage.dcm.gz"
    if not packed.exists():
        pytest.skip("nibabel comes without its test data")
    path = tmp_path / "in" / "mprage.dcm"
    path.parent.mkdir()
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    return path


@needs_dcm2niix
def test_enhanced_object_equals_dcm2niix(tmp_path, philips):
    (series,) = find_series([philips]).series
    assert series.describe() == "MR, 256 x 256 x 176, 1 x 1 x 1 mm"
    require_equal(canonical(READER.read([philips])), converted(philips.parent, tmp_path / "out"))


def geometry_by_highdicom(path):
    """Affine voxel `(column, row, slice)` to RAS mm, and the values `(slice, row, column)`."""
    highdicom = pytest.importorskip("highdicom")
    volume = highdicom.imread(path).get_volume(apply_voi_transform=False)
    affine = np.diag([-1.0, -1, 1, 1]) @ volume.affine
    return affine[:, [2, 1, 0, 3]], volume.array


@pytest.mark.filterwarnings("ignore")
def test_enhanced_object_equals_highdicom():
    path = next((path for path in SAMPLES if path.name == "eCT_Supplemental.dcm"), None)
    if path is None:
        pytest.skip("pydicom-data is not installed")
    ours = canonical(READER.read([path]))
    affine, values = geometry_by_highdicom(path)
    theirs = nibabel.as_closest_canonical(nibabel.Nifti1Image(values.transpose(2, 1, 0), affine))
    assert np.abs(ours.affine - theirs.affine).max() < 1e-6
    assert np.array_equal(np.asarray(ours.dataobj), np.asarray(theirs.dataobj))


def scan_or_refusal(files):
    try:
        return READER.read(files)
    except EcsMedError as error:
        return str(error)


def test_every_volume_of_pydicom_is_read_or_refused():
    volumes = {}
    for path in SAMPLES:
        found = find_series([path])
        for series in found.series:
            if series.kind == "volume":
                volumes[path.name] = scan_or_refusal(series.files), series
        for other in (*found.masks, *found.others):
            assert isinstance(scan_or_refusal([other]), str)
    for scan, series in volumes.values():
        if isinstance(scan, str):
            assert scan.startswith(str(series.files[0]))
            assert "\n" not in scan
        else:
            assert scan.array.shape[1:] == READER.header(series.files).shape == series.size
            assert np.isfinite(scan.array).all()
    right = {name for name, (scan, _) in volumes.items() if not isinstance(scan, str)}
    assert right >= {"CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    [
        *("CT_small.dcm", "MR_small_bigendian.dcm", "MR_small_jpeg_ls_lossless.dcm"),
        *("693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm", "MR2_UNCI.dcm", "bad_sequence.dcm"),
    ],
)
def test_values_equal_those_of_pydicom(name):
    path = next((path for path in SAMPLES if path.name == name), None)
    if path is None:
        pytest.skip("pydicom-data is not installed")
    dataset = pydicom.dcmread(path)
    expected = apply_rescale(dataset.pixel_array, dataset)
    if "PixelPaddingValue" in dataset:
        padding = dataset.pixel_array == dataset.PixelPaddingValue
        expected = np.where(padding, expected[~padding].min(), expected)
    values = READER.read([path]).array[0, :, :, 0].T
    assert np.array_equal(values, expected.astype(values.dtype))
