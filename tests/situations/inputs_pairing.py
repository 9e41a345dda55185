"""Small folders of data as people have them: names alone, pictures, and volumes."""

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import open_data
from ecs_med.types import CaseCollection

__all__ = ["SIZE", "add_picture", "add_volume", "masks_of", "opened", "remedies", "told", "touch"]

SIZE = 32


def touch(root: Path, *names: str) -> Path:
    """Empty files, since layouts look at names alone."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def add_picture(path: Path, number: int, color: Sequence[int] | None = None) -> None:
    """A picture of noise, or with `color` the mask of a square that `number` moves."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if color is None:
        pixels = np.random.default_rng(number).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    else:
        pixels = np.zeros((SIZE, SIZE, len(color)), np.uint8)
        pixels[4 + number : 14 + number, 6:18] = color
    Image.fromarray(pixels.squeeze()).save(path)


def add_volume(path: Path, number: int, *, mask: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(number).integers(0, 1000, (12, 14, 6)).astype(np.int16)
    if mask:
        values = np.zeros((12, 14, 6), np.uint8)
        values[2 + number : 6 + number, 3:9, 1:5] = 1
    nib.save(nib.Nifti1Image(values, np.eye(4)), path)


def opened(root: Path, **settings: str) -> CaseCollection:
    return open_data(root, ReadingSettings.parse(settings))


def masks_of(collection: CaseCollection) -> dict[str, str | None]:
    """Mask below the root by case."""
    root = collection.root
    return {
        case.id: None if case.mask is None else case.mask.relative_to(root).as_posix()
        for case in collection.cases
    }


def told(collection: CaseCollection, severity: str) -> list[str]:
    """What is told, with paths below the root."""
    base = f"{collection.root}"
    return [
        f"{str(p.path).removeprefix(base)}: {p.message}"
        for p in collection.problems
        if p.severity == severity
    ]


def remedies(collection: CaseCollection, severity: str) -> list[str]:
    return [p.remedy for p in collection.problems if p.severity == severity]
