"""What is kept of a candidate once it was looked at: a few numbers, one line of a file."""

import math
from collections.abc import Iterable
from typing import ClassVar

from ecs_med.acquisition.scores import CaseLine

__all__ = ["Look", "rounded"]

_DIGITS = 6


class Look(CaseLine):
    """One candidate after the pass; a line of `scores.jsonl`."""

    remedy: ClassVar[str] = "remove the file to look at the candidates again"

    entropy: float | None = None
    """Mean entropy of the segmenter over all pixels, 0..1; `None` without a model."""
    class_entropies: tuple[float, ...] = ()
    """Mean of H(p) p_c over all pixels by class, 0..1, their sum is `entropy`; none without a
    model."""
    doubt: float | None = None
    """Mean of (1 - P(right)) (1 - p of the background), 0..1; `None` without a corrector."""
    pixels: tuple[int, ...] = ()
    """Pixels of each class that the model draws, background first, on the prepared grid."""
    num_slices: int = 1
    """Prepared slices, 1 of a picture."""
    slice_index: int = 0
    """The prepared slice that stands out most: by doubt, else by entropy, else the middle one."""
    layers: tuple[int, ...] = ()
    """Layers of the file, from 0 along the axis of slices, that stand out, this one first; none of
    a picture, or without a model."""
    features: tuple[float, ...] = ()
    """Of an encoder, averaged over the image."""

    @property
    def foreground(self) -> float:
        """Share of the pixels that the model draws as foreground, 0..1."""
        return sum(self.pixels[1:]) / max(1, sum(self.pixels))


def rounded(values: Iterable[float]) -> tuple[float, ...]:
    """Numbers as they are kept: six digits, so that what is read back is what was measured.

    What is not finite, as of a network that has diverged, becomes 0.

    Example:
        >>> rounded([0.123456789, float("nan")])
        (0.123457, 0.0)
    """
    return tuple(float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else 0.0 for value in values)
