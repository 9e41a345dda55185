"""Calibration: whether a share p of the pixels that are called right with probability p is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ecs_med.records import Record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["NUM_INTERVALS", "Calibration", "calibration_from_counts"]

NUM_INTERVALS = 15
"""Equal parts of 0..1, as is customary since Guo et al. 2017."""


class Calibration(Record):
    """A reliability diagram: pixels by the probability that the segmentation is right there."""

    predicted: tuple[float | None, ...]
    """Mean probability in each of `NUM_INTERVALS` equal parts of 0..1; `None` without a pixel."""
    observed: tuple[float | None, ...]
    """Share of those pixels that are right; likewise."""
    num_pixels: tuple[int, ...]
    """How many pixels they are."""
    expected_error: float | None
    """Mean distance of the two, weighted by pixels, 0..1; `None` without a pixel."""


def calibration_from_counts(
    right: "npt.NDArray[np.int64]",
    wrong: "npt.NDArray[np.int64]",
    probabilities: Sequence[float],
) -> Calibration:
    """Reliability diagram and expected calibration error of a histogram.

    Args:
        right: Pixels that are right, by bin, `(K,)`.
        wrong: Pixels that are wrong, likewise.
        probabilities: Probability of "right" of each bin, K values in 0..1.

    Returns:
        As exact as the bins are fine.

    Source:
        Guo et al. 2017, "On Calibration of Modern Neural Networks", eq. 3.
    """
    import numpy as np

    values = np.asarray(probabilities)
    interval = np.minimum((values * NUM_INTERVALS).astype(np.int64), NUM_INTERVALS - 1)
    total = right + wrong
    sizes, hits, sums = (
        [float(weights[interval == index].sum()) for index in range(NUM_INTERVALS)]
        for weights in (total, right, total * values)
    )
    num_pixels = sum(sizes)
    gap = sum(abs(hit - expected) for hit, expected in zip(hits, sums, strict=True))
    return Calibration(
        predicted=_ratios(sums, sizes),
        observed=_ratios(hits, sizes),
        num_pixels=tuple(int(size) for size in sizes),
        expected_error=gap / num_pixels if num_pixels else None,
    )


def _ratios(parts: Sequence[float], wholes: Sequence[float]) -> tuple[float | None, ...]:
    pairs = zip(parts, wholes, strict=True)
    return tuple(part / whole if whole else None for part, whole in pairs)
