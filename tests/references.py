"""Slow, independent references: plain loops over pixels in NumPy, float64."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

IGNORE = 255

Labels = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]


def pixels(labels: Labels) -> Iterator[tuple[int, ...]]:
    """Indices of all pixels, `(n, *spatial)`."""
    return np.ndindex(*labels.shape)


def softmax(logits: Scores) -> Scores:
    """Over axis 1."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def at(scores: Scores, pixel: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """The scores of all classes at one pixel."""
    return np.array([scores[(pixel[0], k, *pixel[1:])] for k in range(scores.shape[1])])


def correction_map(predicted: Labels, reference: Labels, num_classes: int) -> Labels:
    """Eq. 1."""
    out = np.empty_like(reference)
    for p in pixels(reference):
        if reference[p] == IGNORE:
            out[p] = IGNORE
        elif predicted[p] == reference[p]:
            out[p] = num_classes
        else:
            out[p] = reference[p]
    return out


def pseudo_labels(segmented: Labels, corrected: Labels, num_classes: int) -> Labels:
    """Eq. 4."""
    out = np.empty_like(segmented)
    for p in pixels(segmented):
        out[p] = segmented[p] if corrected[p] == num_classes else corrected[p]
    return out


def cross_entropy(
    logits: Scores,
    labels: Labels,
    weights: npt.NDArray[np.float64] | None = None,
    focusing: float = 0,
) -> float:
    """Weighted mean over pixels that are not void."""
    probabilities = softmax(logits)
    total = norm = 0.0
    for p in pixels(labels):
        if labels[p] == IGNORE:
            continue
        weight = 1.0 if weights is None else weights[labels[p]]
        chance = at(probabilities, p)[labels[p]]
        total += weight * (1 - chance) ** focusing * -np.log(chance)
        norm += weight
    return total / norm if norm else 0.0


def corrector_weights(num_classes: int, class_weight: float) -> npt.NDArray[np.float64]:
    """Alpha of section 3.1."""
    return np.array([class_weight] * num_classes + [1.0])


def negated_focal_loss(logits: Scores, labels: Labels, corrector: Scores, gamma: float) -> float:
    """Eqs. 5 and 6."""
    probabilities = softmax(logits)
    total, count = 0.0, 0
    for p in pixels(labels):
        if labels[p] == IGNORE:
            continue
        sure = at(corrector, p).max() ** gamma
        total += sure * -np.log(at(probabilities, p)[labels[p]])
        count += 1
    return total / count if count else 0.0
