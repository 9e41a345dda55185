"""The acquisition ClaSP PE: uncertainty of each class in turn, and noise that fades."""

import math
from collections.abc import Sequence
from typing import ClassVar

from ecs_med.acquisition.base import Acquisition, Need, Pool
from ecs_med.acquisition.wording import drawn, place_of, standing_out
from ecs_med.splits.ordering import GUIDED, PERIOD, uniform

__all__ = ["Clasp", "sharpness"]

_LAST_ROUND = 4
_SHARPEST = 100.0


class Clasp(Acquisition):
    """Of every three two by the entropy of a class, the classes taking turns, and one by all.

    A score is log u + G / beta, where G has a standard Gumbel distribution and u is the mean of
    H(p) p_c for the class c whose turn it is, or that of H(p). For the highest k scores this draws
    k cases without replacement in proportion to u^beta. The published rule averages p over an
    ensemble; here p is the one model's, so that a candidate is segmented once.
    """

    name: ClassVar[str] = "clasp"
    title: ClassVar[str] = "class-wise uncertainty with fading noise"
    source: ClassVar[str] = "ClaSP PE (TMLR 2026), on one model instead of an ensemble"
    rule: ClassVar[str] = (
        "Of every three, two by the segmenter's entropy weighted by the probability of a "
        "foreground class, the classes taking turns, and one by its entropy; with noise that fades "
        "as labels are added."
    )
    needs: ClassVar[Need] = "model"

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self._beta = sharpness(pool.num_labeled, pool.count)
        self._num_classes = max(1, len(pool.class_names))
        self._uncertain = [self._measured(label) for label in range(self._num_classes)]
        self._ranks = [self._noisy(label) for label in range(self._num_classes)]
        self._turn = 0
        self._asked: dict[int, int] = {}

    def pick(self, allowed: Sequence[int], chosen: Sequence[int]) -> int:
        """The highest for the class whose turn it is; of equal ones the first."""
        label = 0
        if len(chosen) % PERIOD < GUIDED and self._num_classes > 1:
            label = 1 + self._turn % (self._num_classes - 1)
            self._turn += 1
        index = max(allowed, key=self._ranks[label].__getitem__)
        self._asked[index] = label
        return index

    def score(self, index: int) -> float:
        """What it was picked by, without the noise, 0..1; the mean entropy of one that was not."""
        return self._uncertain[self._asked.get(index, 0)][index]

    def reason(self, index: int) -> str:
        """Which class, how unsure, and what is drawn."""
        label = self._asked.get(index, 0)
        of = f" for {self.pool.class_names[label]}" if label else ""
        place = place_of(self._uncertain[label], index)
        where = standing_out(self.pool, index)
        drawing = drawn(self.pool, index)
        return f"{place} by the model's entropy{of}, drawn with chance{where}; {drawing}."

    def _measured(self, label: int) -> list[float]:
        """Mean of H(p) for 0, of H(p) p_c for a foreground class, by candidate."""
        if label == 0:
            return [look.entropy or 0.0 for look in self.pool.looks]
        return [look.class_entropies[label] for look in self.pool.looks]

    def _noisy(self, label: int) -> list[float]:
        return [
            (math.log(value) if value > 0 else -math.inf)
            + _gumbel(f"{self.pool.seed}:suggest:clasp:{label}:{case.id}") / self._beta
            for case, value in zip(self.pool.cases, self._uncertain[label], strict=True)
        ]


def sharpness(num_labeled: int, count: int) -> float:
    """Beta of the noise: from 1 with the first labels to 100 in the fifth round, by equal factors.

    A round is told by how many times `count` labels there are.

    Example:
        >>> [round(sharpness(n, 20), 1) for n in (0, 20, 40, 60, 80, 100, 500)]
        [1.0, 1.0, 3.2, 10.0, 31.6, 100.0, 100.0]
    """
    number = min(max(num_labeled / count - 1, 0), _LAST_ROUND)
    return float(_SHARPEST ** (number / _LAST_ROUND))


def _gumbel(text: str) -> float:
    # The middle of one of 2^53 equal parts of 0..1, so that neither logarithm is infinite.
    return -math.log(-math.log((math.floor(uniform(text) * 2**53) + 0.5) / 2**53))
