"""RTSTRUCT as masks: contours filled, against a point-in-polygon test of one pixel at a time."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from dicom_mask_files import AXIAL, CORONAL, OBLIQUE, seg, series, structures

from ecs_med.config import ReadingSettings
from ecs_med.data.checks.geometry import mask_geometry_problems
from ecs_med.data.masks.reading import read_labels, understand_masks
from ecs_med.data.readers import StoredMask, reader_of
from ecs_med.data.readers.dicom.filling import filled
from ecs_med.errors import DataError, UnreadableFileError

SHAPE = (40, 32, 5)
AUTO = ReadingSettings()

Points = npt.NDArray[np.float64]


def _series(folder: Path, **more: object) -> list[Path]:
    return series(folder, np.zeros(SHAPE, np.int16), **more)  # type: ignore[arg-type]


def _circle(x: float, y: float, radius: float, index: float, num: int = 400) -> Points:
    angle = np.linspace(0, 2 * np.pi, num, endpoint=False)
    return np.stack(
        [x + radius * np.cos(angle), y + radius * np.sin(angle), np.full(num, index)], axis=1
    )


def _is_inside(point: tuple[float, float], corners: Points) -> bool:
    """By the winding of a ray, in plain Python."""
    x, y = point
    inside = False
    for (x1, y1), (x2, y2) in zip(corners.tolist(), np.roll(corners, -1, 0).tolist(), strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            inside = not inside
    return inside


def _read(path: Path, files: list[Path]) -> StoredMask:
    return reader_of([path]).read_stored_labels(path, files)


def test_filling_is_that_of_a_slow_reference() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        polygons = [rng.uniform(-3, 23, (rng.integers(3, 12), 2)) for _ in range(3)]
        expected = np.array(
            [
                [sum(_is_inside((x, y), p) for p in polygons) % 2 for y in range(17)]
                for x in range(20)
            ]
        )
        np.testing.assert_array_equal(filled(polygons, (20, 17)), expected)


def test_neighbours_share_no_pixel_and_leave_none_out() -> None:
    left = np.array([[0.0, 0], [0, 5], [5, 5], [5, 0]])
    right = left + np.array([5, 0])
    one, two = filled([left], (10, 5)), filled([right], (10, 5))
    assert not (one & two).any()
    assert (one | two).all()


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, OBLIQUE])
def test_circles_with_holes_on_slices_of_any_direction(
    tmp_path: Path, orientation: tuple[float, ...]
) -> None:
    files = _series(tmp_path / "s", orientation=orientation)
    outer, inner = _circle(20.2, 15.7, 11, 2), _circle(21.1, 16.2, 4, 2)
    path = structures(
        tmp_path / "r.dcm",
        files,
        {"Shell": [outer, inner, _circle(20.3, 15.1, 6, 3)], "Blob": [_circle(5.4, 5.2, 3, 0)]},
        numbers=[7, 3],
    )
    stored = _read(path, files)
    assert stored.names == {1: "Blob", 2: "Shell"}  # in the order of ROINumber
    expected = np.zeros(SHAPE, int)
    for x in range(SHAPE[0]):
        for y in range(SHAPE[1]):
            for number, index, rings in (
                (2, 2, (outer, inner)),
                (2, 3, (_circle(20.3, 15.1, 6, 3),)),
                (1, 0, (_circle(5.4, 5.2, 3, 0),)),
            ):
                if sum(_is_inside((x, y), ring[:, :2]) for ring in rings) % 2:
                    expected[x, y, index] = number
    np.testing.assert_array_equal(stored.values, expected)
    area = int((stored.values[:, :, 2] == 2).sum())
    assert area == pytest.approx(np.pi * (11**2 - 4**2), rel=0.02)


def test_points_open_contours_and_gaps_are_told(tmp_path: Path) -> None:
    files = _series(tmp_path / "s")
    drawn = {"Liver": [_circle(20, 15, 6, 0), _circle(20.3, 15.1, 6, 3)], "Nothing": []}
    path = structures(tmp_path / "r.dcm", files, drawn)
    told = [problem.message for problem in mask_geometry_problems(files, path, "ask")]
    assert any("Liver has contours on slices 0 and 3" in message for message in told)
    assert "structure Nothing has no closed contour and is left out" in told
    points = structures(
        tmp_path / "p.dcm", files, {"Iso": [_circle(2, 2, 1, 0)]}, geometric="POINT"
    )
    with pytest.raises(UnreadableFileError, match=r"p\.dcm: holds no closed contour"):
        _read(points, files)


@pytest.mark.parametrize(
    ("contour", "message"),
    [
        (_circle(20, 15, 6, 7), "lies in no slice"),
        (_circle(20, 15, 6, 0)[:, [2, 1, 0]], "lies in no slice"),
    ],
)
def test_a_contour_outside_is_refused_with_its_position(
    tmp_path: Path, contour: Points, message: str
) -> None:
    files = _series(tmp_path / "s")
    drawn = {"Liver": [_circle(20, 15, 6, 1), _circle(20, 15, 6, 2), contour]}
    path = structures(tmp_path / "r.dcm", files, drawn)
    with pytest.raises(UnreadableFileError, match=rf"the contour at \(.* mm {message}"):
        _read(path, files)


def test_contours_of_a_finer_series_are_refused(tmp_path: Path) -> None:
    """Two planes of one structure would be taken for a ring with a hole."""
    files = _series(tmp_path / "s")
    drawn = {"Liver": [_circle(20, 15, 6, 1), _circle(20, 15, 5, 1.4)]}
    path = structures(tmp_path / "r.dcm", files, drawn)
    with pytest.raises(UnreadableFileError, match="on slice 1 beside one of another plane"):
        _read(path, files)


def test_it_needs_its_images_and_those_alone(tmp_path: Path) -> None:
    files = _series(tmp_path / "s")
    path = structures(tmp_path / "r.dcm", files, {"Liver": [_circle(20, 15, 6, 1)]})
    with pytest.raises(UnreadableFileError, match="has no grid of its own; give it with its ser"):
        _read(path, [])
    with pytest.raises(UnreadableFileError, match="lies in another frame of reference"):
        _read(path, _series(tmp_path / "o"))


def test_the_same_shape_as_segmentation_and_as_structures(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    files = _series(tmp_path / "s", orientation=OBLIQUE)
    path = structures(tmp_path / "r.dcm", files, {"Liver": [_circle(20, 15, 6.3, 1)]})
    values = _read(path, files).values
    other = seg(tmp_path / "m.dcm", values[..., None].astype(np.uint8), files, ["liver"])
    scheme, _ = understand_masks([path, other], AUTO, None, [files, files])
    assert scheme.class_names == ("background", "Liver")
    np.testing.assert_array_equal(read_labels(files, path, scheme), values)
    np.testing.assert_array_equal(read_labels(files, other, scheme), values)


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP", "RTSTRUCT"])
def test_damaged_masks_are_read_or_refused_in_a_sentence(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("highdicom")
    files = _series(tmp_path / "s")
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:9, 4:9, 1:3] = 1
    if kind == "RTSTRUCT":
        path = structures(tmp_path / "m.dcm", files, {"Liver": [_circle(20, 15, 6, 1, 30)]})
    else:
        masks = labels if kind == "LABELMAP" else labels[..., None]
        path = seg(tmp_path / "m.dcm", masks, files, ["Liver"], kind=kind)
    whole, damaged = path.read_bytes(), tmp_path / "d.dcm"
    rng, num_read = np.random.default_rng(0), 0
    for _ in range(60):
        content = bytearray(whole)
        for place in rng.integers(132, len(content), 4):
            content[place] = rng.integers(256)
        end = rng.integers(132, len(content)) if rng.random() < 0.3 else len(content)
        damaged.write_bytes(content[:end])
        with suppress(DataError):
            reader_of([damaged]).mask_problems(damaged, files)
            _read(damaged, files)
            num_read += 1
    assert 0 < num_read < 60
