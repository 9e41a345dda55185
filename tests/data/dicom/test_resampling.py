"""Series that are no even grid, brought onto one: held against a linear ramp in space."""

import numpy as np
import odd_series as odd
import pytest
from odd_series import COLUMNS, ROWS, STORED, make_series, renewed, write_series

from ecs_med.data.readers.dicom.geometry import ResamplableError
from ecs_med.data.readers.dicom.reader import DicomReader
from ecs_med.data.readers.dicom.resampling import resample_series
from ecs_med.errors import UnreadableFileError

TILTED = (1, 0, 0, 0, np.cos(odd.TILT), np.sin(odd.TILT))


def ramp(points):
    """A linear function of places in RAS mm, `(..., 3)`."""
    return np.asarray(points) @ (3.0, -2.0, 5.0) + 40.0


def ramp_series(positions, orientation):
    """Slices whose values are the ramp, in steps of 1 / 512 (and 0.01 off at most)."""
    columns, rows = np.reshape(orientation, (2, 3))
    across = np.arange(COLUMNS) * odd.COLUMN_MM
    down = np.arange(ROWS) * odd.ROW_MM
    made = []
    for position in positions:
        places = position + down[:, None, None] * rows + across[None, :, None] * columns
        values = ramp(places * (-1, -1, 1))
        stored = np.rint(values * 64).astype(np.int16)
        assert np.abs(stored / 64 - values).max() < 0.01
        (slice_,) = make_series(
            orientation, stored=stored[None], origin=position, like=made[0] if made else None,
            RescaleSlope=1 / 64, RescaleIntercept=0,
        )  # fmt: skip
        made.append(slice_)
    return made


def heights(*numbers):
    return np.array([(-10, -20, number) for number in numbers], float)


EVEN = 30 + 2.5 * np.arange(12)

UNEVEN = {
    "tilt": (heights(*EVEN), TILTED),
    "tilt the other way": (heights(*EVEN), (1, 0, 0, 0, np.cos(odd.TILT), -np.sin(odd.TILT))),
    "tilt sideways": (heights(*EVEN), (np.cos(odd.TILT), 0, np.sin(odd.TILT), 0, 1, 0)),
    "missing": (heights(*EVEN[:4], *EVEN[6:]), odd.AXIAL),
    "uneven": (heights(*EVEN[:8], 52.5, 57.5, 60.1, 67.4), odd.AXIAL),
    "tilted and uneven": (heights(*EVEN[:5], *(EVEN[6:] + 0.7)), TILTED),
    "aside": (heights(*EVEN) + np.outer(np.arange(12) == 6, (0.43, -0.3, 0)), odd.AXIAL),
}


@pytest.mark.parametrize("name", UNEVEN)
def test_linear_ramp_is_exact_where_slices_reach(tmp_path, name):
    positions, orientation = UNEVEN[name]
    paths = write_series(tmp_path, ramp_series(positions, orientation))
    with pytest.raises(ResamplableError) as caught:
        DicomReader().header(paths)
    assert set(caught.value.files) == set(paths)
    made = resample_series(caught.value)
    sides = made.affine[:3, :3] / np.linalg.norm(made.affine[:3, :3], axis=0)
    assert np.abs(sides.T @ sides - np.eye(3)).max() < 1e-9
    places = np.moveaxis(np.indices(made.array.shape), 0, -1) @ made.affine[:3, :3].T
    expected = ramp(places + made.affine[:3, 3])
    # What all slices reach; the grid is continued until it covers what only some do.
    more = np.subtract(made.array.shape[:2], (COLUMNS, ROWS))
    every = (slice(more[0], COLUMNS), slice(more[1], ROWS))
    assert np.abs(made.array - expected)[every].max() < 0.011
    assert made.array[every].size > 0.35 * made.array.size


def test_grid_of_a_tilted_series(tmp_path):
    made = resample_series(write_series(tmp_path, make_series(TILTED, (0, 0, 2.5))))
    # Each slice lies 2.5 sin(20 deg) mm further down its own rows, 11 steps in all.
    shift = 11 * 2.5 * np.sin(odd.TILT) / odd.ROW_MM
    assert made.array.shape == (COLUMNS, ROWS + int(np.ceil(shift)), 12)
    assert np.linalg.norm(made.affine[:3, 2]) == pytest.approx(2.5 * np.cos(odd.TILT))
    assert np.array_equal(made.array[:, :ROWS, 0].T, STORED[0] - 1000.0)
    assert (made.array[:, ROWS:, 0] == made.array.min()).all()


def test_missing_slice_is_the_mean_of_its_neighbours(tmp_path):
    datasets = make_series()
    made = resample_series(write_series(tmp_path, datasets[:5] + datasets[6:]))
    expected = STORED.astype(float) - 1000
    expected[5] = (expected[4] + expected[6]) / 2
    assert np.array_equal(made.array.transpose(2, 1, 0), expected)
    assert np.abs(made.affine - odd.true_affine()).max() < 1e-9
    assert made.array.dtype == np.float32


def test_labels_go_back_onto_the_slices(tmp_path):
    made = resample_series(write_series(tmp_path, make_series(TILTED, (0, 0, 2.5))))
    labels = np.arange(made.array.size, dtype=np.int32).reshape(made.array.shape)
    back = made.back(labels)
    assert back.shape == (COLUMNS, ROWS, 12)
    column, row, layer = (index.astype(int) for index in np.unravel_index(back, labels.shape))
    there = np.stack([column, row, layer], -1) @ made.affine[:3, :3].T + made.affine[:3, 3]
    slices = odd.true_affine(TILTED, (0, 0, 2.5))
    here = np.moveaxis(np.indices(back.shape), 0, -1) @ slices[:3, :3].T + slices[:3, 3]
    assert np.linalg.norm(there - here, axis=-1).max() <= odd.ROW_MM / 2 + 1e-9


def test_nothing_is_made_up_between_slices_far_apart(tmp_path):
    datasets = make_series()
    datasets[-1].ImagePositionPatient = [-10, -20, 900]
    with pytest.raises(UnreadableFileError, match="nearly all of an even grid would be made up"):
        resample_series(write_series(tmp_path, datasets))


def test_even_series_stays_as_it_is(tmp_path):
    paths = write_series(tmp_path, [*(s := make_series()), renewed(s[2])])
    made, scan = resample_series(paths), DicomReader().read(paths)
    assert np.array_equal(made.array, scan.array[0])
    assert np.abs(made.affine - scan.affine).max() < 1e-9
    assert np.array_equal(made.back(scan.array[0]), scan.array[0])
