"""Small folders of pictures and masks for splits, classes and budgets in which something is off."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

__all__ = ["SMALL", "invert", "write_case", "write_data", "write_mask", "write_picture"]

SIDE = 32

SMALL: Mapping[str, Any] = {
    "method": "supervised",
    "iterations": 1,
    "batch": 2,
    "crop": 32,
    "min_size": 0,
    "device": "cpu",
    "encoder": "test_resnet",
    "encoder_weights": "none",
}
"""Settings under which a run takes a second."""


def write_picture(path: Path, seed: int) -> Path:
    """A picture of noise; equal seeds are equal pictures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def write_mask(path: Path, classes: Sequence[int] = (1,)) -> Path:
    """A mask with a block of each of some classes on background."""
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = np.zeros((SIDE, SIDE), np.uint8)
    for place, label in enumerate(classes):
        labels[2 + 6 * place : 6 + 6 * place, 4:20] = label
    Image.fromarray(labels).save(path)
    return path


def write_case(folder: Path, name: str, seed: int, classes: Sequence[int] | None = (1,)) -> Path:
    """A picture with its mask, or without where there are no classes."""
    if classes is not None:
        write_mask(folder / "masks" / f"{name}.png", classes)
    return write_picture(folder / "images" / f"{name}.png", seed)


def write_data(folder: Path, masks: Sequence[Sequence[int]]) -> Path:
    """A folder with a case for each entry, which says the classes of its mask."""
    for index, classes in enumerate(masks):
        write_case(folder, f"case{index:02d}", index, classes)
    return folder


def invert(mask: Path) -> None:
    """Swap background and foreground."""
    with Image.open(mask) as image:
        labels = np.asarray(image)
    Image.fromarray((labels == 0).astype(np.uint8)).save(mask)
