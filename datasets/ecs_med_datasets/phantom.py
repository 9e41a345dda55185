"""Procedural endoscopy: pictures with exact masks, offline, for the demo and for tests.

A wet, folded, vascular wall under a headlight, in which polyps and instruments lie.
"""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ecs_med.errors import DataError
from ecs_med_datasets.phantom_objects import (
    Blob,
    Field,
    Generator,
    Instrument,
    Patient,
    draw_blob,
    draw_instrument,
    draw_patient,
    fractal_noise,
    grid,
    shade,
    smoothstep,
    stream,
    uniform,
)

__all__ = ["CLASS_NAMES", "FRAMES_PER_PATIENT", "PATIENT_PATTERN", "draw_frame", "write_phantom"]

CLASS_NAMES = ("background", "polyp", "instrument")
"""In the order of label values."""

FRAMES_PER_PATIENT = 2
"""Frames in a row that share a patient's colours, vessels and camera."""

PATIENT_PATTERN = r"regex:(p\d+)_\d+\.png$"
"""Value of the setting `patient` for a folder of `write_phantom`."""

_POLYP, _INSTRUMENT = 1, 2
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


def draw_frame(
    seed: int, index: int, size: int = 128
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One frame of a synthetic endoscopy with its exact reference.

    Args:
        seed: Which series, at least 0.
        index: Which frame of it, at least 0; frames come in patients of
            `FRAMES_PER_PATIENT`.
        size: Side in pixels, at least 32.

    Returns:
        Image, `(size, size, 3)` uint8, and labels, `(size, size)` uint8, with the values
        of `CLASS_NAMES`. Equal arguments give equal arrays (another processor may round
        a pixel differently by one). A frame may show no polyp.

    Raises:
        ValueError: If an argument is too small.
    """
    if seed < 0 or index < 0 or size < 32:
        raise ValueError("seed and index must be at least 0, and size at least 32")
    patient = draw_patient(stream(seed, 0, index // FRAMES_PER_PATIENT))
    # Shapes and textures have streams of their own, so that a frame shows the same
    # scene at every size.
    shapes, textures = stream(seed, 1, index), stream(seed, 2, index)
    polyps = [
        draw_blob(shapes, size, polyp=True)
        for _ in range(int(np.searchsorted((0.1, 0.85), shapes.random())))
    ]
    bumps = [draw_blob(shapes, size, polyp=False) for _ in range(int(shapes.random() * 3))]
    tool = draw_instrument(shapes, size) if shapes.random() < 0.3 else None
    image = _render(patient, shapes, textures, polyps, bumps, tool, size)
    x, y = grid(size)
    visible = np.hypot(x, y) < patient.field_radius
    labels = np.zeros((size, size), dtype=np.uint8)
    for polyp in polyps:
        labels[(polyp.rho < 1) & visible] = _POLYP
    if tool is not None:
        labels[tool.inside & visible] = _INSTRUMENT
    return image, labels


def _render(
    patient: Patient,
    shapes: Generator,
    textures: Generator,
    polyps: list[Blob],
    bumps: list[Blob],
    tool: Instrument | None,
    size: int,
) -> NDArray[np.uint8]:
    coarse = fractal_noise(textures, size, 1, 5)
    fine = fractal_noise(textures, size, 5, 32, 1.1)
    depth, height = _wall(patient, shapes, coarse, size)
    for blob in polyps + bumps:
        height = height + blob.height
    light, glint = shade(shapes, height + 0.003 * fine, textures, size)
    light = light * np.exp(-0.62 * depth)
    albedo = _albedo(patient, shapes, textures, polyps, coarse, fine, size)
    if tool is not None:
        light = light * (1 - 0.55 * tool.shadow)
    radiance = albedo * (patient.gain * light)[..., None]
    glint = glint * np.clip(light * 1.6, 0, 1)
    radiance += 2.2 * glint[..., None]
    if tool is not None:
        lit = tool.color * (0.5 + 0.5 * float(light.mean())) * 2.0
        radiance = np.where(tool.inside[..., None], lit, radiance)
    return _expose(patient, shapes, textures, radiance, size)


def _wall(patient: Patient, rng: Generator, coarse: Field, size: int) -> tuple[Field, Field]:
    """Depth below the nearest wall and height of folds that circle the lumen."""
    x, y = grid(size)
    angle, distance = uniform(rng, 0, 2 * math.pi), uniform(rng, 0.0, 1.5)
    dx = x - distance * math.cos(angle) + 0.09 * coarse
    dy = y - distance * math.sin(angle) + 0.09 * np.roll(coarse, size // 3, axis=0)
    r, theta = np.hypot(dx, dy), np.arctan2(dy, dx)
    depth = np.clip(-np.log(r / 1.5 + 0.04), -0.2, None)
    corners = uniform(rng, 0.0, 0.7) * np.cos(3 * theta + uniform(rng, 0, 2 * math.pi))
    phase = 2 * math.pi * patient.fold_rate * depth + corners + uniform(rng, 0, 2 * math.pi)
    # Skewed, so that a fold has a lit face and a steep, dark back.
    ridge = (0.5 + 0.5 * np.sin(phase + 0.6 * np.sin(phase))) ** 2
    strength = uniform(rng, 0.03, 0.2) * smoothstep(coarse, -1.8, 0.6)
    height = strength * np.minimum(r, 1.0) * ridge + 0.02 * coarse
    return np.asarray(depth, dtype=np.float32), np.asarray(height, dtype=np.float32)


def _albedo(
    patient: Patient,
    rng: Generator,
    textures: Generator,
    polyps: list[Blob],
    coarse: Field,
    fine: Field,
    size: int,
) -> Field:
    """Colour of the wall, its vessels, residue, and the polyps' own surface."""
    tangle = fractal_noise(textures, size, 2, 14, 1.4)
    vessel = np.exp(-((tangle / 0.13) ** 2)) * smoothstep(np.roll(coarse, size // 2, 1), -0.6, 0.6)
    tone = 1 + 0.05 * fine + 0.06 * coarse
    for polyp in polyps:
        vessel = vessel * (1 - 0.8 * polyp.inside)
    vessel = vessel * patient.vessels
    albedo = patient.color * tone[..., None]
    albedo *= 1 - vessel[..., None] * np.array([0.22, 0.5, 0.42], dtype=np.float32)
    pits = fractal_noise(textures, size, 14, 45, 0.6)
    for polyp in polyps:
        tint = 1 + (patient.polyp_tint - 1) * polyp.inside[..., None]
        albedo *= tint * (1 + uniform(rng, 0.0, 0.09) * pits * polyp.inside)[..., None]
        albedo *= 1 - 0.3 * polyp.crease[..., None]
    if rng.random() < 0.35:
        residue = smoothstep(np.roll(tangle, size // 4, 0) + 0.4 * fine, 1.5, 2.1)[..., None]
        albedo += residue * (np.array([0.75, 0.6, 0.22], dtype=np.float32) - albedo) * 0.7
    return np.asarray(albedo, dtype=np.float32)


def _expose(
    patient: Patient, rng: Generator, textures: Generator, radiance: Field, size: int
) -> NDArray[np.uint8]:
    """Optics and sensor: motion blur, vignette, round field, saturation, noise."""
    blur = 0.35 + (uniform(rng, 0.5, 2.0) if rng.random() < 0.25 else 0.0)
    sigma = (blur, 0.4) if rng.random() < 0.5 else (0.4, blur)
    blurred = ndimage.gaussian_filter(
        radiance, (sigma[0] * size / 128, sigma[1] * size / 128, 0), truncate=2.5
    )
    x, y = grid(size)
    r = np.hypot(x, y)
    image = (1.0 - np.exp(-blurred)) * (1 - 0.22 * r * r)[..., None]
    image *= smoothstep(r, patient.field_radius + 0.02, patient.field_radius - 0.02)[..., None]
    image += np.float32(patient.noise) * textures.standard_normal(image.shape, dtype=np.float32)
    return np.asarray(np.clip(image * 255 + 0.5, 0, 255), dtype=np.uint8)
