"""Grids and smooth random fields from which synthetic endoscopy is made."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

__all__ = ["Field", "Generator", "fractal_noise", "grid", "smoothstep", "stream", "uniform"]

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
