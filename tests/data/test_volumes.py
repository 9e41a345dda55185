import gzip
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from ecs_med.data.checks.contents import array_digest, pixels_digest
from ecs_med.data.readers import Scan
from ecs_med.data.readers.grids import covered_share, grid_distance_mm, resample_labels
from ecs_med.data.readers.nifti import NiftiReader
from ecs_med.errors import EcsMedError, UnreadableFileError
from ecs_med.types import IGNORE_INDEX

DATA = Path("../shared/data").resolve()
READER = NiftiReader()
RNG = np.random.default_rng(0)
AFFINE = np.array(
    [[-0.7, 0.1, 0, 90], [0.05, 0.7, 0.2, -120], [0, -0.3, 2.5, 40], [0, 0, 0, 1]], np.float64
)


def saved(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


def read_volume(path: Path) -> tuple[np.ndarray, np.ndarray]:
    scan = READER.read([path])
    assert len(scan.array) == 1
    assert scan.affine is not None
    return scan.array[0], scan.affine


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        *((kind, kind) for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "f4")),
        (">i2", "i2"),
        (">f4", "f4"),
        ("f8", "f4"),
        ("i8", "f4"),
        ("u8", "f4"),
    ],
)
def test_voxels_and_affine_come_as_stored(
    tmp_path: Path, name: str, dtype: str, expected: str
) -> None:
    array = RNG.integers(0, 120, (4, 5, 6)).astype(dtype)
    image = nibabel.Nifti1Image(array, AFFINE, dtype=dtype)
    nibabel.save(image, tmp_path / name)
    values, affine = read_volume(tmp_path / name)
    assert values.dtype == np.dtype(expected)
    assert values.dtype.isnative
    assert values.flags.writeable
    np.testing.assert_array_equal(values, array)
    np.testing.assert_allclose(affine, AFFINE, atol=1e-4)


def test_scaling_of_the_file_is_applied(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.arange(8, dtype=np.int16).reshape(2, 2, 2), AFFINE)
    image.header.set_slope_inter(2.0, -1024.0)
    nibabel.save(image, tmp_path / "a.nii.gz")
    stored = nibabel.load(tmp_path / "a.nii.gz").get_fdata()
    values, _ = read_volume(tmp_path / "a.nii.gz")
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, stored)


@pytest.mark.parametrize("scaling", [(2.0, -1024.0), (0.1, 0.3), (1.0, -7.0), (3.7e-3, 0.0)])
@pytest.mark.parametrize("kind", ["i2", "u1", "i4", "f4", "f8", ">i2"])
def test_scaling_slice_by_slice_is_that_of_the_whole(
    tmp_path: Path, kind: str, scaling: tuple[float, float]
) -> None:
    array = RNG.integers(0, 120, (4, 5, 6, 2)).astype(kind)
    image = nibabel.Nifti1Image(array, AFFINE, dtype=kind)
    image.header.set_slope_inter(*scaling)
    # Written by hand, since nibabel divides by the slope.
    content = image.header.structarr.copy()
    content["scl_slope"], content["scl_inter"], content["vox_offset"] = *scaling, 352
    content["magic"] = b"n+1"
    path = tmp_path / "a.nii"
    path.write_bytes(content.tobytes() + bytes(4) + array.tobytes("F"))
    expected = np.asarray(nibabel.load(path).dataobj).astype(np.float32)
    found = READER.read([path]).array
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.moveaxis(expected, -1, 0))


def test_channels_of_several_files_share_a_type_that_holds_them(tmp_path: Path) -> None:
    values = RNG.integers(0, 120, (4, 5, 6))
    for kinds, expected in (("i2 i2", "i2"), ("u1 i2", "i2"), ("u4 i4", "f4"), ("i4 f4", "f4")):
        paths = [
            saved(tmp_path / f"{number}.nii", values.astype(kind) + number)
            for number, kind in enumerate(kinds.split())
        ]
        found = READER.read(paths).array
        assert found.dtype == np.dtype(expected)
        np.testing.assert_array_equal(found, [values, values + 1])


