"""Series as they come from scanners: each read right, or refused with the place of the fault."""

import numpy as np
import odd_series as odd
import pytest
from odd_series import STORED, make_series, renewed, true_affine, write_series
from pydicom.dataset import Dataset

from ecs_med.data.readers.dicom.geometry import ResamplableError
from ecs_med.data.readers.dicom.reader import DicomReader
from ecs_med.data.readers.dicom.series import find_series
from ecs_med.errors import UnreadableFileError

READER = DicomReader()
HU = STORED.astype(np.int64) - 1000


def changed(datasets, **lists):
    """Slices with an element each from lists; `None` takes it away."""
    for keyword, values in lists.items():
        for dataset, value in zip(datasets, values, strict=True):
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
    return datasets


def at_heights(heights):
    return changed(make_series(), ImagePositionPatient=[[-10, -20, z] for z in heights])


def jitter(mm):
    return 30 + 2.5 * np.arange(12) + mm * (-1.0) ** np.arange(12)


def padded():
    stored = np.where(STORED > 20, np.int16(-2000), STORED)
    return make_series(stored=stored, PixelPaddingValue=-2000)


def nudged():
    datasets = make_series()
    datasets[3].ImageOrientationPatient = [1, 0, 0, 0, 1, 0.0001]
    return datasets


