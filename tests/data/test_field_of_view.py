import numpy as np
import pytest

from ecs_med.config import Preparation
from ecs_med.data.cases import PreparedCase
from ecs_med.data.field_of_view import find_field
from ecs_med.data.readers import Scan

ROWS, COLUMNS = np.mgrid[:120, :160]
DISC = (ROWS - 60) ** 2 + (COLUMNS - 95) ** 2 < 50**2


def picture(field, *, writing=False):
    values = np.where(field, 150, 3).astype(np.uint8)
    if writing:
        values[20:60:8, 4:30:3] = 255
    return np.repeat(values[None], 3, axis=0)


def test_a_disc_with_writing_beside_it():
    field = find_field(picture(DISC, writing=True))
    assert field[DISC].all()
    # Two pixels around the disc are the margin; the writing is outside.
    assert not field[(ROWS - 60) ** 2 + (COLUMNS - 95) ** 2 > 54**2].any()


def test_a_dark_lumen_at_the_edge_belongs_to_it():
    lumen = (ROWS - 60) ** 2 + (COLUMNS - 125) ** 2 < 12**2
    assert find_field(picture(DISC & ~lumen))[lumen & DISC].all()


@pytest.mark.parametrize("level", [0, 10, 200])
def test_frames_without_a_border_count_as_a_whole(level):
    assert find_field(np.full((3, 90, 120), level, np.uint8)) is None


def test_a_bright_spot_in_a_dark_frame_is_no_field():
    assert find_field(picture((ROWS - 60) ** 2 + (COLUMNS - 80) ** 2 < 15**2)) is None


def test_outside_is_void_and_black_only_where_asked():
    reference = np.ones((120, 160), np.uint8)
    scan = Scan(picture(DISC, writing=True), affine=None, kind="picture")
    off = PreparedCase.of_scan(scan, Preparation(), reference)
    assert off.field is None
    assert np.array_equal(off.slices[0].numpy(), scan.array)
    assert np.array_equal(off.reference, reference)
    case = PreparedCase.of_scan(scan, Preparation(field_of_view="auto"), reference)
    assert np.array_equal(case.reference == 255, ~case.field)
    assert not case.slices[0].numpy()[:, ~case.field].any()
    assert np.array_equal(case.slices[0].numpy()[:, case.field], scan.array[:, case.field])
