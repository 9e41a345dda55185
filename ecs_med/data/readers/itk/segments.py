"""Segmentations of 3D Slicer (`.seg.nrrd`): named segments, in layers where they overlap.

Each layer numbers its segments for itself, so that one value may stand for two segments; what
tells them apart is the pair of layer and value. See the module "Segmentations" of the user guide
of 3D Slicer, file format.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecs_med.errors import UnreadableFileError

__all__ = ["Named", "named_segments"]

_MAX_SEGMENTS = 4096


@dataclass(frozen=True, slots=True)
class Named:
    """Segments as one map.

    Attributes:
        values: `(X, Y, Z)`, from 1 in the order of the segments, 0 where there is none.
        names: Name by value.
        overlaps: Values for voxels of several segments, see `StoredMask`.
    """

    values: npt.NDArray[np.integer]
    names: Mapping[int, str]
    overlaps: Mapping[int, tuple[int, ...]]


def named_segments(layers: npt.NDArray[Any], extra: Mapping[str, str], path: Path) -> Named | None:
    """The segments of a file.

    Args:
        layers: `(layers, X, Y, Z)`.
        extra: Key and value pairs of the header.
        path: For messages.

    Returns:
        `None` for one layer without any word on its segments: values speak for themselves.

    Raises:
        UnreadableFileError: If the words do not fit the layers, or voxels are of no segment.
    """
    found = sorted(
        int(match[1]) for key in extra if (match := re.fullmatch(r"Segment(\d{1,6})_ID", key))
    )
    if not found:
        if len(layers) == 1:
            return None
        raise _strange(path, "has several layers and does not say which segments they hold")
    if len(found) > _MAX_SEGMENTS:
        raise _strange(path, f"names {len(found):,} segments")
    names: dict[int, str] = {}
    places: dict[tuple[int, int], int] = {}
    for value, number in enumerate(found, 1):
        names[value] = extra.get(f"Segment{number}_Name") or f"Segment {number}"
        layer = extra.get(f"Segment{number}_Layer", "0")
        label = extra.get(f"Segment{number}_LabelValue", str(number + 1))
        if not (layer.isdigit() and int(layer) < len(layers) and re.fullmatch(r"-?\d+", label)):
            raise _strange(path, "places a segment in a layer that is not there")
        if places.setdefault((int(layer), int(label)), value) != value:
            raise _strange(path, "gives two segments one value")
    return _merged(layers, names, places, path)


def _merged(
    layers: npt.NDArray[Any],
    names: Mapping[int, str],
    places: Mapping[tuple[int, int], int],
    path: Path,
) -> Named:
    """Lay segments together; each set of segments that share a voxel gets a value of its own."""
    values = np.zeros(layers.shape[1:], np.int32)
    of_sets: dict[tuple[int, ...], int] = {}
    sets: dict[int, tuple[int, ...]] = {value: (value,) for value in names}
    for number, layer in enumerate(layers):
        known = {label for where, label in places if where == number}
        strange = set(np.unique(layer).tolist()) - known - {0}
        if strange:
            raise _strange(path, f"has voxels of the value {min(strange)}, which no segment has")
        before = values.copy()
        for label in sorted(known):
            here = layer == label
            for value in np.unique(before[here]).tolist():
                both = (*sets.get(value, ()), places[number, label])
                merged = both[0] if len(both) == 1 else of_sets.get(both, 0)
                if not merged:
                    merged = of_sets[both] = len(sets) + 1
                    sets[merged] = both
                values[here & (before == value)] = merged
    return Named(values, names, {value: both for both, value in of_sets.items()})


def _strange(path: Path, reason: str) -> UnreadableFileError:
    return UnreadableFileError(path, reason, "save it again in 3D Slicer, or export a label map")
