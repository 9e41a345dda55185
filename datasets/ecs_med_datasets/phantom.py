"""Procedural endoscopy: pictures with exact masks, offline, for the demo and for tests."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ecs_med.errors import DataError
from ecs_med_datasets.phantom_scene import CLASS_NAMES, FRAMES_PER_PATIENT, draw_frame

__all__ = [
    "CLASS_NAMES",
    "FRAMES_PER_PATIENT",
    "PATIENT_PATTERN",
    "draw_frame",
    "write_phantom",
]

PATIENT_PATTERN = r"regex:(p\d+)_\d+\.png$"
"""Value of the setting `patient` for a folder of `write_phantom`."""

_COLORS = ((0, 0, 0), (0, 200, 80), (40, 120, 255))
"""How a viewer shows the masks: they are palette pictures that store class numbers."""


def write_phantom(
    folder: Path,
    num_images: int,
    seed: int = 0,
    size: int = 128,
    *,
    labeled: int | None = None,
) -> Path:
    """Write a data set of synthetic endoscopy, as a user would bring one.

    Of the patients 70 % go to `train/`, 10 % to `validation/`, 20 % to `test/`, each with
    `images/` and `masks/`; a patient has `FRAMES_PER_PATIENT` frames, and file names
    (`p003_2.png`) begin with the patient. The same arguments write the same pixels.

    Args:
        folder: Made if it is missing; has to be empty otherwise.
        num_images: Frames in all, at least 5 patients' worth.
        seed: Which series.
        size: Side in pixels, at least 32.
        labeled: Training frames that get a mask, the others are unlabelled; `None`: all.
            They are the first ones, so patients are complete.

    Returns:
        `folder`.

    Raises:
        ValueError: If there are too few frames, or fewer than are to be labelled.
        DataError: If the folder holds something already, or cannot be written.
    """
    parts = _parts(num_images)
    num_train = parts.count("train")
    if labeled is not None and not 1 <= labeled <= num_train:
        raise ValueError(f"labeled must be from 1 to {num_train}, the number of training frames")
    try:
        if folder.exists() and any(folder.iterdir()):
            raise DataError(f"{folder}: is not empty; name another folder for the synthetic data.")
        for part in dict.fromkeys(parts):
            (folder / part / "images").mkdir(parents=True, exist_ok=True)
            (folder / part / "masks").mkdir(parents=True, exist_ok=True)
        for index, part in enumerate(parts):
            image, labels = draw_frame(seed, index, size)
            patient, frame = divmod(index, FRAMES_PER_PATIENT)
            name = f"p{patient:03d}_{frame}.png"
            Image.fromarray(image).save(folder / part / "images" / name, compress_level=1)
            if part != "train" or labeled is None or index < labeled:
                _palette_picture(labels).save(folder / part / "masks" / name)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written ({error.strerror or error}); "
            "free space there or name another folder."
        ) from error
    return folder


def _parts(num_images: int) -> list[str]:
    """The part of every frame: training first, whole patients."""
    num_patients = -(-num_images // FRAMES_PER_PATIENT)
    if num_patients < 5:
        raise ValueError(f"num_images must be at least {4 * FRAMES_PER_PATIENT + 1}")
    num_validation = max(1, round(0.1 * num_patients))
    num_test = max(1, round(0.2 * num_patients))
    num_train = num_patients - num_validation - num_test
    of_patient = ["train"] * num_train + ["validation"] * num_validation + ["test"] * num_test
    return [of_patient[index // FRAMES_PER_PATIENT] for index in range(num_images)]


def _palette_picture(labels: NDArray[np.uint8]) -> Image.Image:
    picture = Image.fromarray(labels).convert("L")
    picture.putpalette([channel for color in _COLORS for channel in color])
    return picture