def test_the_fourth_axis_is_channels(tmp_path: Path) -> None:
    array = RNG.normal(size=(4, 5, 6, 2)).astype(np.float32)
    path = saved(tmp_path / "a.nii.gz", array)
    np.testing.assert_array_equal(READER.read([path]).array, np.moveaxis(array, -1, 0))
    header = READER.header([path])
    assert (header.shape, header.num_channels) == ((4, 5, 6), 2)
    with pytest.raises(UnreadableFileError, match="2 channels"):
        READER.read_stored_labels(path)
    with pytest.raises(UnreadableFileError, match="no frames"):
        READER.header([path], frame=0)
    assert read_volume(saved(tmp_path / "b.nii.gz", array[..., :1]))[0].shape == (4, 5, 6)
    vector = saved(tmp_path / "c.nii.gz", array[:, :, :, None])
    assert READER.read([vector]).array.shape == (2, 4, 5, 6)
    assert read_volume(saved(tmp_path / "d.nii.gz", array[..., 0, 0]))[0].shape == (4, 5, 1)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_truncated_file_is_refused_wherever_it_was_cut(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path / name, RNG.normal(size=(8, 8, 8)).astype(np.float32))
    whole = path.read_bytes()
    for keep in (0, 1, 40, 345, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:keep])
        with pytest.raises(UnreadableFileError) as caught:
            read_volume(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


def test_a_flipped_bit_in_a_compressed_file_is_noticed(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii.gz", RNG.integers(0, 9, (9, 9, 9)).astype(np.uint8))
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 4
    path.write_bytes(whole)
    with pytest.raises(UnreadableFileError, match="damaged"):
        read_volume(path)


def test_names_that_lie_about_compression(tmp_path: Path) -> None:
    plain = saved(tmp_path / "a.nii", np.zeros((2, 2, 2), np.uint8))
    packed = saved(tmp_path / "b.nii.gz", np.zeros((2, 2, 2), np.uint8))
    with pytest.raises(UnreadableFileError, match="not gzip-compressed"):
        read_volume(plain.rename(tmp_path / "c.nii.gz"))
    with pytest.raises(UnreadableFileError, match=r"is gzip-compressed.*name it \.nii\.gz"):
        read_volume(packed.rename(tmp_path / "d.nii"))
    (tmp_path / "text.nii").write_text("not a volume")
    with pytest.raises(UnreadableFileError, match="not a NIfTI"):
        read_volume(tmp_path / "text.nii")
    with pytest.raises(UnreadableFileError, match="no such file"):
        read_volume(tmp_path / "missing.nii.gz")


def test_a_header_that_claims_too_much_is_refused_before_memory_is_asked_for(
    tmp_path: Path,
) -> None:
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape((30_000, 30_000, 30_000))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    (tmp_path / "huge.nii.gz").write_bytes(gzip.compress(header.binaryblock + b"\0" * 4))
    with pytest.raises(UnreadableFileError, match="30000 x 30000 x 30000"):
        READER.header([tmp_path / "huge.nii.gz"])
    header.set_data_shape((900, 900, 900))
    (tmp_path / "large.nii.gz").write_bytes(gzip.compress(header.binaryblock + b"\0" * 4))
    with pytest.raises(UnreadableFileError, match="cannot hold"):
        read_volume(tmp_path / "large.nii.gz")


def test_kinds_of_voxels_that_are_no_real_number(tmp_path: Path) -> None:
    rgb = np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(UnreadableFileError, match="RGB colours"):
        read_volume(saved(tmp_path / "rgb.nii.gz", rgb))
    with pytest.raises(UnreadableFileError, match="complex"):
        read_volume(saved(tmp_path / "c.nii.gz", np.zeros((2, 2, 2), np.complex64)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_finite_are_counted(tmp_path: Path, value: float) -> None:
    array = np.zeros((3, 3, 3), np.float32)
    array[0, 0, :2] = value
    with pytest.raises(UnreadableFileError, match="2 of its 27 voxels are NaN or infinite"):
        read_volume(saved(tmp_path / "a.nii.gz", array))


@pytest.mark.parametrize("column", [[0, 0, 0], [np.nan, 0, 1], [1, 0, 0]])
def test_an_affine_that_cannot_be_inverted(tmp_path: Path, column: list[float]) -> None:
    image = nibabel.Nifti1Image(np.zeros((3, 3, 3), np.uint8), np.eye(4))
    for axis, row in enumerate(("srow_x", "srow_y", "srow_z")):
        image.header[row][2] = column[axis]
    path = tmp_path / "a.nii"
    path.write_bytes(image.header.binaryblock + b"\0" * 4 + bytes(27))
    content = bytearray(path.read_bytes())
    content[108:112] = np.float32(352).tobytes()
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match="affine"):
        read_volume(path)


@pytest.mark.parametrize(("sform", "qform"), [(1, 1), (2, 0), (0, 1), (0, 0), (4, 2)])
@pytest.mark.parametrize("name", ["out.nii", "out.nii.gz"])
def test_labels_are_written_on_exactly_the_grid(
    tmp_path: Path, name: str, sform: int, qform: int
) -> None:
    rotation = np.array([[0, -0.8, 0, 3.3], [1.1, 0, 0, -7.7], [0, 0, 2.6, 0.123], [0, 0, 0, 1]])
    image = nibabel.Nifti1Image(RNG.normal(size=(4, 5, 6)).astype(np.float32), rotation)
    image.header.set_sform(rotation, sform)
    image.header.set_qform(rotation, qform)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = b"Jane Doe"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"Jane Doe"))
    like = tmp_path / "like.nii.gz"
    image.to_filename(like)
    labels = RNG.integers(0, 5, (4, 5, 6))
    READER.write_labels(tmp_path / name, labels, [like])
    there, here = nibabel.load(like), nibabel.load(tmp_path / name)
    assert here.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(here.dataobj), labels)
    np.testing.assert_array_equal(here.affine, there.affine)
    for field in ("sform_code", "qform_code", "pixdim", "xyzt_units", "srow_x", "quatern_b"):
        if field != "pixdim":
            np.testing.assert_array_equal(here.header[field], there.header[field])
    assert here.header.get_zooms() == there.header.get_zooms()
    assert here.header["pixdim"][0] == there.header["pixdim"][0]
    assert b"Jane" not in (tmp_path / name).read_bytes()
    assert b"Jane" not in here.header.binaryblock
    assert not here.header.extensions
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_more_labels_take_int16_and_equal_labels_give_equal_bytes(tmp_path: Path) -> None:
    like = saved(tmp_path / "like.nii.gz", np.zeros((2, 3, 4, 2), np.int16))
    labels = np.full((2, 3, 4), 300)
    for name in ("a.nii.gz", "b.nii.gz"):
        READER.write_labels(tmp_path / name, labels, [like])
    assert nibabel.load(tmp_path / "a.nii.gz").get_data_dtype() == np.int16
    assert nibabel.load(tmp_path / "a.nii.gz").shape == (2, 3, 4)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    with pytest.raises(ValueError, match="does not fit"):
        READER.write_labels(tmp_path / "c.nii.gz", labels[:1], [like])
    with pytest.raises(ValueError, match=r"0\.\.32767"):
        READER.write_labels(tmp_path / "c.nii.gz", -labels, [like])
    assert not (tmp_path / "c.nii.gz").exists()