RIGHT = {
    "plain": (make_series(), HU, true_affine()),
    "numbered backwards": (
        changed(make_series(), InstanceNumber=range(12, 0, -1)), HU, true_affine(),
    ),
    "sagittal": (
        make_series((0, 1, 0, 0, 0, -1)), HU, true_affine((0, 1, 0, 0, 0, -1)),
    ),
    "coronal": (make_series((1, 0, 0, 0, 0, -1)), HU, true_affine((1, 0, 0, 0, 0, -1))),
    "oblique": (make_series(odd.OBLIQUE), HU, true_affine(odd.OBLIQUE)),
    "prone": (make_series((-1, 0, 0, 0, -1, 0)), HU, true_affine((-1, 0, 0, 0, -1, 0))),
    "first missing": (make_series()[1:], HU[1:], true_affine(origin=(-10, -20, 32.5))),
    "two acquisitions": (
        changed(make_series(), AcquisitionNumber=[1] * 6 + [2] * 6), HU, true_affine(),
    ),
    "1 um off": (at_heights(jitter(0.001)), HU, true_affine(
        step=(0, 0, 2.5 - 0.002 / 11), origin=(-10, -20, 30.001))),
    "50 um off": (at_heights(jitter(0.05)), HU, true_affine(
        step=(0, 0, 2.5 - 0.1 / 11), origin=(-10, -20, 30.05))),
    "rounded direction": (nudged(), HU, true_affine()),
    "a slope each": (
        changed(make_series(), RescaleSlope=[1 + i / 10 for i in range(12)]),
        STORED * (1 + np.arange(12) / 10)[:, None, None] - 1000, true_affine(),
    ),
    "shown dark": (
        make_series(PhotometricInterpretation="MONOCHROME1"),
        int(STORED.min()) + int(STORED.max()) - STORED.astype(int) - 1000, true_affine(),
    ),
    "padding": (
        padded(), np.where(STORED > 20, STORED.min().astype(int), STORED) - 1000, true_affine(),
    ),
    "a copy": (
        [*(s := make_series()), renewed(s[4])], HU, true_affine(),
    ),
    "the same file twice": ([*(s := make_series()), s[4]], HU, true_affine()),
    "all twice": ([*(s := make_series()), *s], HU, true_affine()),
    "single": (make_series(stored=STORED[:1]), HU[:1], true_affine(step=(0, 0, 5))),
    "single, distance known": (
        make_series(stored=STORED[:1], SpacingBetweenSlices=3), HU[:1], true_affine(step=(0, 0, 3)),
    ),
    "beyond 16 bits": (
        make_series(stored=STORED.astype(np.int32).clip(0).astype(np.uint16) + 60000),
        STORED.astype(int).clip(0) + 59000, true_affine(),
    ),
    "12 bits of 16, rubbish above": (
        make_series(stored=(STORED & 0xFFF).astype(np.uint16) | 0x5000, BitsStored=12, HighBit=11),
        (STORED & 0xFFF).astype(int) - 1000, true_affine(),
    ),
    "12 bits with a sign": (
        make_series(stored=STORED & 0xFFF, BitsStored=12, HighBit=11),
        ((STORED.astype(int) + 2048) & 0xFFF) - 3048, true_affine(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_read_right(tmp_path, name):
    datasets, values, affine = RIGHT[name]
    paths = write_series(tmp_path, datasets)
    (series,) = find_series(paths).series
    assert series.files == tuple(sorted(paths))
    header, scan = READER.header(series.files), READER.read(series.files)
    assert header.shape == scan.array.shape[1:] == values.shape[::-1]
    assert series.size == header.shape
    assert np.abs(header.affine - affine).max() < 1e-6
    assert np.array_equal(scan.affine, header.affine)
    assert np.abs(scan.array[0].transpose(2, 1, 0) - values).max() <= 1e-7 * np.abs(values).max()
    fits = values.min() >= -(2**15) and values.max() < 2**15 and values.dtype.kind == "i"
    assert scan.array.dtype == (np.int16 if fits else np.float32)


REFUSED = {
    "one missing": (
        (s := make_series())[:5] + s[6:], ResamplableError, (4, 5),
        ("40.00 mm", "45.00 mm", "5 mm apart", "2.5 mm are usual", "1 slice were missing"),
    ),
    "two missing": (
        (s := make_series())[:5] + s[7:], ResamplableError, (4, 5), ("2 slices were missing",),
    ),
    "spacing changes": (
        at_heights([30 + 2.5 * i for i in range(8)] + [52.5, 57.5, 62.5, 67.5]), ResamplableError,
        (7, 8), ("47.50 mm", "52.50 mm"),
    ),
    "tilt": (
        make_series((1, 0, 0, 0, np.cos(odd.TILT), np.sin(odd.TILT)), (0, 0, 2.5)),
        ResamplableError, (0, 11), ("20.0 degrees", "9.4 mm aside"),
    ),
    "shifted aside": (
        changed(make_series(), ImagePositionPatient=[
            [-10 + 0.4 * (i == 6), -20, 30 + 2.5 * i] for i in range(12)]),
        ResamplableError, (6,), ("0.4 mm beside",),
    ),
    "other pixels in one place": (
        [*(s := make_series()), renewed(s[4], PixelData=(STORED[4] + 7).tobytes())],
        UnreadableFileError, (4, 12), ("(-10.00, -20.00, 40.00) mm", "other pixels"),
    ),
    "other scaling in one place": (
        [*(s := make_series()), renewed(s[4], RescaleIntercept=-1024)], UnreadableFileError,
        (4, 12), ("other pixels",),
    ),
    "no position": (
        changed(make_series(), ImagePositionPatient=[None] * 12), UnreadableFileError, (),
        ("no ImagePositionPatient",),
    ),
    "no orientation": (
        changed(make_series(), ImageOrientationPatient=[None] * 12), UnreadableFileError, (),
        ("no ImageOrientationPatient",),
    ),
    "no spacing, but on the detector": (
        changed(make_series(ImagerPixelSpacing=[0.8, 0.7]), PixelSpacing=[None] * 12),
        UnreadableFileError, (), ("no PixelSpacing",),
    ),
    "pixels of two sizes": (
        changed(make_series(), PixelSpacing=[[0.8, 0.7]] * 11 + [[0.8, 0.9]]),
        UnreadableFileError, (), ("pixels of another size",),
    ),
    "no size": (
        make_series(PixelSpacing=[0, 0.7]), UnreadableFileError, (), ("pixels of no size",),
    ),
    "no directions": (
        make_series(ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), UnreadableFileError, (),
        ("no pair of perpendicular directions",),
    ),
    "a table of values": (
        make_series(ModalityLUTSequence=[Dataset()]), UnreadableFileError, (),
        ("by a table (ModalityLUTSequence)",),
    ),
    "values in high bits": (
        make_series(BitsStored=12, HighBit=15), UnreadableFileError, (), ("the lowest bits",),
    ),
    "a mosaic": (
        make_series(ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"]), UnreadableFileError, (),
        ("is a mosaic", "dcm2niix"),
    ),
    "no slope": (make_series(RescaleSlope=0), UnreadableFileError, (), ("RescaleSlope of 0",)),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_its_place(tmp_path, name):
    datasets, kind, named, words = REFUSED[name]
    paths = write_series(tmp_path, datasets)
    (series,) = find_series(paths).series
    with pytest.raises(kind) as caught:
        READER.read(series.files)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.count(f"{tmp_path}") == 1
    for path in [paths[index] for index in named]:
        assert path.name in sentence
    for part in words:
        assert part in sentence
    assert not any(word in sentence for word in ("SENTINEL", *map(str, uids_of(datasets))))
    assert type(caught.value) is kind
    with pytest.raises(kind):
        READER.header(series.files)


def uids_of(datasets):
    return {element.value for dataset in datasets for element in dataset if element.VR == "UI"}


def test_values_that_are_no_numbers_are_not_quoted(tmp_path):
    datasets = make_series(stored=STORED[:1])
    (path,) = write_series(tmp_path, datasets)
    path.write_bytes(path.read_bytes().replace(b"-10.0\\-20.0", b"SENTI\\NEL.0"))
    ((where, error),) = find_series([path]).unreadable
    assert where == path
    assert "SENTI" not in str(error)


@pytest.mark.parametrize("written", [b"-1.e300\\-1", b"-1    \\nan "])
def test_positions_beyond_sense(tmp_path, written):
    (path,) = write_series(tmp_path, make_series(stored=STORED[:1]))
    content = path.read_bytes()
    assert content.count(b"-10.0\\-20.0") == 1
    path.write_bytes(content.replace(b"-10.0\\-20.0", written.ljust(11)))
    ((_, error),) = find_series([path]).unreadable
    assert "ImagePositionPatient" in str(error) or "(0020,0032)" in str(error)


def test_no_words_in_notes_of_plain_series(tmp_path):
    assert READER.header_problems(write_series(tmp_path, make_series())) == ()


@pytest.mark.parametrize(
    ("name", "severity", "words"),
    [
        ("a copy", "warning", "is a copy of"),
        ("single", "note", "its thickness of 5 mm stands for a spacing"),
        ("50 um off", "note", "up to 0.091 mm off an even grid"),
        ("padding", "note", "padding"),
        ("shown dark", "note", "MONOCHROME1"),
    ],
)
def test_what_is_odd_is_told(tmp_path, name, severity, words):
    (problem,) = READER.header_problems(write_series(tmp_path, RIGHT[name][0]))
    assert (problem.severity, words in problem.message) == (severity, True)
    assert problem.path.parent == tmp_path


def test_single_slice_of_unknown_thickness(tmp_path):
    datasets = changed(make_series(stored=STORED[:1]), SliceThickness=[None])
    paths = write_series(tmp_path, datasets)
    assert READER.header(paths).spacing_mm == pytest.approx((0.7, 0.8, 1))
    assert "1 mm is taken" in READER.header_problems(paths)[0].message


def test_volume_of_nothing_but_padding(tmp_path):
    datasets = make_series(stored=np.full_like(STORED, -2000), PixelPaddingValue=-2000)
    assert (READER.read(write_series(tmp_path, datasets)).array == 0).all()


def test_range_of_padding(tmp_path):
    datasets = make_series(PixelPaddingValue=-32768, PixelPaddingRangeLimit=-5)
    array = READER.read(write_series(tmp_path, datasets)).array[0].transpose(2, 1, 0)
    low = STORED[STORED > -5].min()
    assert np.array_equal(array, np.where(STORED > -5, STORED, low).astype(int) - 1000)


def test_files_of_two_series_are_no_volume(tmp_path):
    paths = [
        *write_series(tmp_path / "a", make_series(stored=STORED[:6])),
        *write_series(tmp_path / "b", make_series(stored=STORED[6:], origin=(-10, -20, 45))),
    ]
    with pytest.raises(UnreadableFileError, match="is of another series than"):
        READER.read(paths)


def test_files_of_two_frames_of_reference_are_no_volume(tmp_path):
    datasets = make_series()
    datasets[-1].FrameOfReferenceUID = "1.2.3"
    with pytest.raises(UnreadableFileError, match="in another frame of reference than"):
        READER.read(write_series(tmp_path, datasets))


def test_volume_has_no_frames(tmp_path):
    with pytest.raises(UnreadableFileError, match="no frames"):
        READER.read(write_series(tmp_path, make_series()), 0)


def test_pixels_that_are_three_times_too_many(tmp_path):
    paths = write_series(tmp_path, make_series(stored=np.repeat(STORED[:1], 3, 1), Rows=odd.ROWS))
    with pytest.raises(UnreadableFileError):
        READER.read(paths)
