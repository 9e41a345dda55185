"""Volumes and their drafts: NIfTI for ITK and 3D Slicer, DICOM SEG beside its series."""

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from dicom_pictures import write_picture
from odd_series import AXIAL, OBLIQUE, STORED, make_series, write_series
from scipy.spatial.transform import Rotation
from volume_folders import as_stored, save

from ecs_med.acquisition.package import PACKAGES, Classes, PackagedCase
from ecs_med.data.layout import open_data
from ecs_med.data.readers import read_header, read_scan, reader_of
from ecs_med.errors import SettingsError
from ecs_med.types import Case

CLASSES = Classes(("background", "left lung", "Tumor"), (0, 50, 300))
ROTATED = np.eye(4)
ROTATED[:3, :3] = Rotation.from_euler("xyz", [20, -35, 12], degrees=True).as_matrix() * [
    0.8,
    0.9,
    2.5,
]
ROTATED[:3, 3] = 5, -7, 11
SHEARED = np.array([[1.0, 0, 0.4, 5], [0, 1.2, 0, -7], [0, 0, 2.5, 11], [0, 0, 0, 1]])


def draft_of(shape):
    draft = np.zeros(shape, np.uint8)
    draft[1:5, 2:6, 1:3], draft[2, 3, 2], draft[-1, -1, -1] = 1, 0, 2
    return draft


def packed(tmp_path, kind, case, draft, name="v"):
    folder = tmp_path / kind
    folder.mkdir()
    package = PACKAGES.get(kind)(folder, CLASSES)
    package.require(case, read_header(case.images))
    package.add(PackagedCase(name, case, read_scan(case.images), draft))
    package.close()
    return folder


def source(tmp_path, form):
    voxels = np.random.default_rng(0).integers(-900, 900, (9, 8, 7)).astype(np.int16)
    affine = {"oblique": ROTATED, "sheared": SHEARED}.get(form, np.diag([0.8, 0.9, 2.5, 1]))
    save(tmp_path / "ras.nii.gz", voxels, affine)
    if form in ("LPS", "PSR"):
        return as_stored(tmp_path / "ras.nii.gz", tmp_path / "turned.nii.gz", form)
    return tmp_path / "ras.nii.gz"


@pytest.mark.parametrize("form", ["RAS", "LPS", "PSR", "oblique", "sheared"])
def test_nifti_gives_image_and_draft_back_on_one_grid(tmp_path, form):
    path = source(tmp_path, form)
    scan = read_scan([path])
    draft = draft_of(scan.spatial_shape)
    folder = packed(tmp_path, "nifti", Case("v", (path,)), draft)
    image, mask = folder / "images/v.nii.gz", folder / "masks/v.nii.gz"
    again = read_scan([image])
    assert np.array_equal(again.array, scan.array)
    assert again.array.dtype == scan.array.dtype
    assert np.array_equal(again.affine, scan.affine)
    stored = reader_of([mask]).read_stored_labels(mask)
    assert np.array_equal(stored.values, np.array([0, 50, 300])[draft])
    assert np.array_equal(stored.affine, scan.affine)
    assert read_header([image]).other_affine is None or form != "sheared"


@pytest.mark.parametrize("form", ["RAS", "LPS", "oblique"])
def test_itk_sees_image_and_draft_at_one_place(tmp_path, form):
    path = source(tmp_path, form)
    draft = draft_of((9, 8, 7))
    folder = packed(tmp_path, "nifti", Case("v", (path,)), draft)
    first, image, mask = (
        SimpleITK.ReadImage(str(file))
        for file in (path, folder / "images/v.nii.gz", folder / "masks/v.nii.gz")
    )
    for other in (image, mask):
        assert np.allclose(other.GetOrigin(), first.GetOrigin(), atol=1e-4)
        assert np.allclose(other.GetDirection(), first.GetDirection(), atol=1e-5)
        assert np.allclose(other.GetSpacing(), first.GetSpacing(), atol=1e-5)
    found = SimpleITK.GetArrayFromImage(mask).transpose(2, 1, 0)
    assert np.array_equal(found, np.array([0, 50, 300])[draft])