def test_scaling_of_the_reference_is_not_taken_over(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.int16), AFFINE)
    image.header.set_slope_inter(2.0, -1024.0)
    nibabel.save(image, tmp_path / "like.nii.gz")
    READER.write_labels(tmp_path / "a.nii", np.ones((2, 2, 2), int), [tmp_path / "like.nii.gz"])
    assert nibabel.load(tmp_path / "a.nii").get_fdata().tolist() == np.ones((2, 2, 2)).tolist()


def test_maps_are_float32(tmp_path: Path) -> None:
    like = saved(tmp_path / "like.nii.gz", np.zeros((2, 3, 4), np.int16))
    values = RNG.random((2, 3, 4))
    READER.write_map(tmp_path / "a.nii.gz", values, [like])
    image = nibabel.load(tmp_path / "a.nii.gz")
    assert image.get_data_dtype() == np.float32
    np.testing.assert_array_equal(np.asarray(image.dataobj), values.astype(np.float32))


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    like = saved(tmp_path / "like.nii.gz", np.zeros((2, 2, 2), np.int16))
    out = tmp_path / "out.nii.gz"
    out.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EcsMedError, match=r"out\.nii\.gz: cannot be written \(No space left"):
        READER.write_labels(out, np.ones((2, 2, 2), int), [like])
    assert out.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["like.nii.gz", "out.nii.gz"]
    with pytest.raises(EcsMedError, match="cannot be written"):
        READER.write_labels(tmp_path / "no" / "out.nii.gz", np.ones((2, 2, 2), int), [like])


def slow_resample(labels, affine, shape, reference):  # type: ignore[no-untyped-def]
    """Voxel by voxel, from the definition."""
    out = np.full(shape, IGNORE_INDEX, labels.dtype)
    for index in np.ndindex(*shape):
        world = reference @ np.array([*index, 1.0])
        source = np.floor((np.linalg.inv(affine) @ world)[:3] + 0.5).astype(int)
        if all(0 <= s < n for s, n in zip(source, labels.shape, strict=True)):
            out[index] = labels[tuple(source)]
    return out


