"""Clusters of feature vectors that are the same on every run."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Clusters", "find_clusters", "unit_vectors"]

_ROUNDS = 50

Points = npt.NDArray[np.float64]


class Clusters(NamedTuple):
    """Which cluster each point belongs to, and how far it is from the centre of that."""

    labels: npt.NDArray[np.intp]
    distances: Points


def unit_vectors(features: Sequence[Sequence[float]]) -> Points:
    """Features relative to their mean, each brought to length 1, so that directions count.

    Returns:
        `(n, d)`; what equals the mean stays 0.
    """
    points = np.array(features, np.float64).reshape(len(features), -1)
    points -= points.mean(axis=0, keepdims=True)
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    return points / np.where(lengths > 1e-12, lengths, 1.0)


def find_clusters(points: Points, count: int) -> Clusters:
    """K-means without chance: the first centre is the most central point, each next the farthest.

    Args:
        points: `(n, d)`, n at least 1.
        count: Clusters asked for; where fewer points differ, there are as many as these.

    Source:
        Gonzalez 1985 (farthest-first traversal), Lloyd 1982.
    """
    centres = points[_farthest_first(points, count)]
    labels, distances = _nearest(points, centres)
    for _ in range(_ROUNDS):
        for label in range(len(centres)):
            members = points[labels == label]
            if len(members):
                centres[label] = members.mean(axis=0)
        former, (labels, distances) = labels, _nearest(points, centres)
        if (labels == former).all():
            break
    return Clusters(labels, distances)


def _farthest_first(points: Points, count: int) -> list[int]:
    middle = points.mean(axis=0, keepdims=True)
    chosen = [int(np.argmin(_nearest(points, middle)[1]))]
    far = _nearest(points, points[chosen])[1]
    while len(chosen) < count and far.max() > 1e-9:
        chosen.append(int(np.argmax(far)))
        far = np.minimum(far, _nearest(points, points[chosen[-1:]])[1])
    return chosen


def _nearest(points: Points, centres: Points) -> tuple[npt.NDArray[np.intp], Points]:
    """The nearest centre of each point and its distance; of equal ones the first."""
    labels = np.zeros(len(points), np.intp)
    best = np.full(len(points), np.inf)
    for label, centre in enumerate(centres):
        distance = np.linalg.norm(points - centre, axis=1)
        # What differs by rounding alone is no reason to change the cluster.
        nearer = distance < best - 1e-12
        labels[nearer], best[nearer] = label, distance[nearer]
    return labels, best
