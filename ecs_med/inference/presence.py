"""Switching off classes that an image-level classifier does not find in a picture."""

from collections.abc import Sequence

import torch

__all__ = ["has_background", "switch_off_absent"]

_OFF = -1e4
"""Logit of a class that is switched off: its probability is 0 in float32 and in half precision."""


def switch_off_absent(
    logits: torch.Tensor, presence: torch.Tensor, threshold: float
) -> torch.Tensor:
    """Take classes that a picture does not show out of its segmentation.

    Args:
        logits: Of the segmenter, `(B, N, *spatial)`; class 0 is the background.
        presence: Probability that a picture shows a class, `(B, N)`, 0..1.
        threshold: Classes below are switched off, the background never.

    Returns:
        The logits, a large negative number in channels that are switched off.

    Source:
        Mittal et al. 2019, section 3.2: the fusion of the two branches.
    """
    absent = presence < threshold
    absent[:, 0] = False
    return logits.masked_fill(absent.view(*absent.shape, *[1] * (logits.ndim - 2)), _OFF)


def has_background(class_names: Sequence[str]) -> bool:
    """Whether class 0 is what remains when nothing else is shown."""
    return class_names[0].casefold() == "background"
