"""How often and on how many cases a run is validated: scoring costs no more than training.

Costs are counted, not timed, so that equal settings on equal data choose the same model, a run
resumes exactly, and all methods of a sweep are scored alike. The unit is the forward pass of one
pixel through the segmenter.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ecs_med.config import Preparation, TrainConfig
from ecs_med.data.readers import ScanHeader, read_header
from ecs_med.data.slicing import slicing_of
from ecs_med.sparse import LabeledCase
from ecs_med.splits.ordering import digest
from ecs_med.types import Case

__all__ = ["Schedule", "cases_in_between", "cost_of_scoring", "decide_schedule"]

STEP = 3.0
"""Forward passes that a supervised step is worth, per pixel of its crops (forward and backward).
Methods that also learn from unlabelled images, and the corrector's own scores, cost more and are
not counted: the schedule is that of every method."""
NATIVE = 0.05
"""Forward passes that one pixel of the scan's own grid is worth: labels are brought back to it and
counted. Measured on one thread of a CPU: 28 ns a pixel of a picture and 78 ns a voxel, beside
860 ns for a pixel through DeepLabv3+ on tf_efficientnet_lite0."""

MOST = 10
"""Validations at most, where nothing else is asked for."""
FEWEST_CASES = 8
"""The model is not chosen on fewer cases, where there are as many."""

_SAMPLE = 64
_MULTIPLE = 32


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a run is validated, and on what.

    Attributes:
        every: Iterations between validations; the last iteration is always followed by one.
        num_cases: Cases that each of them scores.
        num_all: Cases that there are to score.
        iterations: Length of the run.
        is_asked: Whether the settings said so.
    """

    every: int
    num_cases: int
    num_all: int
    iterations: int
    is_asked: bool = False

    def sentence(self) -> str:
        """What was chosen, for people.

        Example:
            >>> Schedule(100, 20, 20, 1000).sentence()
            'Every 100 of 1,000 iterations, on all 20 validation cases.'
        """
        when = f"Every {self.every:,} of {self.iterations:,} iterations"
        if self.every >= self.iterations:
            when = "Once, at the end"
        if not self.num_all:
            return "None: the last model is kept."
        if self.num_cases == self.num_all:
            why = "" if self.is_asked or self.every < self.iterations else self._reason()
            return f"{when}, on all {self.num_all} validation cases{why}."
        why = "" if self.is_asked else self._reason()
        some = f"{self.num_cases} of {self.num_all} validation cases"
        return f"{when}, on {some}{why}; the chosen model is scored on all of them."

    @staticmethod
    def _reason() -> str:
        return ", so that scoring costs no more than training"


def decide_schedule(config: TrainConfig, case_cost: float, num_all: int) -> Schedule:
    """Decide what the settings leave open; a pure function of settings and facts of the data.

    All validation cases are scored ten times where that costs no more than the training. Else they
    become fewer, and then the validations do; a single one at the end scores all cases.

    Args:
        config: With `iterations`, `batch` and `crop`; `evaluate_every` and `validation_cases` are
            obeyed where given. Where only the former is given, all cases are scored.
        case_cost: Of scoring one case, from `cost_of_scoring`.
        num_all: Cases that there are to score; 0 where the run is not validated.
    """
    assert config.iterations is not None
    assert config.batch is not None
    assert config.crop is not None
    iterations, asked_cases = config.iterations, config.validation_cases
    tenth = max(1, iterations // MOST)
    if config.evaluate_every is not None or not num_all:
        every = min(config.evaluate_every or tenth, iterations)
        return Schedule(every, min(asked_cases or num_all, num_all), num_all, iterations, True)
    training = STEP * iterations * config.batch * config.crop**2
    most = math.ceil(iterations / tenth)
    affordable = int(training / (most * case_cost))
    num_cases = min(asked_cases or max(affordable, FEWEST_CASES), num_all)
    times = min(most, int(training / (num_cases * case_cost)))
    every = tenth if times == most else math.ceil(iterations / max(times, 1))
    if every == iterations and asked_cases is None:
        num_cases = num_all
    return Schedule(every, num_cases, num_all, iterations, asked_cases is not None)


def cost_of_scoring(cases: Sequence[Case], preparation: Preparation) -> float:
    """Mean cost of scoring one of `cases`, by the headers of some of them.

    Args:
        cases: Of the whole collection, so that the cost is that of every split; up to 64, evenly
            spread, are looked at.
        preparation: How scans are prepared.

    Raises:
        DataError: If a header cannot be read.
    """
    sample = cases[:: -(-len(cases) // _SAMPLE)]
    headers = (read_header(case.images, case.frame) for case in sample)
    return math.fsum(_cost(header, preparation) for header in headers) / len(sample)


def cases_in_between(cases: Sequence[LabeledCase], num_cases: int) -> list[LabeledCase]:
    """The cases that are scored during the run: fixed by their names, in the order of `cases`."""
    chosen = sorted(cases, key=lambda case: digest(f"validation:{case.id}"))[:num_cases]
    ids = {case.id for case in chosen}
    return [case for case in cases if case.id in ids]


def _cost(header: ScanHeader, preparation: Preparation) -> float:
    slicing = slicing_of(header, preparation)
    padded = math.prod(-(-side // _MULTIPLE) * _MULTIPLE for side in slicing.size)
    native = math.prod(header.shape) // slicing.num_slices
    return slicing.num_slices * (padded + NATIVE * native)
