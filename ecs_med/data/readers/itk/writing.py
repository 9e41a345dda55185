"""Writing NRRD.

By hand, since the header is a few lines: ITK would take axes apart into directions and lengths and
multiply them again, and could not name segments. So results are to the last bit on the grid of
their case, and need no library.
"""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.base import ResultMeaning
from ecs_med.data.readers.grids import Affine
from ecs_med.files import RESULT_REMEDY, write_atomically
from ecs_med.palette import class_color

__all__ = ["write_nrrd"]

_TYPES = {"|u1": "uint8", "<i2": "int16", "<f4": "float"}


def write_nrrd(
    path: Path, values: npt.NDArray[Any], affine: Affine, meaning: ResultMeaning | None = None
) -> None:
    """Write a volume, compressed, all of it or nothing; equal values give equal bytes.

    Args:
        path: Where to.
        values: `(X, Y, Z)`, uint8, int16 or float32.
        affine: Voxel to RAS mm.
        meaning: Names of the labels, which 3D Slicer shows.

    Raises:
        EcsMedError: If the file cannot be written.
    """
    stored = values.astype(values.dtype.newbyteorder("<"), copy=False)
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    lines = [
        "NRRD0004",
        f"type: {_TYPES[stored.dtype.str]}",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, stored.shape))}",
        f"space directions: {' '.join(_vector(lps[:3, axis]) for axis in range(3))}",
        "kinds: domain domain domain",
        "endian: little",
        "encoding: gzip",
        f"space origin: {_vector(lps[:3, 3])}",
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
