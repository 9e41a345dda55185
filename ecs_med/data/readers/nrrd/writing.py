"""Writing NRRD.

Axes are written as the vectors that they are, so that results are to the last bit on the grid of
their case, and segments have the names that 3D Slicer shows.
"""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.nrrd.header import LPS_TO_RAS
from ecs_med.data.readers.scans import ResultMeaning, ScanHeader
from ecs_med.files import RESULT_REMEDY, write_atomically
from ecs_med.palette import class_color

__all__ = ["write_nrrd"]

_TYPES = {"|u1": "uint8", "<i2": "int16", "<f4": "float"}


def write_nrrd(
    path: Path, values: npt.NDArray[Any], grid: ScanHeader, meaning: ResultMeaning | None = None
) -> None:
    """Write a volume, compressed, all of it or nothing; equal values give equal bytes.

    Args:
        path: Where to.
        values: `(X, Y, Z)`, uint8, int16 or float32.
        grid: Where it lies; what has no position stays so.
        meaning: Names of the labels, which 3D Slicer shows.

    Raises:
        EcsMedError: If the file cannot be written.
    """
    stored = values.astype(values.dtype.newbyteorder("<"), copy=False)
    lines = [
        "NRRD0004",
        f"type: {_TYPES[stored.dtype.str]}",
        "dimension: 3",
        f"sizes: {' '.join(map(str, stored.shape))}",
        *_place(grid),
        "kinds: domain domain domain",
        "endian: little",
        "encoding: gzip",
        *(_segments(meaning) if meaning else ()),
    ]
    header = ("\n".join(lines) + "\n\n").encode()

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.write(header)
            # No name and no time inside, so that equal labels are equal files.
            with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
                for layer in range(stored.shape[2]):
                    packed.write(stored[:, :, layer].tobytes(order="F"))

    write_atomically(path, write, remedy=RESULT_REMEDY)


def _place(grid: ScanHeader) -> list[str]:
    assert grid.affine is not None
    lps = LPS_TO_RAS @ grid.affine if grid.has_position else grid.affine
    return [
        "space: left-posterior-superior" if grid.has_position else "space dimension: 3",
        f"space directions: {' '.join(_vector(lps[:3, axis]) for axis in range(3))}",
        f"space origin: {_vector(lps[:3, 3])}",
    ]


def _vector(values: npt.NDArray[np.float64]) -> str:
    # repr gives the shortest text that reads back as the same number; minus zero is zero.
    return f"({','.join(repr(float(value) + 0.0) for value in values)})"


def _segments(meaning: ResultMeaning) -> list[str]:
    lines = []
    for index, (value, name) in enumerate(list(meaning.names.items())[1:]):
        color = " ".join(f"{part / 255:.6g}" for part in class_color(index + 1))
        shown = " ".join(name.split()) or f"class {value}"
        lines += [
            f"Segment{index}_ID:=Segment_{value}",
            f"Segment{index}_Name:={shown}",
            f"Segment{index}_LabelValue:={value}",
            f"Segment{index}_Layer:=0",
            f"Segment{index}_Color:={color}",
        ]
    return lines
