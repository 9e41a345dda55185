"""The parts of an earlier run, kept by one that goes on from its networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ecs_med.splits.document import Role
from ecs_med.types import Case, Partition

__all__ = ["Continued", "continue_parts"]

_HELD: Mapping[Role | None, Partition] = {"validation": "validation", "test": "test"}
_SEEN: tuple[Role, ...] = ("labeled", "unlabeled")


@dataclass(frozen=True, slots=True)
class Continued:
    """The cases of a run that goes on from another one.

    Attributes:
        cases: With the parts that they had there; those that are left out are gone.
        keep: Ids that its networks have seen in training, so that they are never tested on.
        left_out: Cases of patients that were validated or tested on, which it did not know.
        notes: What was done, one sentence or none.
    """

    cases: tuple[Case, ...]
    keep: frozenset[str]
    left_out: tuple[Case, ...]
    notes: tuple[str, ...]


def continue_parts(cases: Sequence[Case], before: Mapping[str, Role]) -> Continued:
    """Give cases the parts that they had in an earlier run.

    A draw by the seed is of the cases that have masks; where masks are added it is another draw,
    and what the networks of the earlier run were trained on would be tested on. So validation and
    test cases stay what they were, what was trained on is trained on, and new masks are for
    training unless the data set itself says otherwise.

    Args:
        cases: Unique ids.
        before: What the earlier run used them for, of those that it knew.
    """
    if not before:
        return Continued(tuple(cases), frozenset(), (), ())
    held = {
        case.id: _HELD[role]
        for case in cases
        if (role := before.get(case.id)) in _HELD and case.mask is not None
    }
    patients = {case.patient for case in cases if case.id in held} - {None}
    seen = frozenset(case.id for case in cases if before.get(case.id) in _SEEN)
    kept: list[Case] = []
    left_out: list[Case] = []
    for case in cases:
        if case.id in held:
            kept.append(replace(case, partition=held[case.id]))
        elif case.patient in patients and case.id not in seen and case.partition in (None, "train"):
            left_out.append(case)
        else:
            kept.append(replace(case, partition="train") if case.id in seen else case)
    number = len(held)
    note = (
        f"{number} validation and test case{'s are' if number != 1 else ' is'} as in the run that "
        "this one starts from, whose networks have not been trained on them."
    )
    return Continued(tuple(kept), seen, tuple(left_out), (note,) if held else ())
