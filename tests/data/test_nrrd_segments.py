"""Segmentations of 3D Slicer: a value means what its own file says."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ecs_med.config import ReadingSettings
from ecs_med.data.masks.reading import read_labels, understand_masks
from ecs_med.data.readers import reader_of
from ecs_med.data.readers.scans import StoredMask
from ecs_med.errors import MaskValueError, UnreadableFileError

SHAPE = (3, 4, 5)
Segment = tuple[str, int, int]
"""Name, layer, value."""


def write(path: Path, layers: np.ndarray, segments: Sequence[Segment] = ()) -> Path:
    """`(C, X, Y, Z)`; one layer has no axis of its own, as Slicer writes it."""
    one = len(layers) == 1
    lines = [
        "NRRD0004",
        "type: unsigned char",
        f"dimension: {3 if one else 4}",
        "space: left-posterior-superior",
        f"sizes: {'' if one else len(layers)} 3 4 5",
        f"space directions: {'' if one else 'none'} (1,0,0) (0,1,0) (0,0,1)",
        f"kinds: {'' if one else 'list'} domain domain domain",
        "encoding: raw",
        "space origin: (0,0,0)",
    ]
    for number, (name, layer, value) in enumerate(segments):
        lines += [
            f"Segment{number}_ID:=Segment_{number + 1}",
            f"Segment{number}_LabelValue:={value}",
            f"Segment{number}_Layer:={layer}",
            f"Segment{number}_Name:={name}",
        ]
    stored = layers[0] if one else layers
    path.write_bytes("\n".join([*lines, "", ""]).encode() + stored.tobytes(order="F"))
    return path


def read(path: Path) -> StoredMask:
    return reader_of([path]).read_stored_labels(path)


def two_layers() -> np.ndarray:
    layers = np.zeros((2, *SHAPE), np.uint8)
    layers[0, 0], layers[1, 2] = 1, 1
    return layers


def test_one_value_in_two_layers_is_two_structures(tmp_path: Path) -> None:
    segments = [("liver", 0, 1), ("tumour", 1, 1)]
    stored = read(write(tmp_path / "a.seg.nrrd", two_layers(), segments))
    assert stored.names == {1: "liver", 2: "tumour"}
    assert stored.values[:, 0, 0].tolist() == [1, 0, 2]
    assert np.unique(stored.values, return_counts=True)[1].tolist() == [20, 20, 20]


def test_values_that_are_unique_stay(tmp_path: Path) -> None:
    layers = two_layers()
    layers[0, 0], layers[1, 2], layers[1, 1] = 7, 3, 9
    segments = [("liver", 0, 7), ("tumour", 1, 3), ("cyst", 1, 9)]
    stored = read(write(tmp_path / "a.seg.nrrd", layers, segments))
    assert stored.names == {7: "liver", 3: "tumour", 9: "cyst"}
    assert stored.values[:, 0, 0].tolist() == [7, 9, 3]


def test_voxels_of_two_segments_are_told(tmp_path: Path) -> None:
    layers = two_layers()
    layers[1, 0, 0, 0] = 1
    path = write(tmp_path / "a.seg.nrrd", layers, [("liver", 0, 1), ("tumour", 1, 1)])
    stored = read(path)
    assert stored.overlaps == {3: (1, 2)}
    assert (stored.values == 3).sum() == 1
    with pytest.raises(MaskValueError, match=r"1 \(liver\) and 2 \(tumour\) share 1 pixels"):
        understand_masks([path], ReadingSettings())
    names = ("background", "liver", "tumour")
    scheme, _ = understand_masks([path], ReadingSettings(class_names=names))
    labels = scheme.labels_of(stored, path)
    assert labels[:, 0, 0].tolist() == [2, 0, 2]


def test_layers_without_names_are_laid_together_or_refused(tmp_path: Path) -> None:
    layers = two_layers()
    path = tmp_path / "a.seg.nrrd"
    for segments in ([], [("liver", 0, 1), ("", 1, 1)]):
        with pytest.raises(UnreadableFileError, match="the value 1 in several layers"):
            read(write(path, layers, segments))
    layers[1] *= 2
    stored = read(write(path, layers))
    assert stored.names is None
    assert stored.values[:, 0, 0].tolist() == [1, 0, 2]
    layers[1, 0, 0, 0] = 2
    with pytest.raises(UnreadableFileError, match="segments that overlap in 1 voxels"):
        read(write(path, layers))


@pytest.mark.parametrize(
    ("segments", "said"),
    [
        ([("liver", 0, 1), ("tumour", 5, 1)], "describes its segments as they cannot be"),
        ([("liver", 0, 1), ("tumour", 0, 1)], "describes its segments as they cannot be"),
        ([("liver", 0, 1), ("tumour", 1, 0)], "describes its segments as they cannot be"),
        ([("liver", 0, 1), ("tumour", 1, 2)], "holds the value 1, which none of its segments has"),
    ],
)
def test_descriptions_that_cannot_be(tmp_path: Path, segments: list[Segment], said: str) -> None:
    with pytest.raises(UnreadableFileError, match=said):
        read(write(tmp_path / "a.seg.nrrd", two_layers(), segments))


def test_files_that_number_alike_structures_differently_agree_by_name(tmp_path: Path) -> None:
    first, second = np.zeros((2, 1, *SHAPE), np.uint8)
    first[0, 0], first[0, 1] = 1, 2
    second[0, 0], second[0, 1] = 2, 1
    paths = [
        write(tmp_path / "a.seg.nrrd", first, [("liver", 0, 1), ("tumour", 0, 2)]),
        write(tmp_path / "b.seg.nrrd", second, [("tumour", 0, 1), ("Liver", 0, 2)]),
    ]
    scheme, _ = understand_masks(paths, ReadingSettings())
    assert scheme.class_names == ("background", "liver", "tumour")
    for path in paths:
        assert read_labels([path], path, scheme)[:, 0, 0].tolist() == [1, 2, 0]


def test_plain_label_maps_are_read_by_number(tmp_path: Path) -> None:
    """Results of ecs-med name segments, too, and are masks by the values of their data set."""
    layer = np.zeros((1, *SHAPE), np.uint8)
    layer[0, 0] = 4
    path = write(tmp_path / "a.nrrd", layer, [("liver", 0, 4)])
    assert read(path).names is None
    scheme, _ = understand_masks([path], ReadingSettings(), {0: "background", 4: "organ"})
    assert scheme.class_names == ("background", "organ")
