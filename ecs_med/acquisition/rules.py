"""The acquisitions: at random, by foreground, by doubt, by entropy, and without a model."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ecs_med.acquisition.base import Acquisition, Need, Pool, random_ranks
from ecs_med.acquisition.clusters import find_clusters, unit_vectors
from ecs_med.acquisition.wording import drawn, place_of, standing_out
from ecs_med.splits.ordering import GUIDED, PERIOD, next_with_foreground

__all__ = ["ColdStart", "Doubt", "Entropy", "Foreground", "Random"]

DOUBTED_PER_SUGGESTION = 4
"""Of so many times the suggestions, the most doubted ones, clusters are made by `doubt`."""


class Random(Acquisition):
    """Patients at random."""

    name: ClassVar[str] = "random"
    title: ClassVar[str] = "random"
    source: ClassVar[str] = "what every other rule has to beat"
    rule: ClassVar[str] = "Patients in an order that the seed and their names decide."

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self._ranks = random_ranks(pool)

    def pick(self, allowed: Sequence[int], chosen: Sequence[int]) -> int:
        """The next at random."""
        return min(allowed, key=self._ranks.__getitem__)

    def reason(self, index: int) -> str:
        """The seed."""
        return f"Drawn at random (seed {self.pool.seed})."


class Foreground(Acquisition):
    """Of every three suggestions two at random among those in which the model draws something."""

    name: ClassVar[str] = "foreground"
    title: ClassVar[str] = "foreground-aware random"
    source: ClassVar[str] = (
        "the baseline of nnActive (Luth et al. 2025), on predicted instead of seen foreground"
    )
    rule: ClassVar[str] = (
        "Of every three, two are drawn at random among images in which the model draws a "
        "foreground class, the classes taking turns, and one among all."
    )
    needs: ClassVar[Need] = "model"

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self._ranks = random_ranks(pool)
        self._pixels = [look.pixels for look in pool.looks]
        self._turn = 0
        self._guided: set[int] = set()

    def pick(self, allowed: Sequence[int], chosen: Sequence[int]) -> int:
        """The next at random, of those that show the class whose turn it is in two of three."""
        ordered = sorted(allowed, key=self._ranks.__getitem__)
        num_classes, before = len(self.pool.class_names), self._turn
        if len(chosen) % PERIOD >= GUIDED or num_classes < 2:
            return ordered[0]
        place, self._turn = next_with_foreground(ordered, self._pixels, num_classes, before)
        if self._turn != before:
            self._guided.add(ordered[place])
        return ordered[place]

    def score(self, index: int) -> float:
        """Share of the image that the model draws as foreground."""
        return self.pool.looks[index].foreground

    def reason(self, index: int) -> str:
        """What the model draws."""
        how = "among images with foreground" if index in self._guided else "among all images"
        return f"Drawn at random {how}; {drawn(self.pool, index)}."


class Entropy(Acquisition):
    """The images of which the segmenter is least sure."""

    name: ClassVar[str] = "entropy"
    title: ClassVar[str] = "entropy of the segmenter"
    source: ClassVar[str] = "uncertainty sampling (Lewis and Gale 1994)"
    rule: ClassVar[str] = (
        "The highest mean entropy of the segmenter's probabilities over all pixels of an image."
    )
    needs: ClassVar[Need] = "model"

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self._scores = [look.entropy or 0.0 for look in pool.looks]

    def pick(self, allowed: Sequence[int], chosen: Sequence[int]) -> int:
        """The highest; of equal ones the first."""
        return max(allowed, key=self._scores.__getitem__)

    def score(self, index: int) -> float:
        """Mean entropy, 0..1."""
        return self._scores[index]

    def reason(self, index: int) -> str:
        """How unsure, and what is drawn."""
        where = standing_out(self.pool, index)
        place = f"{place_of(self._scores, index)} by the model's entropy{where}"
        return f"{place}; {drawn(self.pool, index)}."


class Doubt(Acquisition):
    """Images whose drawn foreground the corrector holds for wrong, one of each kind."""

    name: ClassVar[str] = "doubt"
    title: ClassVar[str] = "doubt of the corrector"
    source: ClassVar[str] = (
        "of ecs-med, after ClaSP PE (class-weighted uncertainty, TMLR 2026) and PAAL (spread by "
        "clusters of features)"
    )
    rule: ClassVar[str] = (
        "The highest mean of (1 - P(right)) (1 - p of the background) over all pixels, one of each "
        f"cluster of features among the most doubted, {DOUBTED_PER_SUGGESTION} times as many as "
        "suggestions."
    )
    needs: ClassVar[Need] = "corrector"

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self._scores = [look.doubt or 0.0 for look in pool.looks]
        ordered = sorted(range(len(self._scores)), key=lambda index: (-self._scores[index], index))
        most = sorted(ordered[: DOUBTED_PER_SUGGESTION * pool.count])
        points = unit_vectors([pool.looks[index].features for index in most])
        labels = find_clusters(points, pool.count).labels.tolist()
        self._cluster = dict(zip(most, labels, strict=True))

    def pick(self, allowed: Sequence[int], chosen: Sequence[int]) -> int:
        """The most doubted of a cluster of which there is none yet, else of all."""
        used = {self._cluster.get(index) for index in chosen}
        fresh = [i for i in allowed if i in self._cluster and self._cluster[i] not in used]
        return max(fresh or allowed, key=self._scores.__getitem__)

    def score(self, index: int) -> float:
        """Mean doubt, 0..1."""
        return self._scores[index]

    def reason(self, index: int) -> str:
        """How doubtful, and what is drawn."""
        alike = sum(label == self._cluster.get(index) for label in self._cluster.values()) - 1
        ones = "one that looks" if alike == 1 else "ones that look"
        stands = f"it stands for {alike} other doubted {ones} like it; " if alike > 0 else ""
        where = standing_out(self.pool, index)
        place = f"{place_of(self._scores, index)} by the corrector's doubt{where}"
        return f"{place}; {stands}{drawn(self.pool, index)}."


class ColdStart(Acquisition):
    """One image of each cluster of features, for a first model."""

    name: ClassVar[str] = "coldstart"
    title: ClassVar[str] = "cover without a model"
    source: ClassVar[str] = "clusters of encoder features, one image from each"
    rule: ClassVar[str] = (
        "As many clusters of features of the packaged encoder as suggestions, the largest first, "
        "and of each the image nearest to its centre."
    )
    needs: ClassVar[Need] = "features"

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        points = unit_vectors([look.features for look in pool.looks])
        self._labels, self._distances = find_clusters(points, pool.count)
        sizes = np.bincount(self._labels)
        self._sizes = sizes.tolist()
        self._order = np.argsort(-sizes, kind="stable").tolist()

    def pick(self, allowed: Sequence[int], chosen: Sequence[int]) -> int:
        """The most central one of the largest cluster of which there is none yet, else of all."""
        used = {int(self._labels[index]) for index in chosen}
        for label in self._order:
            members = [index for index in allowed if self._labels[index] == label]
            if label not in used and members:
                return min(members, key=self._distances.__getitem__)
        return min(allowed, key=self._distances.__getitem__)

    def score(self, index: int) -> float:
        """Share of the candidates that lie in its cluster."""
        return float(self._sizes[self._labels[index]] / len(self._labels))

    def reason(self, index: int) -> str:
        """What it stands for."""
        size, total = self._sizes[self._labels[index]], len(self._labels)
        if size == 1:
            return f"Looks like none of the other {total - 1} candidates."
        return f"Stands for {size} of {total} candidates that look alike."
