"""Synthetic endoscopic views: a wet, folded, vascular wall under a headlight."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ecs_med_datasets.phantom_objects import (
    Blob,
    Field,
    Generator,
    Instrument,
    draw_blob,
    draw_instrument,
    fractal_noise,
    grid,
    smoothstep,
    stream,
    uniform,
)

__all__ = ["CLASS_NAMES", "FRAMES_PER_PATIENT", "draw_frame"]

CLASS_NAMES = ("background", "polyp", "instrument")
"""In the order of label values."""

FRAMES_PER_PATIENT = 2
"""Frames in a row that share a patient's colours, vessels and camera."""

_POLYP, _INSTRUMENT = 1, 2


@dataclass(frozen=True, slots=True)
class _Patient:
    """What the frames of one patient have in common."""

    color: NDArray[np.float32]
    polyp_tint: NDArray[np.float32]
    vessels: float
    gain: float
    noise: float
    field_radius: float
    fold_rate: float


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
    patient = _draw_patient(stream(seed, 0, index // FRAMES_PER_PATIENT))
    # Shapes and textures have streams of their own, so that a frame shows the same
    # scene at every size.
    shapes, textures = stream(seed, 1, index), stream(seed, 2, index)
    polyps = [draw_blob(shapes, size, polyp=True) for _ in range(_num_polyps(shapes))]
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


def _num_polyps(rng: Generator) -> int:
    return int(np.searchsorted((0.1, 0.85), rng.random()))


def _draw_patient(rng: Generator) -> _Patient:
    pale = float(rng.random())
    color = np.array(
        [uniform(rng, 0.9, 1.15), 0.27 + 0.2 * pale, 0.19 + 0.17 * pale + uniform(rng, -0.05, 0.05)]
    )
    # Redder than the wall, seldom paler.
    shift = math.copysign(uniform(rng, 0.35, 1.1), rng.random() - 0.1)
    tint = np.array([1 + 0.08 * abs(shift), 1 - 0.36 * shift, 1 - 0.34 * shift])
    return _Patient(
        color=color.astype(np.float32),
        polyp_tint=tint.astype(np.float32),
        vessels=uniform(rng, 0.15, 1.0),
        gain=uniform(rng, 1.2, 2.1),
        noise=uniform(rng, 0.008, 0.03),
        field_radius=uniform(rng, 1.02, 1.5),
        fold_rate=uniform(rng, 0.7, 1.5),
    )


def _render(
    patient: _Patient,
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
    light, glint = _shade(shapes, height + 0.003 * fine, textures, size)
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


def _wall(patient: _Patient, rng: Generator, coarse: Field, size: int) -> tuple[Field, Field]:
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


def _shade(rng: Generator, height: Field, textures: Generator, size: int) -> tuple[Field, Field]:
    """Lambert's law under a headlight, and the glints of a wet surface."""
    down, across = (slope * (size / 2) for slope in np.gradient(height))
    tilt, turn = uniform(rng, 0.1, 0.5), uniform(rng, 0, 2 * math.pi)
    lx, ly = tilt * math.cos(turn), tilt * math.sin(turn)
    norm = np.sqrt(1 + down * down + across * across)
    light = np.clip((1 - lx * across - ly * down) / norm / math.hypot(1, tilt), 0.05, None)
    ripple = fractal_noise(textures, size, 3, 22, 1.2) * 0.13
    slant = uniform(rng, 0.45, 0.7)
    hx, hy = slant * math.cos(turn + 0.5), slant * math.sin(turn + 0.5)
    miss = (across + ripple + hx) ** 2 + (down + np.roll(ripple, size // 2, axis=1) + hy) ** 2
    # Wet patches glint as a whole; elsewhere nothing does.
    wet = smoothstep(np.roll(ripple, size // 3, axis=0), -0.05, 0.12)
    glint = wet * np.exp(-miss / uniform(rng, 0.006, 0.03))
    return np.asarray(light, dtype=np.float32), np.asarray(glint, dtype=np.float32)


def _albedo(
    patient: _Patient,
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
    patient: _Patient, rng: Generator, textures: Generator, radiance: Field, size: int
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
