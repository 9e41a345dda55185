"""Headers of volumes that say what cannot be, or say it twice."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
from situations.inputs_geometry import (
    check,
    drawn,
    errors,
    labels_of,
    moved,
    one,
    write_set,
    write_volume,
)

from ecs_med.data.readers import read_header, read_scan

Capture = pytest.CaptureFixture[str]

MASKS = [f"labelsTr/c{index}.nii.gz" for index in range(3)]
IMAGES = [f"imagesTr/c{index}.nii.gz" for index in range(3)]


def test_the_remedy_for_two_positions_settles_it(tmp_path: Path, capfd: Capture) -> None:
    """As fslorient -copyqform2sform writes them."""
    folder = write_set(tmp_path, {"sform": moved(-6, -7, -5), "qform": moved(-6, -7, -5)})
    code, rows = check(folder, capfd)
    assert (code, list(rows)) == (0, [""])


def test_zero_pixdim_noise(tmp_path: Path, capfd: Capture) -> None:
    folder = write_set(tmp_path, {"sform": moved(sides=(1, 1, 3))})
    for name in IMAGES[:2]:
        overwrite_sides(folder / name, 0, 0, 0)
    overwrite_sides(folder / MASKS[2], 1, -1, float("nan"))
    code, rows = check(folder, capfd)
    assert code == 0
    assert errors(rows, "warning") == sorted([*IMAGES[:2], MASKS[2]])
    said = one(rows, IMAGES[0])["message"]
    assert said == (
        "voxel sides of 0 x 0 x 0 mm in its header (pixdim); 1 x 1 x 3 mm of its sform are used"
    )
    assert "1 x -1 x nan mm" in one(rows, MASKS[2])["message"]
    assert read_scan(folder / IMAGES[0]).spacing_mm == (1, 1, 3)


def test_zero_sides_without_sform_become_1_mm(tmp_path: Path, capfd: Capture) -> None:
    folder = write_set(tmp_path, {"qform": moved()})
    for name in (*IMAGES, *MASKS):
        overwrite_sides(folder / name, 1, 1, 0)
    code, rows = check(folder, capfd)
    assert code == 0
    assert errors(rows, "warning") == [*IMAGES, *MASKS]
    assert one(rows, IMAGES[0])["message"].endswith("1 x 1 x 1 mm instead are used")


def overwrite_sides(path: Path, *sides: float, units: int = 2) -> None:
    """Write voxel sides into the bytes of a header, which nibabel would not do."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[80:92] = np.array(sides, "<f4").tobytes()
    content[123] = units
    path.write_bytes(gzip.compress(bytes(content)))


def test_a_fourth_axis_of_one_and_nifti_2_change_nothing(tmp_path: Path, capfd: Capture) -> None:
    folder = write_set(tmp_path, labels=drawn()[..., None])
    write_volume(folder / MASKS[1], drawn(), moved(), kind=nibabel.Nifti2Image)
    code, rows = check(folder, capfd)
    assert (code, list(rows)) == (0, [""])
    np.testing.assert_array_equal(labels_of(folder), drawn())


@pytest.mark.parametrize(("units", "factor", "word"), [(1, 1e-3, "metres"), (3, 1e3, "micro")])
def test_other_units_of_length_are_converted(
    tmp_path: Path, capfd: Capture, units: int, factor: float, word: str
) -> None:
    sides = (2 * factor, factor, factor)
    folder = write_set(
        tmp_path, {"sform": moved(sides=sides), "units": units}, {"sform": moved(sides=(2, 1, 1))}
    )
    code, rows = check(folder, capfd)
    assert code == 0
    assert errors(rows, "warning") == []
    assert word in one(rows, IMAGES[0])["message"]
    assert read_header([folder / IMAGES[0]]).spacing_mm == pytest.approx((2, 1, 1))
    np.testing.assert_array_equal(labels_of(folder), drawn())


def test_qform_alone_and_sform_alone_agree(tmp_path: Path, capfd: Capture) -> None:
    mirrored = moved(4, 5, 6, sides=(-0.9, 0.9, 2))
    folder = write_set(tmp_path, {"sform": mirrored}, {"qform": mirrored})
    code, rows = check(folder, capfd)
    assert (code, list(rows)) == (0, [""])
    np.testing.assert_array_equal(labels_of(folder), drawn())


def test_a_shear_in_the_sform_is_told_and_does_not_hinder(tmp_path: Path, capfd: Capture) -> None:
    sheared = moved()
    sheared[0, 2] = 0.3
    folder = write_set(tmp_path, {"sform": sheared, "qform": moved()})
    code, rows = check(folder, capfd)
    assert code == 0
    assert errors(rows, "warning") == [*IMAGES, *MASKS]
    both = [row["message"] for row in rows[IMAGES[0]]]
    assert any("disagree by 2.7 mm" in said for said in both)
    assert any("sheared: two axes of its voxels are 17 degrees off" in said for said in both)
    np.testing.assert_array_equal(labels_of(folder), drawn())


def test_a_broken_quaternion_beside_a_good_sform_is_no_matter(
    tmp_path: Path, capfd: Capture
) -> None:
    folder = write_set(tmp_path, {"sform": moved(), "qform": moved()})
    path = folder / IMAGES[0]
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[256:268] = np.array([2, 2, 2], "<f4").tobytes()
    path.write_bytes(gzip.compress(bytes(content)))
    code, rows = check(folder, capfd)
    assert (code, list(rows)) == (0, [""])
