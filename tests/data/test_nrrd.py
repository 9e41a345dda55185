"""NRRD and MetaImage: voxels and places as ITK and nibabel have them, headers not believed."""

import gzip
from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.orientations import apply_orientation, inv_ornt_aff

from ecs_med.data.readers import read_header, read_scan, reader_of
from ecs_med.data.readers.scans import ResultMeaning
from ecs_med.errors import UnreadableFileError

sitk = pytest.importorskip("SimpleITK")

RNG = np.random.default_rng(0)
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
SHAPE = (5, 6, 7)
ANGLE = 0.3
OBLIQUE = np.array(
    [
        [0.7 * np.cos(ANGLE), -0.9 * np.sin(ANGLE), 0.0, -10.123456789],
        [0.7 * np.sin(ANGLE), 0.9 * np.cos(ANGLE), 0.0, 20.5],
        [0.0, 0.0, 2.5, -30.25],
        [0.0, 0.0, 0.0, 1.0],
    ]
)
ENDINGS = [".nrrd", ".nhdr", ".mha", ".mhd"]


def write(
    path: Path, values: np.ndarray, affine: np.ndarray = OBLIQUE, packed: bool = True
) -> Path:
    """Through ITK, `(X, Y, Z)` or `(X, Y, Z, C)`."""
    several = values.ndim == 4
    order = (2, 1, 0, 3) if several else (2, 1, 0)
    image = sitk.GetImageFromArray(values.transpose(order), isVector=several)
    lps = LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    sitk.WriteImage(image, str(path), packed)
    return path


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("kind", [np.int16, np.uint8, np.float32])
@pytest.mark.parametrize("ending", ENDINGS)
def test_volumes_are_those_of_nifti(tmp_path: Path, ending: str, kind: type, packed: bool) -> None:
    values = RNG.integers(0, 100, SHAPE).astype(kind)
    path = write(tmp_path / f"a{ending}", values, packed=packed)
    nibabel.save(nibabel.Nifti1Image(values, OBLIQUE), tmp_path / "a.nii.gz")
    scan, header = read_scan(path), read_header([path])
    other = read_scan(tmp_path / "a.nii.gz")
    assert scan.array.dtype == other.array.dtype == kind
    np.testing.assert_array_equal(scan.array, other.array)
    np.testing.assert_allclose(scan.affine, OBLIQUE, atol=1e-9)
    np.testing.assert_array_equal(scan.affine, header.affine)
    assert header.shape == SHAPE
    assert header.has_position
    stored = reader_of([path]).read_stored_labels(path)
    np.testing.assert_array_equal(stored.values, values)


def test_48_orientations_lie_where_those_of_nifti_do(tmp_path: Path) -> None:
    values = RNG.integers(0, 100, SHAPE).astype(np.int16)
    canonical = nibabel.Nifti1Image(values, np.diag([1.0, 2.0, 3.0, 1.0]))
    for number, (axes, flips) in enumerate(
        product(permutations(range(3)), product((1, -1), repeat=3))
    ):
        way = np.array(list(zip(axes, flips, strict=True)))
        turned = apply_orientation(values, way)
        affine = canonical.affine @ inv_ornt_aff(way, values.shape)
        scan = read_scan(write(tmp_path / f"{number}.nrrd", turned, affine))
        assert scan.affine is not None
        np.testing.assert_allclose(scan.affine, affine, atol=1e-9)
        back = nibabel.as_closest_canonical(nibabel.Nifti1Image(scan.array[0], scan.affine))
        np.testing.assert_array_equal(np.asarray(back.dataobj), values)
        np.testing.assert_allclose(back.affine, canonical.affine, atol=1e-9)


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("left-posterior-superior", (-1, -1, 1)),
        ("right-anterior-superior", (1, 1, 1)),
        ("left-anterior-superior", (-1, 1, 1)),
        ("RAS", (1, 1, 1)),
    ],
)
def test_every_space_becomes_ras(tmp_path: Path, space: str, signs: tuple[int, ...]) -> None:
    path = tmp_path / "a.nrrd"
    path.write_bytes(
        f"NRRD0004\ntype: uint8\ndimension: 3\nspace: {space}\nsizes: 2 1 1\n"
        "space directions: (1,0.5,0) (-0.5,1,0) (0,0,3)\nencoding: raw\n"
        "space origin: (10,20,30)\n\n".encode()
        + bytes([1, 2])
    )
    said = np.array([[1, -0.5, 0, 10], [0.5, 1, 0, 20], [0, 0, 3, 30], [0, 0, 0, 1]])
    np.testing.assert_allclose(read_scan(path).affine, np.diag([*signs, 1]) @ said, atol=1e-12)


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
def test_values_of_a_vector_are_channels(tmp_path: Path, ending: str) -> None:
    values = RNG.normal(size=(*SHAPE, 2)).astype(np.float32)
    path = write(tmp_path / f"a{ending}", values)
    assert read_header([path]).num_channels == 2
    np.testing.assert_array_equal(read_scan(path).array, np.moveaxis(values, -1, 0))


