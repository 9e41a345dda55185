"""Segmentations of 3D Slicer: NRRD files whose key/value pairs name segments."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.dicom.painting import Canvas
from ecs_med.errors import UnreadableFileError

__all__ = ["Segments", "laid_together", "segments_of"]

_FIELD = re.compile(r"Segment([0-9]{1,6})_(LabelValue|Layer|Name)")


@dataclass(frozen=True, slots=True)
class Segments:
    """Segments of a file, each with a number that no other one has.

    Attributes:
        names: Name of each segment by number.
        numbers: Number by layer and value there.
    """

    names: Mapping[int, str]
    numbers: Mapping[tuple[int, int], int]

    def paint(self, layers: npt.NDArray[np.integer], path: Path) -> Canvas:
        """All layers as one array of numbers.

        Args:
            layers: `(C, X, Y, Z)`, in each the values of its segments.
            path: For messages.

        Raises:
            UnreadableFileError: If a value is of no segment.
        """
        canvas = Canvas.blank(layers.shape[1:], self.names, path)
        for layer, stored in enumerate(layers):
            for index in range(stored.shape[2]):
                plane = stored[:, :, index]
                for value in np.unique(plane).tolist():
                    number = self.numbers.get((layer, value))
                    if number is not None:
                        canvas.paint(
                            (slice(None), slice(None), index), plane == value, number, path
                        )
                    elif value != 0:
                        raise UnreadableFileError(
                            path, f"holds the value {value}, which none of its segments has",
                            "export it again",
                        )  # fmt: skip
        return canvas


def segments_of(pairs: Mapping[str, str], num_layers: int, path: Path) -> Segments | None:
    """The segments that a file describes; `None` where it describes none, or not all of each.

    Their values stay where no two segments share one, as in files of one layer; else they are
    numbered in the order of the file, since each layer counts anew.

    Raises:
        UnreadableFileError: If segments are described as they cannot be.
    """
    fields: dict[int, dict[str, str]] = {}
    for key, value in pairs.items():
        if match := _FIELD.fullmatch(key):
            fields.setdefault(int(match[1]), {})[match[2]] = value.strip()
    found = []
    for _, described in sorted(fields.items()):
        layer, value = described.get("Layer", "0"), described.get("LabelValue", "")
        name = " ".join(described.get("Name", "").split())
        if not name or not value:
            return None
        if not all(re.fullmatch(r"[0-9]{1,5}", word) for word in (layer, value)):
            raise _damaged(path)
        found.append(((int(layer), int(value)), name))
    places = [place for place, _ in found]
    if not found or (num_layers > 1 and not all("Layer" in each for each in fields.values())):
        return None
    if len({*places}) < len(places) or any(
        layer >= num_layers or value < 1 for layer, value in places
    ):
        raise _damaged(path)
    values = [value for _, value in places]
    kept = len({*values}) == len(values)
    numbers = {place: place[1] if kept else at for at, place in enumerate(places, start=1)}
    return Segments({numbers[place]: name for place, name in found}, numbers)


def laid_together(layers: npt.NDArray[Any], path: Path) -> npt.NDArray[Any]:
    """Layers without names as one map, where no value and no voxel is in two of them.

    Args:
        layers: `(C, X, Y, Z)`.
        path: For messages.

    Raises:
        UnreadableFileError: If one is.
    """
    seen: set[int] = set()
    for layer in layers:
        values = {*np.unique(layer).tolist()} - {0}
        if shared := seen & values:
            raise UnreadableFileError(
                path, f"has the value {min(shared)} in several layers and does not name segments",
                "export it with the names of its segments, or as one layer",
            )  # fmt: skip
        seen |= values
    drawn = (layers != 0).sum(axis=0)
    if drawn.max() > 1:
        raise UnreadableFileError(
            path, f"has segments that overlap in {int((drawn > 1).sum())} voxels",
            "let each voxel belong to one segment, or export it with their names",
        )  # fmt: skip
    found: npt.NDArray[Any] = layers.sum(axis=0, dtype=layers.dtype)
    return found


def _damaged(path: Path) -> UnreadableFileError:
    return UnreadableFileError(path, "describes its segments as they cannot be", "export it again")