def test_several_channels_and_names_in_headers(tmp_path):
    files = []
    for number in range(2):
        image = nibabel.Nifti1Image(np.full((5, 6, 4), number, np.int16), np.eye(4))
        image.header["descrip"] = b"Doe Jane"
        files.append(tmp_path / f"x_000{number}.nii.gz")
        image.to_filename(files[-1])
    folder = packed(tmp_path, "nifti", Case("v", tuple(files)), None)
    written = nibabel.load(folder / "images/v.nii.gz")
    assert written.shape == (5, 6, 4, 2)
    assert bytes(written.header["descrip"]).strip(b"\0") == b""
    assert not list((folder / "masks").iterdir())


def test_tables_of_labels(tmp_path):
    folder = packed(tmp_path, "nifti", Case("v", (source(tmp_path, "RAS"),)), None)
    rows = (folder / "itk-snap-labels.txt").read_text().splitlines()[1:]
    assert rows[0] == '0 0 0 0 0 0 0 "Clear Label"'
    assert [row.split('"')[1] for row in rows[1:]] == ["left lung", "Tumor"]
    assert [row.split()[0] for row in rows[1:]] == ["50", "300"]
    colors = (folder / "slicer-colors.ctbl").read_text().splitlines()[1:]
    assert [row.split()[:2] for row in colors] == [
        ["0", "background"],
        ["50", "left_lung"],
        ["300", "Tumor"],
    ]
    assert all(len(row.split()) == 6 for row in colors)


@pytest.mark.parametrize("orientation", [AXIAL, OBLIQUE])
def test_dicom_seg_gives_the_draft_back_on_its_series(tmp_path, orientation):
    paths = write_series(tmp_path / "data" / "Doe^Jane", make_series(orientation))
    (case,) = open_data(tmp_path / "data").cases
    draft = draft_of(STORED.shape[::-1])
    folder = packed(tmp_path, "dicom-seg", case, draft, name=case.id)
    names = sorted(path.name for path in (folder / "images" / case.id).iterdir())
    assert names == [f"{number:04d}.dcm" for number in range(1, len(paths) + 1)]
    assert "Doe" not in "".join(str(path.relative_to(folder)) for path in folder.rglob("*"))
    mask = folder / "masks" / f"{case.id}.dcm"
    copies = [folder / "images" / case.id / name for name in names]
    stored = reader_of([mask]).read_stored_labels(mask, copies)
    assert dict(stored.names) == {1: "left lung", 2: "Tumor"}
    assert np.array_equal(stored.values, draft)
    # As it is, the draft labels nothing; one that was written by somebody else does.
    assert [one.mask for one in open_data(folder).cases] == [None]
    dataset = pydicom.dcmread(mask)
    dataset.ContentCreatorName = "Expert"
    dataset.save_as(mask)
    assert [one.mask is not None for one in open_data(folder).cases] == [True]


def test_volumes_of_dicom_as_nifti_name_nobody(tmp_path):
    write_series(tmp_path / "data" / "Doe^Jane", make_series(OBLIQUE))
    (case,) = open_data(tmp_path / "data").cases
    folder = packed(tmp_path, "nifti", case, draft_of(STORED.shape[::-1]), name=case.id)
    for path in folder.rglob("*"):
        assert "Doe" not in path.name
        if path.suffix == ".gz":
            told = nibabel.load(path).header.binaryblock
            assert b"SENTINEL" not in told
    stored = reader_of([p := folder / "masks" / f"{case.id}.nii.gz"]).read_stored_labels(p)
    assert np.allclose(stored.affine, read_header(case.images).affine)


def test_what_a_package_cannot_hold(tmp_path):
    volume = Case("v", (source(tmp_path, "RAS"),))
    picture = Case("p", (write_picture(tmp_path / "p.dcm", np.zeros((6, 5, 3), np.uint8)),))
    with pytest.raises(SettingsError, match=r"is a volume, and LabelMe takes pictures; choose nif"):
        PACKAGES.get("labelme").require(volume, read_header(volume.images))
    with pytest.raises(SettingsError, match=r"is a picture, and NIfTI takes volumes; choose label"):
        PACKAGES.get("nifti").require(picture, read_header(picture.images))
    with pytest.raises(SettingsError, match=r"is no DICOM, to which a DICOM SEG belongs; choose n"):
        PACKAGES.get("dicom-seg").require(volume, read_header(volume.images))