def test_resampling_agrees_with_the_definition() -> None:
    labels = RNG.integers(0, 4, (6, 7, 5)).astype(np.uint8)
    reference = AFFINE.copy()
    reference[:3, :3] *= 0.83
    reference[:3, 3] += (0.31, -0.47, 1.7)
    moved = resample_labels(labels, AFFINE, (9, 8, 6), reference)
    np.testing.assert_array_equal(moved, slow_resample(labels, AFFINE, (9, 8, 6), reference))
    assert IGNORE_INDEX in moved
    assert (moved != IGNORE_INDEX).mean() == covered_share((6, 7, 5), AFFINE, (9, 8, 6), reference)


@pytest.mark.parametrize("flips", [(0,), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
def test_flips_and_permutations_are_exact(
    flips: tuple[int, ...], order: tuple[int, int, int]
) -> None:
    labels = RNG.integers(0, 4, (5, 6, 7)).astype(np.uint8)
    turned = np.flip(labels, flips).transpose(order)
    # nibabel's own orientation arithmetic gives the affine of the turned array.
    codes = np.array([[order.index(a), -1 if a in flips else 1] for a in range(3)], float)
    affine = AFFINE @ nibabel.orientations.inv_ornt_aff(codes, labels.shape)
    noise = affine + RNG.normal(size=(4, 4)) * 1e-7 * (np.arange(4) < 3)[:, None]
    np.testing.assert_array_equal(resample_labels(turned, noise, labels.shape, AFFINE), labels)


@pytest.mark.parametrize("shift", [(2, 0, -3), (-1, 4, 1), (5, 0, 0), (0, -9, 0)])
def test_shifts_by_whole_voxels_with_a_flip(shift: tuple[int, int, int]) -> None:
    labels = RNG.integers(0, 4, (5, 6, 7)).astype(np.uint8)
    flip = np.diag([-1.0, 1.0, -1.0, 1.0])
    flip[:3, 3] = shift
    reference = AFFINE @ flip
    moved = resample_labels(labels, AFFINE, (4, 8, 6), reference)
    np.testing.assert_array_equal(moved, slow_resample(labels, AFFINE, (4, 8, 6), reference))


def test_whole_numbers_that_are_no_turn() -> None:
    labels = RNG.integers(0, 4, (9, 6, 7)).astype(np.uint8)
    reference = AFFINE @ np.array([[2, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    moved = resample_labels(labels, AFFINE, (4, 6, 7), reference)
    np.testing.assert_array_equal(moved, labels[1::2])


def test_equal_grids_are_not_touched() -> None:
    labels = RNG.integers(0, 4, (5, 6, 7)).astype(np.uint8)
    assert resample_labels(labels, AFFINE, (5, 6, 7), AFFINE + 1e-6) is labels


def test_distance_is_that_of_the_farthest_corner() -> None:
    other = np.eye(4)
    other[0, 0] = 1.1
    assert grid_distance_mm(np.eye(4), other, (11, 3, 3)) == pytest.approx(1.0)


@pytest.mark.skipif(not DATA.exists(), reason="no ../shared/data")
@pytest.mark.parametrize("folder", ["ct", "hippocampus/imagesTr"])
def test_real_volumes_go_through(tmp_path: Path, folder: str) -> None:
    path = sorted((DATA / folder).glob("*.nii.gz"))[0]
    values, affine = read_volume(path)
    READER.write_labels(tmp_path / "a.nii.gz", (values > values.mean()).astype(int), [path])
    again, written = read_volume(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(written, affine)
    np.testing.assert_array_equal(again, values > values.mean())


def test_a_volume_has_one_digest_in_whatever_type_it_is_stored() -> None:
    values = RNG.integers(0, 120, (2, 40, 5, 6))
    digest = array_digest(values.astype(np.float32))
    for kind in ("u1", "i2", "i4", "f4"):
        for order in ("C", "F"):
            array = np.asarray(values, kind, order=order)
            assert pixels_digest(Scan(array, AFFINE, "volume")) == digest
    assert pixels_digest(Scan(values.astype("i2") + 1, AFFINE, "volume")) != digest
    picture = values[0, :, :, :3].astype(np.uint8).transpose(2, 0, 1)
    assert pixels_digest(Scan(picture, None, "picture")) == array_digest(picture)
