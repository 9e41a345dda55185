"""What ecs-med left in a folder of data: runs, sweeps, predictions, which are never data."""

import os
from collections.abc import Collection
from pathlib import Path

from ecs_med.data.readers import image_suffixes
from ecs_med.files import regular_file
from ecs_med.runs.outputs import MARKER, own_outputs
from ecs_med_datasets.naming import IMAGE_NAMES, MASK_NAMES

__all__ = ["is_own_folder", "own_names"]

_RUN_FILES = ("model.json", "model.safetensors")
_NAMED_BY_CONTENT = {"split.json": b'"ecs-med split"', "sweep.json": b'"budgets"'}
_HEAD = 4096


def own_names(folder: Path, names: Collection[str]) -> Collection[str] | None:
    """Which of the files in a folder ecs-med wrote; `None` where the folder as a whole is its own.

    Args:
        folder: The folder.
        names: Names of all its entries; nothing is opened unless one of them is a telling one.
    """
    if MARKER in names:
        outputs = own_outputs(folder)
        if outputs.whole:
            return None
        return {name for name in outputs.digests if name in names and outputs.holds(name)}
    if all(name in names for name in _RUN_FILES):
        return None
    if any(_holds_data(name) for name in names):  # a split that was copied beside its images
        return ()
    told = (name for name in _NAMED_BY_CONTENT if name in names)
    return None if any(_says(folder / name, _NAMED_BY_CONTENT[name]) for name in told) else ()


def is_own_folder(folder: Path) -> bool:
    """Whether ecs-med wrote all of a folder, known by its marker or, in older runs, its files."""
    telling = (MARKER, *_RUN_FILES, *_NAMED_BY_CONTENT)
    if not any(os.path.lexists(folder / name) for name in telling):
        return False
    try:
        return own_names(folder, os.listdir(folder)) is None  # noqa: PTH208
    except OSError:
        return False


def _holds_data(name: str) -> bool:
    lower = name.lower()
    return lower in {*IMAGE_NAMES, *MASK_NAMES} or lower.endswith(image_suffixes())


def _says(path: Path, words: bytes) -> bool:
    try:
        with regular_file(path).open("rb") as file:
            return words in file.read(_HEAD)
    except OSError:
        return False