def test_a_file_without_directions_has_no_position(tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    path.write_bytes(b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 1 1\nencoding: raw\n\n\1\2")
    assert not read_header([path]).has_position
    assert read_scan(path).array.ravel().tolist() == [1, 2]


@pytest.mark.parametrize("kind", ["list", "vector", "RGB-color"])
def test_an_axis_that_is_not_in_space_holds_channels_first_or_last(
    tmp_path: Path, kind: str
) -> None:
    values = RNG.integers(0, 200, (3, *SHAPE)).astype(np.uint8)
    first = FOUR_AXES.replace("2 2 2 1", "3 5 6 7").replace("domain domain domain time", "{} {}")
    first, last = first.format(kind, "domain " * 3), first.format("domain " * 3, kind)
    last = last.replace("3 5 6 7", "5 6 7 3")
    for header, stored in ((first, values), (last, np.moveaxis(values, 0, -1))):
        path = tmp_path / "a.nrrd"
        path.write_bytes(header.encode() + b"\n" + stored.tobytes(order="F"))
        assert read_header([path]).num_channels == 3
        np.testing.assert_array_equal(read_scan(path).array, values)


@pytest.mark.parametrize(
    "space", ["space: scanner-xyz", "space: 3D-right-handed", "space dimension: 3"]
)
def test_a_space_that_is_not_the_body_is_no_position(tmp_path: Path, space: str) -> None:
    path = tmp_path / "a.nrrd"
    lines = NRRD.replace("space: left-posterior-superior", space).replace("(1,0,0)", "(0,2,0)")
    lines = lines.replace("(0,1,0)", "(1,0,0)").replace("(0,0,0)", "(7,8,9)")
    path.write_bytes(lines.encode() + b"\n" + bytes(8))
    header = read_header([path])
    said = [[0, 1, 0, 7], [2, 0, 0, 8], [0, 0, 1, 9], [0, 0, 0, 1]]
    np.testing.assert_array_equal(header.affine, said)
    assert not header.has_position
    result = tmp_path / "b.nrrd"
    reader_of([path]).write_labels(result, np.zeros((2, 2, 2), int), [path])
    np.testing.assert_array_equal(read_header([result]).affine, said)
    assert not read_header([result]).has_position


@pytest.mark.parametrize(
    "more",
    [
        "",
        "AnatomicalOrientation = LPS\n",
        "AnatomicalOrientation = RAS\nOffset = 1 2 3\n",
        "ElementSize = 2 3 4\nCenterOfRotation = 9 9 9\nOffset = 1 2 3\n",
        "ElementSize = 9 9 9\nElementSpacing = 2 3 4\nPosition = 1 2 3\n",
        "TransformMatrix = 0 1 0 -0.8 0 0.6 0.6 0 0.8\nElementSpacing = 2 3 4\nOrigin = 1 2 3\n",
        "  Rotation : 0 -1 0 1 0 0 0 0 1\n",
    ],
)
def test_metaimage_lies_where_itk_puts_it(tmp_path: Path, more: str) -> None:
    path = tmp_path / "a.mha"
    path.write_bytes(f"{META}{more}ElementDataFile = LOCAL\n".encode() + bytes(range(8)))
    image = sitk.ReadImage(str(path))
    said = np.eye(4)
    said[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    said[:3, 3] = image.GetOrigin()
    scan = read_scan(path)
    assert scan.affine is not None
    np.testing.assert_allclose(LPS @ scan.affine if scan.has_position else scan.affine, said)
    assert scan.has_position == any(name in more for name in ("Matrix", "Off", "Pos", "Rotation"))
    stored = sitk.GetArrayFromImage(image).transpose(2, 1, 0)
    np.testing.assert_array_equal(scan.array[0], stored)


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
def test_one_slice_is_a_volume_of_one_layer(tmp_path: Path, ending: str) -> None:
    values = RNG.integers(0, 99, (6, 5)).astype(np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(values), str(tmp_path / f"a{ending}"))
    scan = read_scan(tmp_path / f"a{ending}")
    np.testing.assert_array_equal(scan.array, values.T[None, ..., None])
    assert not scan.has_position


@pytest.mark.parametrize("stored", [">i2", "<u2", ">f4", "<f8", ">i8", "<u4"])
@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_numbers_of_every_order_of_bytes(tmp_path: Path, ending: str, stored: str) -> None:
    values = RNG.integers(0, 1000, (2, 2, 2)).astype(stored)
    big = stored[0] == ">"
    if ending == "nrrd":
        kind = {"i": "int", "u": "uint"}.get(stored[1], "")
        kind = (
            f"{kind}{8 * values.itemsize}" if kind else {4: "float", 8: "double"}[values.itemsize]
        )
        header = NRRD.replace("uint8", kind) + f"endian: {'big' if big else 'little'}\n\n"
    else:
        kinds = {"i2": "SHORT", "u2": "USHORT", "f4": "FLOAT", "f8": "DOUBLE", "i8": "LONG_LONG"}
        header = META.replace("UCHAR", {**kinds, "u4": "UINT"}[stored[1:]])
        header += f"BinaryDataByteOrderMSB = {big}\nElementDataFile = LOCAL\n"
    path = tmp_path / f"a.{ending}"
    path.write_bytes(header.encode() + values.tobytes(order="F"))
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.array[0], values)
    np.testing.assert_array_equal(
        scan.array[0], sitk.GetArrayFromImage(sitk.ReadImage(str(path))).transpose(2, 1, 0)
    )
    exact = scan.array.dtype.kind in "iu" and scan.array.dtype.itemsize <= 4
    assert exact or scan.array.dtype == np.float32


def test_what_is_deflated_must_be_whole_and_as_long_as_it_says(tmp_path: Path) -> None:
    path, header = tmp_path / "a.nrrd", NRRD.replace("raw", "gzip").encode() + b"\n"
    whole = bytes(range(8))
    for packed in (gzip.compress(whole), gzip.compress(whole[:3]) + gzip.compress(whole[3:])):
        path.write_bytes(header + packed)
        assert read_scan(path).array.ravel(order="F").tolist() == [*whole]
    damaged = bytearray(gzip.compress(whole))
    damaged[-6] ^= 1
    wrong = [bytes(damaged), gzip.compress(whole[:7]), gzip.compress(bytes(9))]
    wrong += [gzip.compress(whole)[:-1], gzip.compress(bytes(10**7))]
    for packed in wrong:
        path.write_bytes(header + packed)
        with pytest.raises(UnreadableFileError, match=r"damaged or truncated|more or fewer"):
            read_scan(path)


def test_voxels_may_end_where_their_file_ends(tmp_path: Path) -> None:
    (tmp_path / "b.raw").write_bytes(b"some header" + bytes(range(8)))
    (tmp_path / "a.nhdr").write_text(NRRD + "byte skip: -1\ndata file: b.raw\n")
    (tmp_path / "a.mhd").write_text(META + "HeaderSize = -1\nElementDataFile = b.raw\n")
    (tmp_path / "b.mhd").write_text(META + "HeaderSize = 11\nElementDataFile = b.raw\n")
    for name in ("a.nhdr", "a.mhd", "b.mhd"):
        assert read_scan(tmp_path / name).array.ravel(order="F").tolist() == [*range(8)]
        assert reader_of([tmp_path / name]).companions([tmp_path / name]) == (tmp_path / "b.raw",)


def test_results_are_exact_and_named(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros(SHAPE, np.int16), OBLIQUE), tmp_path / "a.nii.gz")
    like = [tmp_path / "a.nii.gz"]
    affine = read_header(like).affine
    labels = RNG.integers(0, 3, SHAPE)
    meaning = ResultMeaning({0: "background", 1: "liver", 2: "tumour"})
    writer = reader_of([Path("x.nrrd")])
    for name in ("b.nrrd", "c.nrrd"):
        writer.write_labels(tmp_path / name, labels, like, meaning)
    assert (tmp_path / "b.nrrd").read_bytes() == (tmp_path / "c.nrrd").read_bytes()
    image = sitk.ReadImage(str(tmp_path / "b.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image).transpose(2, 1, 0), labels)
    assert image.GetMetaData("Segment1_Name") == "tumour"
    assert image.GetMetaData("Segment1_LabelValue") == "2"
    scan = read_scan(tmp_path / "b.nrrd")
    assert scan.array.dtype == np.uint8
    np.testing.assert_allclose(scan.affine, affine, rtol=0, atol=1e-12)
    writer.write_labels(tmp_path / "b.nrrd", labels * 300, like)
    assert read_scan(tmp_path / "b.nrrd").array.max() == 600
    writer.write_map(tmp_path / "b.nrrd", labels / 7, like)
    np.testing.assert_array_equal(
        read_scan(tmp_path / "b.nrrd").array[0], (labels / 7).astype(np.float32)
    )


NRRD = (
    "NRRD0004\ntype: uint8\ndimension: 3\nspace: left-posterior-superior\nsizes: 2 2 2\n"
    "space directions: (1,0,0) (0,1,0) (0,0,1)\nkinds: domain domain domain\nencoding: raw\n"
    "space origin: (0,0,0)\n"
)
FOUR_AXES = (
    "NRRD0004\ntype: uint8\ndimension: 4\nsizes: 2 2 2 1\nkinds: domain domain domain time\n"
    "encoding: raw\n"
)
META = (
    "ObjectType = Image\nNDims = 3\nBinaryData = True\nDimSize = 2 2 2\nElementType = MET_UCHAR\n"
)


@pytest.mark.parametrize(
    ("name", "header", "said"),
    [
        ("a.nrrd", NRRD.replace("2 2 2", "2 2 9"), "needs 36 bytes of voxels"),
        ("a.nrrd", NRRD.replace("2 2 2", "9999 9999 9999"), "values, and .* are read at most"),
        ("a.nrrd", NRRD.replace("2 2 2", "2 2 x"), "no whole numbers"),
        (
            "a.nrrd",
            FOUR_AXES,
            "has 4 axes, where a volume",
        ),
        ("a.nrrd", NRRD.replace("dimension: 3", "dimension: 2"), "another number of sizes"),
        ("a.nrrd", NRRD.replace("uint8", "block"), "of a type that is not read"),
        ("a.nrrd", NRRD.replace("raw", "hex"), "neither raw nor by gzip"),
        ("a.nrrd", NRRD.replace("NRRD", "NERD"), "is no NRRD file"),
        ("a.nrrd", NRRD.replace("(0,1,0)", "(1,0,0)"), "span no space|damaged"),
        ("a.nhdr", NRRD + "data file: ../b.raw\n", "does not lie beside it"),
        ("a.nhdr", NRRD + "data file: /etc/passwd\n", "does not lie beside it"),
        ("a.nhdr", NRRD + "data file: LIST\n", "in several files"),
        ("a.nhdr", NRRD + "data file: b%02d.raw 1 2 1\n", "in several files"),
        ("a.nhdr", NRRD + "data file: b.raw\n", "cannot be read"),
        ("a.nhdr", NRRD + "data file: ../b.raw\ndata file:=b.raw\n", "does not lie beside it"),
        ("a.nhdr", NRRD + "data file: ../b.raw\ndata file: b.raw\n", "says something twice"),
        ("a.nhdr", NRRD + "data file: b.raw\nDATAFILE: ../b.raw\n", "says something twice"),
        ("a.nrrd", NRRD + "byte skip: 999999999\n", "needs 8 bytes of voxels"),
        ("a.nrrd", NRRD + "line skip: 1\n", "to be skipped"),
        ("a.nrrd", NRRD.replace("uint8", "int16"), "the order of bytes"),
        ("a.nrrd", NRRD.replace("2 2 2", "2 2 1"), "needs 4 bytes .* its data holds 8"),
        ("a.nrrd", NRRD.replace("raw", "gzip"), "damaged or truncated"),
        ("a.nrrd", NRRD.replace("(0,1,0)", "none"), "read in two ways"),
        ("a.nrrd", NRRD.replace("(0,1,0)", "(0,nan,0)"), "that is no numbers"),
        ("a.nrrd", NRRD + 'space units: "m" "m" "m"\n', "other units than mm"),
        ("a.nrrd", FOUR_AXES.replace("time", "list").replace(" 1\n", " 2000\n"), "2,000 values a"),
        ("a.mhd", META + "ElementDataFile = ../b.raw\n", "does not lie beside it"),
        ("a.mhd", META + "ElementDataFile = b.raw\n", "cannot be read"),
        ("a.mhd", META + "ElementDataFile : ../b.raw\n", "does not lie beside it"),
        ("a.mhd", META + "  ElementDataFile = ../b.raw\n", "does not lie beside it"),
        ("a.mha", META + "DIMSIZE : 9 9 9\nElementDataFile = LOCAL\n", "says something twice"),
        ("a.mha", META + "Offset = 1 1 1\nPosition = 0 0 0\n", "says something twice"),
        ("a.mha", META + "HeaderSize = 9\nElementDataFile = LOCAL\n", "to be skipped"),
        ("a.mha", META + "DistanceUnits = cm\nElementDataFile = LOCAL\n", "other units than mm"),
        (
            "a.mha",
            META + "ElementToIntensityFunctionSlope = 2\nElementDataFile = LOCAL\n",
            "scaled",
        ),
        (
            "a.mha",
            META + "ElementNumberOfChannels = 2000\nElementDataFile = LOCAL\n",
            "2,000 values",
        ),
        ("a.mha", META.replace("2 2 2", "2 2 9") + "ElementDataFile = LOCAL\n", "needs 36 bytes"),
        ("a.mha", META.replace("True", "False") + "ElementDataFile = LOCAL\n", "as text"),
        ("a.mha", META, "is no MetaImage file"),
    ],
)
def test_headers_are_not_believed(tmp_path: Path, name: str, header: str, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(header.encode() + b"\n" * name.endswith(("nrrd", "nhdr")) + bytes(8))
    with pytest.raises(UnreadableFileError, match=said) as raised:
        read_scan(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert str(raised.value).count(str(tmp_path)) == 1


def test_data_beside_a_header_belong_to_what_is_known_of_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mhd", np.zeros(SHAPE, np.uint8), packed=False)
    reader = reader_of([path])
    before = reader.fingerprint([path])
    (tmp_path / "a.raw").write_bytes(bytes(5 * 6 * 7))
    assert reader.fingerprint([path]) != before
    assert read_header([path]).shape == SHAPE
