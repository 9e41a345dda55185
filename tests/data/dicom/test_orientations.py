"""One volume in every orientation that DICOM can express, and enhanced objects made of it."""

from itertools import permutations, product

import nibabel
import numpy as np
import pytest
from odd_series import make_series, true_affine, write_series
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage
from situations.inputs_space import random_model

import ecs_med
from ecs_med.data.readers.dicom.geometry import ResamplableError
from ecs_med.data.readers.dicom.reader import DicomReader
from ecs_med.data.readers.dicom.series import find_series
from ecs_med.errors import UnreadableFileError

READER = DicomReader()
VOLUME = np.random.default_rng(5).integers(-900, 900, (7, 6, 5)).astype(np.int16)
"""`(x, y, z)` along left, back and head in steps of 1 mm, from the origin."""

TURNS = [(axes, signs) for axes in permutations(range(3)) for signs in product((1, -1), repeat=3)]


def turned(axes, signs):
    """Orientation, step, origin and stored slices of the volume with its axes turned."""
    stored = VOLUME.transpose(axes)  # (column, row, slice)
    for axis, sign in enumerate(signs):
        stored = np.flip(stored, axis) if sign < 0 else stored
    directions = np.zeros((3, 3))
    origin = np.zeros(3)
    for axis, (along, sign) in enumerate(zip(axes, signs, strict=True)):
        directions[axis, along] = sign
        origin[along] = 0 if sign > 0 else VOLUME.shape[along] - 1
    return directions, origin, np.ascontiguousarray(stored.transpose(2, 1, 0))


@pytest.mark.parametrize(("axes", "signs"), TURNS)
def test_same_place_in_all_orientations(tmp_path, axes, signs):
    directions, origin, stored = turned(axes, signs)
    datasets = make_series(
        directions[:2].ravel(), directions[2], stored, origin, PixelSpacing=[1, 1],
        RescaleIntercept=0,
    )  # fmt: skip
    scan = READER.read(write_series(tmp_path, datasets, seed=sum(axes) + sum(signs)))
    image = nibabel.as_closest_canonical(nibabel.Nifti1Image(scan.array[0], scan.affine))
    # From left, back, head to right, front, head.
    assert np.array_equal(np.asarray(image.dataobj), VOLUME[::-1, ::-1])
    assert np.abs(image.affine - np.array(
        [[1, 0, 0, -6], [0, 1, 0, -5], [0, 0, 1, 0], [0, 0, 0, 1]]
    )).max() < 1e-9  # fmt: skip
    # Slices run along the normal, whichever way the series was written.
    assert np.linalg.det(scan.affine) > 0


def test_labels_are_equal_in_space_in_all_orientations(tmp_path):
    model = random_model(tmp_path / "run")
    found = []
    for number, (axes, signs) in enumerate(TURNS):
        directions, origin, stored = turned(axes, signs)
        datasets = make_series(
            directions[:2].ravel(), directions[2], stored, origin, PixelSpacing=[1, 1],
            RescaleIntercept=0,
        )  # fmt: skip
        files = write_series(tmp_path / str(number), datasets, seed=number)
        labels = ecs_med.segment(model, files).labels
        affine = READER.header(files).affine
        image = nibabel.as_closest_canonical(nibabel.Nifti1Image(labels, affine))
        found.append(np.asarray(image.dataobj))
    assert set(np.unique(found[0])) == {0, 1, 2}
    for labels in found:
        assert np.array_equal(labels, found[0])


def enhanced(places, orientation=(1, 0, 0, 0, 1, 0), **elements):
    """One object of frames at heights in mm, whose values are the height times 10."""
    stored = np.stack([np.full((6, 7), 10 * place, np.int16) for place in places])
    (dataset,) = make_series(
        stored=stored[:1], SOPClassUID=EnhancedCTImageStorage, NumberOfFrames=len(places),
        PixelData=stored.tobytes(), RescaleIntercept=0,
    )  # fmt: skip
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(dataset, keyword)
    shared = group(
        PlaneOrientationSequence={"ImageOrientationPatient": list(orientation)},
        PixelMeasuresSequence={"PixelSpacing": [0.8, 0.7], "SliceThickness": 9},
    )
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    dataset.PerFrameFunctionalGroupsSequence = Sequence(
        group(
            PlanePositionSequence={"ImagePositionPatient": [-10, -20, place]},
            PixelValueTransformationSequence={"RescaleSlope": 1, "RescaleIntercept": index},
        )
        for index, place in enumerate(places)
    )
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def group(**sequences):
    made = Dataset()
    for name, elements in sequences.items():
        item = Dataset()
        for keyword, value in elements.items():
            setattr(item, keyword, value)
        setattr(made, name, Sequence([item]))
    return made


def test_frames_are_ordered_by_position_and_scaled_each(tmp_path):
    (path,) = write_series(tmp_path, [enhanced([35, 30, 40, 32.5, 37.5])])
    (series,) = find_series([path]).series
    assert series.describe() == "CT, 7 x 6 x 5, 0.7 x 0.8 x 2.5 mm"
    scan = READER.read([path])
    assert np.abs(scan.affine - true_affine()).max() < 1e-6
    expected = np.add([300, 325, 350, 375, 400], [1, 3, 0, 4, 2])
    assert np.array_equal(scan.array[0], np.broadcast_to(expected, (7, 6, 5)))
    assert READER.header([path]).shape == (7, 6, 5)


def test_missing_frame_is_named(tmp_path):
    (path,) = write_series(tmp_path, [enhanced([30, 35, 32.5, 40])])
    with pytest.raises(
        ResamplableError, match=r"frame 2 lies at 35.00 mm and .* frame 4, at 40.00"
    ):
        READER.header([path])


def test_volumes_in_time_are_refused(tmp_path):
    (path,) = write_series(tmp_path, [enhanced([30, 32.5, 35, 30, 32.5, 35])])
    with pytest.raises(UnreadableFileError, match="frames 1 and 4 lie in the same place"):
        READER.header([path])


def test_fewer_frames_than_described(tmp_path):
    (path,) = write_series(tmp_path, [enhanced([30, 32.5, 35], NumberOfFrames=2)])
    with pytest.raises(UnreadableFileError, match="describes 3 frames and holds 2"):
        READER.header([path])


def test_two_enhanced_objects_are_no_volume(tmp_path):
    paths = write_series(tmp_path, [enhanced([30, 32.5]), enhanced([35, 37.5])])
    assert len(find_series(paths).series) == 2
    with pytest.raises(UnreadableFileError, match="holds a volume of its own"):
        READER.header(paths)
