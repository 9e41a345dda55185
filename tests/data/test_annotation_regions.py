"""Drawing regions: which pixels are inside, held to scikit-image and to pycocotools."""

import numpy as np
import pytest
from annotation_sets import runs_of
from skimage.draw import polygon2mask

from ecs_med.data.readers.annotations.regions import (
    Region,
    box_outline,
    draw,
    ellipse_outline,
    fill,
    outline_of,
    turned_outline,
)
from ecs_med.data.readers.annotations.run_lengths import coco_mask, cvat_mask, unpacked_counts

RANDOM = range(20)


def polygon(seed: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Points within and without a picture, and its size; every other one crosses itself."""
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(20, 90, 2))
    number = int(rng.integers(3, 30))
    if seed % 2:
        return rng.uniform(-10, 100, (number, 2)), (height, width)
    angles = np.sort(rng.uniform(0, 2 * np.pi, number))
    far = rng.uniform(0.2, 0.6, number) * min(height, width)
    around = np.stack([far * np.cos(angles), far * np.sin(angles)], axis=1)
    return around + np.array([width / 2, height / 2]), (height, width)


def distance_to_outline(points: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """From the middles of pixels, `(K, 2)` as row and column, to the nearest edge."""
    middles = pixels[:, None, ::-1] + 0.5
    along = np.roll(points, -1, axis=0) - points
    share = ((middles - points) * along).sum(-1) / (along**2).sum(-1)
    nearest = points + np.clip(share, 0, 1)[..., None] * along
    return np.linalg.norm(middles - nearest, axis=-1).min(axis=1)


@pytest.mark.parametrize("seed", RANDOM)
def test_pixels_are_inside_where_their_middle_is(seed: int) -> None:
    points, shape = polygon(seed)
    expected = polygon2mask(shape, points[:, ::-1] - 0.5)
    assert np.array_equal(fill([points], shape), expected)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("seed", RANDOM)
def test_polygons_differ_from_pycocotools_by_less_than_half_a_pixel(seed: int) -> None:
    mask = pytest.importorskip("pycocotools.mask", reason="compared where it is installed")
    points, shape = polygon(seed)
    found = mask.frPyObjects([points.ravel().tolist()], *shape)
    other = np.argwhere(fill([points], shape) != mask.decode(mask.merge(found)).astype(bool))
    assert distance_to_outline(points, other).max(initial=0) < 0.5


@pytest.mark.parametrize("seed", RANDOM)
def test_runs_are_those_of_pycocotools(seed: int) -> None:
    mask = pytest.importorskip("pycocotools.mask", reason="compared where it is installed")
    rng = np.random.default_rng(seed)
    shape = tuple(int(side) for side in rng.integers(1, 60, 2))
    expected = rng.random(shape) < rng.choice([0, 0.02, 0.5, 1])
    packed = mask.encode(np.asfortranarray(expected.astype(np.uint8)))
    size = [int(side) for side in packed["size"]]
    assert np.array_equal(coco_mask(packed["counts"].decode(), size, shape), expected)
    plain = runs_of(expected)
    assert unpacked_counts(packed["counts"].decode()) == plain["counts"]
    assert np.array_equal(coco_mask(plain["counts"], plain["size"], shape), expected)


def test_a_text_that_pycocotools_wrote() -> None:
    text = (
        r"hn0=\16K4L4M2M4M2N2N2O0O2N2O0O2O0O2O000O2OSON02O000N40L040LO60JO80H080H080H080H080H080H08"
        r"0IO70J060J140M010000011K061H09h02N101N2N2N3L3N3L4L5J_k0"
    )
    y, x = np.mgrid[:60, :80]
    ring = ((y - 30) ** 2 + (x - 40) ** 2 < 25**2) & ((y - 30) ** 2 + (x - 44) ** 2 >= 10**2)
    assert np.array_equal(coco_mask(text, [60, 80], (60, 80)), ring)


def test_polygons_of_one_object_are_united_and_one_that_crosses_itself_is_even_odd() -> None:
    outer, inner = box_outline(0, 0, 8, 8), box_outline(2, 2, 6, 6)
    assert fill([outer, inner], (8, 8)).all()
    around = np.concatenate([outer, outer[:1], inner, inner[:1]])
    assert np.count_nonzero(fill([around], (8, 8))) == 64 - 16


def test_what_lies_outside_is_cut_off() -> None:
    assert fill([box_outline(-5, -5, 3, 2)], (4, 6)).sum() == 6
    assert not fill([box_outline(10, 10, 20, 20)], (4, 6)).any()
    assert fill([box_outline(-9, -9, 99, 99)], (4, 6)).all()


def test_a_turned_box_and_an_ellipse_have_their_area() -> None:
    quarter = turned_outline(box_outline(2, 6, 18, 14), 90)
    assert np.array_equal(fill([quarter], (20, 20)), fill([box_outline(6, 2, 14, 18)], (20, 20)))
    ellipse = fill([ellipse_outline(50, 40, 30, 20)], (80, 100))
    assert ellipse.sum() == pytest.approx(np.pi * 30 * 20, rel=0.005)


def test_a_mask_of_cvat_runs_along_rows_of_its_part() -> None:
    mask = cvat_mask([1, 2, 3], (2, 1, 3, 2), (4, 6))
    assert np.argwhere(mask).tolist() == [[1, 3], [1, 4]]


def test_regions_lie_above_earlier_ones_of_their_layer() -> None:
    def box(*corners: float) -> object:
        return lambda shape: fill([box_outline(*corners)], shape)

    small, large = box(1, 1, 3, 3), box(0, 0, 4, 4)
    in_order = [Region(1, small), Region(2, large)]
    assert np.unique(draw(in_order, (4, 4), larger_first=False)).tolist() == [2]
    assert np.unique(draw(in_order, (4, 4), larger_first=True)).tolist() == [1, 2]
    below = [Region(1, small), Region(2, large, layer=-1)]
    assert draw(below, (4, 4), larger_first=False)[1, 1] == 1
    same = [Region(1, large), Region(2, large)]
    assert np.unique(draw(same, (4, 4), larger_first=True)).tolist() == [2]


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([0, 0, 1, 1], "an outline of 2 point"),
        ([0, 0, 1, 1, float("nan"), 1], "not finite"),
        ([0, 0, 1, 1, 1e300, 1], "far outside"),
        ([0, 0, 1, 1, 10**400, 1], "no numbers"),
        ([0, 0, 1, 1, 2], "no pairs"),
        ([[0, 0], [1, 1], [2]], "no numbers"),
        ("0,0 1,1 2,2", "no list of points"),
        ([None, 0, 1, 1, 2, 2], "not finite"),
        ([{}, 0, 1, 1, 2, 2], "no numbers"),
    ],
)
def test_points_that_are_none(points: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        outline_of(points)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ([3, 2], "5 pixels together, where there are 12"),
        ([3, -2, 11], "no list of lengths"),
        ([3, 2.0, 7], "no list of lengths"),
        ([True, 11], "no list of lengths"),
        ([10**30, 2], "pixels together"),
        ("5\x7f", "letters that belong to none"),
        ("oooooooooooooooooooo", "letters that belong to none"),
        ("o", "end in the middle"),
        (None, "no list of lengths"),
    ],
)
def test_runs_that_are_damaged(counts: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        coco_mask(counts, [3, 4], (3, 4))


def test_runs_of_another_size() -> None:
    with pytest.raises(ValueError, match=r"size \[4, 3\], and its picture is \[3, 4\]"):
        coco_mask([12], [4, 3], (3, 4))
    with pytest.raises(ValueError, match="not inside its picture"):
        cvat_mask([4], (3, 3, 2, 2), (4, 4))


def test_an_outline_that_crosses_rows_a_hundred_million_times() -> None:
    points = np.tile([[0.0, 0.0], [1.0, 9_000.0]], (10_000, 1))
    with pytest.raises(ValueError, match="more edges than a drawing has"):
        fill([points], (9_000, 2))
