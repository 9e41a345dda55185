"""DICOM SEG as masks: values by voxel against the arrays that they were written from."""

import shutil
import subprocess
from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt
import pytest
from dicom_mask_files import AXIAL, CORONAL, OBLIQUE, affine_of, nifti, picture, seg, series
from pydicom.data import get_testdata_file

from ecs_med.config import ReadingSettings
from ecs_med.data.checks.geometry import mask_geometry_problems
from ecs_med.data.masks.reading import read_labels, understand_masks
from ecs_med.data.readers import StoredMask, read_scan, reader_of
from ecs_med.data.readers.grids import resample_labels
from ecs_med.errors import DataError, MaskValueError, SettingsError, UnreadableFileError

pytest.importorskip("highdicom")

SHAPE = (12, 9, 6)
AUTO = ReadingSettings()


def _voxels() -> npt.NDArray[np.int16]:
    return np.random.default_rng(0).integers(-900, 900, SHAPE).astype(np.int16)


def _labels() -> npt.NDArray[np.uint8]:
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:7, 1:5, 1:4] = 1
    labels[8:11, 3:8, 2:3] = 2
    return labels


def _apart(labels: npt.NDArray[np.uint8], num: int = 2) -> npt.NDArray[np.uint8]:
    return np.stack([labels == n for n in range(1, num + 1)], axis=-1).astype(np.uint8)


def _read(path: Path, images: list[Path]) -> StoredMask:
    return reader_of([path]).read_stored_labels(path, images)


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, OBLIQUE])
@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_segments_lie_on_voxels_of_their_series(
    tmp_path: Path, orientation: tuple[float, ...], kind: str
) -> None:
    files = series(tmp_path / "s", _voxels(), orientation=orientation)
    masks = _labels() if kind == "LABELMAP" else _apart(_labels())
    path = seg(tmp_path / "m.dcm", masks, files, ["Liver", "Tumour"], kind=kind)
    stored = _read(path, files)
    np.testing.assert_array_equal(stored.values, _labels())
    assert stored.names == {1: "Liver", 2: "Tumour"}
    assert not stored.overlaps
    np.testing.assert_allclose(stored.affine, read_scan(files).affine)
    header = reader_of([path]).mask_header(path, files)
    assert header.shape == SHAPE
    scheme, _ = understand_masks([path], AUTO, None, [files])
    assert scheme.class_names == ("background", "Liver", "Tumour")
    np.testing.assert_array_equal(read_labels(files, path, scheme), _labels())
    told = [p.message for p in mask_geometry_problems(files, path, "ask")]
    assert len(told) == (kind == "FRACTIONAL")


def test_fractions_count_from_a_half_on(tmp_path: Path) -> None:
    files = series(tmp_path / "s", _voxels())
    shares = np.linspace(0, 1, np.prod(SHAPE)).reshape(*SHAPE, 1)
    path = seg(tmp_path / "m.dcm", shares, files, ["Liver"], kind="FRACTIONAL",
               max_fractional_value=100)  # fmt: skip
    expected = np.rint(shares[..., 0] * 100) >= 50
    np.testing.assert_array_equal(_read(path, files).values, expected)


def test_a_series_as_nifti_in_another_orientation_has_the_same_mask(tmp_path: Path) -> None:
    files = series(tmp_path / "s", _voxels(), orientation=CORONAL)
    path = seg(tmp_path / "m.dcm", _apart(_labels()), files, ["a", "b"])
    image = nibabel.Nifti1Image(_voxels(), affine_of(files))
    turned = nibabel.as_closest_canonical(image)
    nibabel.save(turned, tmp_path / "i.nii.gz")
    labels = nibabel.as_closest_canonical(nibabel.Nifti1Image(_labels(), affine_of(files)))
    stored = _read(path, [tmp_path / "i.nii.gz"])
    np.testing.assert_array_equal(stored.values, np.asarray(labels.dataobj))


