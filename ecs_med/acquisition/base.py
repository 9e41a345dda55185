"""The contract of an acquisition: a rule by which the next case to annotate is picked."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from ecs_med.acquisition.look import Look
from ecs_med.registry import Registry
from ecs_med.splits.ordering import digest, group_key
from ecs_med.types import Case

__all__ = ["ACQUISITIONS", "Acquisition", "Need", "Pool", "choose", "random_ranks"]

Need = Literal["nothing", "features", "model", "corrector"]
"""What a rule has to be told of a candidate: nothing, features of the packaged encoder, what a
model draws, and what its corrector says of that."""


@dataclass(frozen=True, slots=True)
class Pool:
    """All candidates, and how many of them are wanted.

    Attributes:
        cases: Candidates that could be read, sorted by id.
        looks: What was seen of each, in the same order.
        count: Suggestions asked for.
        seed: Of what is drawn.
        class_names: Of the model, background first; empty without one.
        num_labeled: Cases with labels that the model was trained on; 0 where nothing says so.
    """

    cases: Sequence[Case]
    looks: Sequence[Look]
    count: int
    seed: int = 0
    class_names: tuple[str, ...] = ()
    num_labeled: int = 0


class Acquisition(ABC):
    """A rule by which cases are picked one after the other.

    To add one, derive from this class and name it under the entry-point group
    `ecs_med.acquisitions`. Patients are no business of a rule: `choose` asks it only for cases of
    patients whose turn it is.

    Args:
        pool: The candidates.

    Example:
        >>> from ecs_med.acquisition import ACQUISITIONS
        >>> ACQUISITIONS.get("entropy").needs
        'model'
    """

    name: ClassVar[str]
    """Value of `by`."""
    title: ClassVar[str]
    """In messages and on the page."""
    source: ClassVar[str]
    """Where the rule comes from."""
    rule: ClassVar[str]
    """The rule in one sentence."""
    needs: ClassVar[Need] = "nothing"
    """What it has to be told."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    @abstractmethod
    def pick(self, allowed: Sequence[int], chosen: Sequence[int]) -> int:
        """Pick one case.

        Args:
            allowed: Places in the pool of those whose turn it is, ascending, at least one.
            chosen: Those that were picked before, in order.
        """

    @abstractmethod
    def reason(self, index: int) -> str:
        """Why this case was picked, in a sentence."""

    def score(self, index: int) -> float | None:
        """The number by which it stands out; `None`, unless overridden, where there is none."""
        return None


ACQUISITIONS: Registry[Acquisition] = Registry("ecs_med.acquisitions", "acquisition", Acquisition)
"""Every rule that is installed or registered."""


def choose(acquisition: Acquisition) -> list[int]:
    """Pick as many as were asked for, or all; no patient twice before every other one was asked.

    A case whose patient is not known counts as a patient of its own.

    Returns:
        Places in the pool, the first suggestion first.
    """
    pool = acquisition.pool
    groups = [group_key(case) for case in pool.cases]
    asked: Counter[str] = Counter()
    left, chosen = list(range(len(groups))), list[int]()
    while left and len(chosen) < pool.count:
        fewest = min(asked[groups[index]] for index in left)
        allowed = [index for index in left if asked[groups[index]] == fewest]
        index = acquisition.pick(allowed, chosen)
        left.remove(index)
        chosen.append(index)
        asked[groups[index]] += 1
    return chosen


def random_ranks(pool: Pool) -> list[tuple[bytes, bytes]]:
    """Keys that sort the candidates at random: by patient, then within the patient.

    They follow from the seed and from names alone, as the draw of a split does, so that another
    candidate leaves the order of the others as it was.
    """
    return [
        (digest(f"{pool.seed}:suggest:{group_key(case)}"), digest(f"{pool.seed}:suggest:{case.id}"))
        for case in pool.cases
    ]
