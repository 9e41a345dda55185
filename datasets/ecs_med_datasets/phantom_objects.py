"""What a synthetic endoscopic view is made of: smooth random fields, and what lies in it."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

__all__ = [
    "Blob",
    "Field",
    "Generator",
    "Instrument",
    "Patient",
    "draw_blob",
    "draw_instrument",
    "draw_patient",
    "fractal_noise",
    "grid",
    "shade",
    "smoothstep",
    "stream",
    "uniform",
]

Field = NDArray[np.float32]
"""One value a pixel, `(H, W)`, or three, `(H, W, 3)`."""

Generator = np.random.Generator


def stream(*key: int) -> Generator:
    """A generator that the whole numbers of `key` decide, and nothing else.

    PCG64 is named, because NumPy may change what its default generator is.
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def uniform(rng: Generator, low: float, high: float) -> float:
    """One number from `low` to `high`."""
    return low + (high - low) * float(rng.random())


@lru_cache(maxsize=4)
def grid(size: int) -> tuple[Field, Field]:
    """Coordinates x and y of pixel centres, from -1 to 1, each `(size, size)`."""
    line = ((np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1).astype(np.float32)
    x = np.broadcast_to(line, (size, size))
    return x, x.T


@lru_cache(maxsize=32)
def _spectrum(size: int, low: float, high: float, slope: float) -> Field:
    down = np.fft.fftfreq(size)[:, None] * size
    across = np.fft.rfftfreq(size)[None, :] * size
    frequency = np.hypot(down, across)
    inside = (frequency >= low) & (frequency <= high)
    amplitude = np.where(inside, np.maximum(frequency, 0.5) ** -slope, 0)
    return amplitude.astype(np.float32)


def fractal_noise(rng: Generator, size: int, low: float, high: float, slope: float = 1.5) -> Field:
    """Smooth noise of all octaves between two frequencies, made in one inverse FFT.

    Args:
        rng: Where the phases come from.
        size: Side in pixels.
        low: Lowest frequency in cycles per frame, at least 1.
        high: Highest frequency in cycles per frame; capped by the grid itself.
        slope: Amplitude falls as frequency to the power of `-slope`.

    Returns:
        `(size, size)`, mean 0, standard deviation 1.
    """
    amplitude = _spectrum(size, low, high, slope)
    parts = rng.standard_normal((2, *amplitude.shape), dtype=np.float32)
    noise = fft.irfft2(amplitude * (parts[0] + 1j * parts[1]), s=(size, size))
    return np.asarray(noise / noise.std(), dtype=np.float32)


def smoothstep(value: Field, low: float, high: float) -> Field:
    """0 below `low`, 1 above `high` (or the reverse if `low > high`), smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Patient:
    """What the frames of one patient have in common."""

    color: NDArray[np.float32]
    polyp_tint: NDArray[np.float32]
    vessels: float
    gain: float
    noise: float
    field_radius: float
    fold_rate: float


def draw_patient(rng: Generator) -> Patient:
    """Colours, vessels and camera of a patient."""
    pale = float(rng.random())
    color = np.array(
        [uniform(rng, 0.9, 1.15), 0.27 + 0.2 * pale, 0.19 + 0.17 * pale + uniform(rng, -0.05, 0.05)]
    )
    # Redder than the wall, seldom paler.
    shift = math.copysign(uniform(rng, 0.35, 1.1), rng.random() - 0.1)
    tint = np.array([1 + 0.08 * abs(shift), 1 - 0.36 * shift, 1 - 0.34 * shift])
    return Patient(
        color=color.astype(np.float32),
        polyp_tint=tint.astype(np.float32),
        vessels=uniform(rng, 0.15, 1.0),
        gain=uniform(rng, 1.2, 2.1),
        noise=uniform(rng, 0.008, 0.03),
        field_radius=uniform(rng, 1.02, 1.5),
        fold_rate=uniform(rng, 0.7, 1.5),
    )


def shade(rng: Generator, height: Field, textures: Generator, size: int) -> tuple[Field, Field]:
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


@dataclass(frozen=True, slots=True)
class Blob:
    """A bulge of the wall, polyp or not, as fields over the frame.

    Attributes:
        rho: Distance from the centre in units of the outline, which is at 1.
        height: How far the wall is raised, in units of half a frame.
        inside: Soft membership, 0 to 1, 0.5 at the outline.
        crease: Darkening just outside of the outline, 0 to 1.
    """

    rho: Field
    height: Field
    inside: Field
    crease: Field


def draw_blob(rng: Generator, size: int, *, polyp: bool) -> Blob:
    """A rounded bulge at a random place.

    A polyp has an outline: it may be a dome, flat, or on a stalk's side with a deep
    crease. A bump that is none has the same sizes and shapes and fades into the wall.
    """
    x, y = grid(size)
    radius = 0.22 * 2.6 ** float(rng.random())
    angle, distance = uniform(rng, 0, 2 * math.pi), 0.7 * float(rng.random()) ** 0.6
    dx, dy = x - distance * math.cos(angle), y - distance * math.sin(angle)
    turn, stretch = uniform(rng, 0, math.pi), uniform(rng, 0.65, 1.0)
    u = (dx * math.cos(turn) + dy * math.sin(turn)) / (radius / stretch**0.5)
    v = (dy * math.cos(turn) - dx * math.sin(turn)) / (radius * stretch**0.5)
    theta = np.arctan2(v, u)
    outline = np.ones_like(theta)
    for lobe in range(2, 6):
        depth = uniform(rng, 0, 0.22) / lobe
        outline += depth * np.cos(lobe * theta + uniform(rng, 0, 2 * math.pi))
    rho = (np.hypot(u, v) / outline).astype(np.float32)
    flat, steep = float(rng.random()) < 0.35, uniform(rng, 0.35, 1.0)
    softness = uniform(rng, 0.04, 0.16) if polyp else 0.8
    inside = smoothstep(rho, 1 + softness, 1 - softness)
    below = np.clip(1 - rho * rho, 0, 1)
    dome = smoothstep(rho, 1.05, 0.55) * 0.35 if flat else np.sqrt(below)
    if not polyp:
        dome = np.exp(-1.5 * rho * rho)
    crease = np.exp(-(((rho - 1.06) / (0.05 + softness)) ** 2)) if polyp else np.zeros_like(rho)
    return Blob(
        rho=rho,
        height=np.asarray(radius * steep * dome, dtype=np.float32),
        inside=inside,
        crease=np.asarray(steep * crease * (0.4 if flat else 1.0), dtype=np.float32),
    )


@dataclass(frozen=True, slots=True)
class Instrument:
    """A metal or plastic tool over the frame.

    Attributes:
        inside: Where it is, bool.
        color: Its colour before exposure, `(H, W, 3)`.
        shadow: Shadow on the wall, 0 to 1.
    """

    inside: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    color: Field
    shadow: Field


def draw_instrument(rng: Generator, size: int) -> Instrument:
    """A shaft that enters from the border, with a tip of two jaws."""
    x, y = grid(size)
    entry = uniform(rng, 0, 2 * math.pi)
    tip_x, tip_y = uniform(rng, -0.45, 0.45), uniform(rng, -0.45, 0.45)
    away_x, away_y = math.cos(entry) * 1.5 - tip_x, math.sin(entry) * 1.5 - tip_y
    length = math.hypot(away_x, away_y)
    along_x, along_y = away_x / length, away_y / length
    t = (x - tip_x) * along_x + (y - tip_y) * along_y
    s = (y - tip_y) * along_x - (x - tip_x) * along_y
    half = uniform(rng, 0.09, 0.16)
    # The shaft comes towards the camera, so it widens away from the tip.
    width = half * (1 + 0.35 * np.clip(t, 0, 2))
    shaft = (np.abs(s) < width) & (t > 0.0)
    opening, jaw = uniform(rng, 0.15, 0.75), uniform(rng, 2.2, 3.2) * half
    back = np.clip(-t / jaw, 0, 1)
    middle = half * (0.35 + opening * np.sin(back * 1.9))
    thick = half * (0.48 - 0.3 * back)
    jaws = (np.abs(np.abs(s) - middle) < thick) & (t <= 0) & (t > -jaw)
    inside = shaft | jaws
    across = np.where(shaft, s / width, (np.abs(s) - middle) / np.maximum(thick, 1e-3))
    round_ = np.sqrt(np.clip(1 - across * across, 0, 1))
    streak = np.exp(-(((across + uniform(rng, -0.4, 0.4)) / 0.16) ** 2))
    gray = uniform(rng, 0.12, 0.4) * (0.25 + 0.75 * round_) + uniform(rng, 0.25, 0.9) * streak
    rings = 1 - 0.35 * smoothstep(np.sin(t * uniform(rng, 25, 60)), 0.2, 0.9) * (t > 0.12)
    tint = np.array([1, uniform(rng, 0.9, 1.05), uniform(rng, 0.85, 1.15)], dtype=np.float32)
    color = (gray * rings)[..., None] * tint
    side = half * uniform(rng, -0.9, 0.9)
    shadow = smoothstep(np.abs(s - side), 2.2 * half, 0.8 * half) * smoothstep(t, -0.15, 0.1)
    return Instrument(inside, np.asarray(color, dtype=np.float32), shadow)
