"""How well a doubt finds the pixels that a segmentation has wrong: AUROC, average precision.

Everything is a pure function of counts of pixels by doubt, so that counts of several cases add up.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ecs_med.metrics.calibration import Calibration, calibration_from_counts
from ecs_med.records import Record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Counts = npt.NDArray[np.int64]

__all__ = [
    "Detection",
    "ErrorDetection",
    "PixelGroup",
    "auroc",
    "average_precision",
    "detection_from_counts",
]


class Detection(Record):
    """One detector of wrong pixels; `None` where no pixel, or every pixel, is wrong."""

    auroc: float | None
    """Probability that a wrong pixel is doubted more than a right one, ties halved; 0.5: chance."""
    average_precision: float | None
    """Mean share of wrong pixels among those doubted most; chance is the share of all that are."""


class PixelGroup(Record):
    """Both detectors on the same pixels."""

    num_pixels: int
    """Pixels, void not counted."""
    wrong_share: float | None
    """Share that the segmenter has wrong, 0..1; `None` without a pixel."""
    corrector: Detection
    """Its 1 - P(right)."""
    confidence: Detection
    """The segmenter's own 1 - largest probability, which costs nothing."""


class ErrorDetection(Record):
    """Whether a corrector knows where its segmenter is wrong, beside what the segmenter knows."""

    all_pixels: PixelGroup
    """All but void."""
    foreground: PixelGroup
    """Pixels whose reference is not background: errors there are what is missed or confused."""
    per_class: tuple[PixelGroup, ...]
    """Pixels of each reference class, background first."""
    calibration: Calibration
    """Of the corrector's P(right), over all pixels."""
    confidence_calibration: Calibration
    """Of the segmenter's largest probability, likewise."""

    @property
    def decisive(self) -> PixelGroup:
        """Foreground pixels where detectors are defined on them, else all pixels."""
        known = self.foreground.corrector.auroc is not None
        return self.foreground if known else self.all_pixels

    def weakness(self) -> str | None:
        """A sentence where the corrector knows no more than its segmenter, else `None`.

        That is where its AUROC is not above the one of the segmenter's confidence, or not above
        0.5, on foreground pixels, since what is missed stays missed where nothing doubts it; where
        no foreground pixel is wrong, or all of them are, on all pixels.
        """
        group = self.decisive
        own, plain = group.corrector.auroc, group.confidence.auroc
        if own is None or plain is None or own > max(plain, 0.5):
            return None
        rival = "the segmenter's own confidence" if own <= plain else "guessing"
        where = "foreground pixels" if group is self.foreground else "pixels"
        return (
            f"The corrector finds the segmenter's errors no better than {rival}: on the {where} of "
            f"the validation cases its AUROC is {own:.3f}, that of the segmenter's confidence "
            f"{plain:.3f}, that of guessing 0.5; its certainty tells little, and a method without "
            "a corrector may do as well."
        )


def auroc(wrong: "Counts", right: "Counts") -> float | None:
    """Area under the curve of hits over false alarms.

    Args:
        wrong: Wrong pixels by doubt, `(K,)`, ascending.
        right: Right ones, likewise.

    Returns:
        0..1, pixels of one doubt counted half; `None` where one of the two has no pixel.

    Source:
        Hanley and McNeil 1982: the Mann-Whitney statistic over the number of pairs.

    Example:
        >>> import numpy as np
        >>> auroc(np.array([0, 2, 2]), np.array([3, 1, 0]))
        0.9375
    """
    num_wrong, num_right = float(wrong.sum()), float(right.sum())
    if not num_wrong or not num_right:
        return None
    less_doubted = right.cumsum() - right / 2
    return float((wrong / num_wrong) @ (less_doubted / num_right))


def average_precision(wrong: "Counts", right: "Counts") -> float | None:
    """Precision at each doubt, weighted by the wrong pixels that it adds; no interpolation.

    Args:
        wrong: Wrong pixels by doubt, `(K,)`, ascending.
        right: Right ones, likewise.

    Returns:
        0..1; `None` where one of the two has no pixel.

    Example:
        >>> import numpy as np
        >>> average_precision(np.array([1, 0, 1]), np.array([0, 1, 0]))
        0.8333333333333333
    """
    num_wrong = float(wrong.sum())
    if not num_wrong or not right.any():
        return None
    found = wrong[::-1].cumsum()
    doubted = found + right[::-1].cumsum()
    precision = found / doubted.clip(min=1)
    return float((wrong[::-1] / num_wrong) @ precision)


def detection_from_counts(counts: "Counts", right_of_bin: Sequence[float]) -> ErrorDetection:
    """All that counts of pixels by doubt give.

    Args:
        counts: `(2, N, 2, K)`: corrector and segmenter; reference class; right, wrong; doubt,
            ascending.
        right_of_bin: Probability of "right" that a doubt stands for, K values.
    """
    whole, foreground = counts.sum(axis=1), counts[:, 1:].sum(axis=1)
    corrector, confidence = (
        calibration_from_counts(right, wrong, right_of_bin) for right, wrong in whole
    )
    return ErrorDetection(
        all_pixels=_group(whole),
        foreground=_group(foreground),
        per_class=tuple(_group(counts[:, label]) for label in range(counts.shape[1])),
        calibration=corrector,
        confidence_calibration=confidence,
    )


def _group(counts: "Counts") -> PixelGroup:
    num_right, num_wrong = (int(part.sum()) for part in counts[0])
    total = num_right + num_wrong
    corrector, confidence = (
        Detection(auroc=auroc(wrong, right), average_precision=average_precision(wrong, right))
        for right, wrong in counts
    )
    return PixelGroup(
        num_pixels=total,
        wrong_share=num_wrong / total if total else None,
        corrector=corrector,
        confidence=confidence,
    )