def test_without_images_frames_make_a_grid_of_their_own(tmp_path: Path) -> None:
    files = series(tmp_path / "s", _voxels(), orientation=OBLIQUE)
    labels = _labels()
    labels[:, :, 2] = 0  # a plane within that no frame shows
    path = seg(tmp_path / "m.dcm", _apart(labels)[..., :1], files, ["a"])
    stored = _read(path, [])
    np.testing.assert_array_equal(stored.values, labels[:, :, 1:4] == 1)
    shift = np.eye(4)
    shift[2, 3] = 1
    np.testing.assert_allclose(stored.affine, affine_of(files) @ shift, atol=1e-4)


def test_a_mask_of_a_coarser_series_is_aligned_by_its_affine(tmp_path: Path) -> None:
    coarse = series(tmp_path / "c", _voxels()[::2, :, :], spacing=(1.4, 0.8, 2.5))
    fine = series(tmp_path / "f", _voxels())
    import pydicom

    frame = pydicom.dcmread(coarse[0]).FrameOfReferenceUID
    for path in fine:
        d = pydicom.dcmread(path)
        d.FrameOfReferenceUID = frame
        d.save_as(path)
    labels = np.ones((6, 9, 6), np.uint8)
    labels[:3] = 0
    path = seg(tmp_path / "m.dcm", labels[..., None], coarse, ["a"])
    settings = ReadingSettings(outside_mask="void")  # of the last column of voxels
    scheme, _ = understand_masks([path], settings, None, [fine])
    expected = np.zeros(SHAPE, np.uint8)
    expected[6:] = 1
    found = read_labels(fine, path, scheme)
    away_from_ties = [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
    np.testing.assert_array_equal(found[away_from_ties], expected[away_from_ties])


def test_another_frame_of_reference_is_refused(tmp_path: Path) -> None:
    files = series(tmp_path / "s", _voxels())
    other = series(tmp_path / "o", _voxels())
    path = seg(tmp_path / "m.dcm", _apart(_labels()), files, ["a", "b"])
    with pytest.raises(UnreadableFileError, match=r"m\.dcm: lies in another frame of reference"):
        _read(path, other)


def test_overlapping_segments_are_refused_by_number_and_label(tmp_path: Path) -> None:
    files = series(tmp_path / "s", _voxels())
    masks = np.stack([_labels() == 1, _labels() >= 1, _labels() == 2], axis=-1).astype(np.uint8)
    path = seg(tmp_path / "m.dcm", masks, files, ["Tumour", "Liver", "Cyst"])
    shared = int((_labels() == 1).sum())
    with pytest.raises(MaskValueError, match=rf"1 \(Tumour\) and 2 \(Liver\) share {shared} pixel"):
        understand_masks([path], AUTO, None, [files])
    # Those alone that share nothing, and all in an order.
    for names, expected in {
        ("no", "Liver"): (_labels() >= 1).astype(np.uint8),
        ("no", "Tumour", "Cyst"): _labels(),
        ("no", "Liver", "Tumour", "Cyst"): np.array([0, 2, 3], np.uint8)[_labels()],
    }.items():
        settings = ReadingSettings(class_names=names)
        scheme, _ = understand_masks([path], settings, None, [files])
        assert scheme.class_names == names
        np.testing.assert_array_equal(read_labels(files, path, scheme), expected)


def test_names_and_not_numbers_are_classes(tmp_path: Path) -> None:
    """Two patients whose files number the same structures differently."""
    one = series(tmp_path / "1", _voxels())
    two = series(tmp_path / "2", _voxels())
    first = seg(tmp_path / "1.dcm", _apart(_labels()), one, ["Liver", "Tumour"])
    second = seg(tmp_path / "2.dcm", _apart(_labels())[..., ::-1], two, ["tumour", " liver"])
    scheme, problems = understand_masks([first, second], AUTO, None, [one, two])
    assert scheme.class_names == ("background", "Liver", "Tumour")
    assert {problem.severity for problem in problems} == {"note"}
    for files, path in ((one, first), (two, second)):
        np.testing.assert_array_equal(read_labels(files, path, scheme), _labels())
    # What a mask of numbers alone means beside them is unknown.
    plain = nifti(tmp_path / "3.nii.gz", _labels(), one)
    with pytest.raises(DataError, match=r"1\.dcm: calls Liver 1, but .*2\.dcm calls it 2"):
        understand_masks([first, second, plain], AUTO, None, [one, two, one])
    scheme, _ = understand_masks([first, plain], AUTO, None, [one, one])
    np.testing.assert_array_equal(read_labels(one, plain, scheme), _labels())


def test_a_structure_that_a_mask_does_not_have_is_told(tmp_path: Path) -> None:
    files = series(tmp_path / "s", _voxels())
    both = seg(tmp_path / "1.dcm", _apart(_labels()), files, ["Liver", "Tumour"])
    one = seg(tmp_path / "2.dcm", _apart(_labels(), 1), files, ["Liver"])
    _, problems = understand_masks([both, one], AUTO, None, [files, files])
    (told,) = [problem for problem in problems if problem.severity == "warning"]
    assert told.path == one
    assert told.message.startswith("has no structure Tumour, as 1 of 2 masks")


def test_a_class_that_no_mask_has_is_refused(tmp_path: Path) -> None:
    files = series(tmp_path / "s", _voxels())
    path = seg(tmp_path / "1.dcm", _apart(_labels()), files, ["Liver", "Tumour"])
    settings = ReadingSettings(class_names=("background", "Spleen"))
    with pytest.raises(SettingsError, match="a structure Spleen; they have Liver, Tumour"):
        understand_masks([path], settings, None, [files])
    with pytest.raises(SettingsError, match="`mask_values` does not apply"):
        understand_masks([path], ReadingSettings(mask_values=(0, 1)), None, [files])


def test_a_mask_of_a_picture(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((12, 9, 1), np.uint8)  # columns, rows
    labels[3:8, 2:5] = 1
    labels[9:11, 6:8] = 2
    pixels = rng.integers(0, 256, (9, 12, 3)).astype(np.uint8)
    image, other = picture(tmp_path / "a.dcm", pixels), picture(tmp_path / "b.dcm", pixels)
    path = seg(tmp_path / "m.dcm", _apart(labels), [image], ["Polyp", "Tool"])
    np.testing.assert_array_equal(_read(path, [image]).values, labels[:, :, 0].T)
    scheme, _ = understand_masks([path], AUTO, None, [[image]])
    np.testing.assert_array_equal(read_labels([image], path, scheme), labels[:, :, 0].T)
    with pytest.raises(UnreadableFileError, match=r"has no frame that was drawn on .*b\.dcm"):
        _read(path, [other])


def test_dcmqi_reads_the_same(tmp_path: Path) -> None:
    """A file that dcmqi wrote, and one of highdicom's, by the program of dcmqi."""
    program = shutil.which("segimage2itkimage")
    if program is None:
        pytest.skip("needs segimage2itkimage of dcmqi")
    files = series(tmp_path / "s", _voxels(), orientation=OBLIQUE)
    liver = get_testdata_file("liver.dcm", download=False)
    paths = [seg(tmp_path / "m.dcm", _apart(_labels()), files, ["a", "b"])]
    paths += [Path(liver)] if liver else []
    for number, path in enumerate(paths):
        out = tmp_path / str(number)
        out.mkdir()
        command = [program, "--inputDICOM", path, "--outputDirectory", out, "--outputType", "nii",
                   "--mergeSegments"]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        (theirs,) = out.glob("*.nii.gz")
        other = nibabel.load(theirs)
        stored = _read(path, [])
        assert stored.affine is not None
        shape = (*other.shape[:3],)
        moved = resample_labels(stored.values, stored.affine, shape, other.affine, outside=0)
        np.testing.assert_array_equal(moved, np.asarray(other.dataobj).reshape(shape))
