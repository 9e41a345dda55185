"""Cases that show the same stay on one side of a split, and what is told where they do not."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ecs_med.splits.document import Role
from ecs_med.splits.ordering import group_key
from ecs_med.splits.partition import Parts
from ecs_med.splits.split import Split
from ecs_med.types import Case

__all__ = ["join_cases", "joined_warnings", "leak_warnings"]

_NUM_SHOWN = 3
_PARTS: dict[Role, str] = {"labeled": "training", "unlabeled": "training"}


def join_cases(cases: Sequence[Case], joined: Iterable[Sequence[str]]) -> tuple[Case, ...]:
    """Give the cases of each group one patient, that of the first; so they are never divided.

    Where a case has a patient, all cases of that patient come along. Cases that the data set
    itself puts into validation or test stay as they are.

    Args:
        cases: Unique ids.
        joined: Groups of ids; others than those of `cases` are passed over.

    Returns:
        The cases in their order; those without a group unchanged.
    """
    together = [*joined]
    if not together:
        return tuple(cases)
    movable = {case.id: group_key(case) for case in cases if case.partition in (None, "train")}
    leader: dict[str, str] = {}

    def find(key: str) -> str:
        while key in leader:
            key = leader[key]
        return key

    for group in together:
        keys = {find(movable[id_]) for id_ in group if id_ in movable}
        # In this order patients come first, so that a name that is known stays.
        first, *others = sorted(keys, reverse=True) or [""]
        leader.update(dict.fromkeys(others, first))
    moved = {find(key) for key in leader}
    return tuple(
        replace(case, patient=_patient(find(movable[case.id])))
        if case.id in movable and find(movable[case.id]) in moved
        else case
        for case in cases
    )


def _patient(key: str) -> str:
    kind, _, name = key.partition(":")
    return name if kind == "patient" else f"as {name}"


def joined_warnings(grouped: Sequence[Case], cases: Sequence[Case], parts: Parts) -> list[str]:
    """A sentence on cases that were drawn together, if there are any.

    Args:
        grouped: As `join_cases` gives them.
        cases: As they were before.
        parts: How they were divided; where the data set itself gives all parts, nothing is said.
    """
    if all(c.partition in ("validation", "test") for c in (*parts.validation, *parts.test)):
        return []
    ids: dict[str | None, list[str]] = defaultdict(list)
    for case, before in zip(grouped, cases, strict=True):
        if case.patient != before.patient:
            ids[case.patient].append(case.id)
    if not ids:
        return []
    shown = "; ".join(" and ".join(group[:_NUM_SHOWN]) for group in list(ids.values())[:_NUM_SHOWN])
    more = ", and others" if len(ids) > _NUM_SHOWN else ""
    return [
        f"{sum(map(len, ids.values()))} cases show what another one shows ({shown}{more}) and were "
        "drawn into one part with it; keep one of each."
    ]


def leak_warnings(
    split: Split, joined: Iterable[Sequence[str]], *, learns_from_unlabeled: bool
) -> list[str]:
    """Say which cases are trained on, and validated or tested on as well, under another name.

    Args:
        split: Of one run.
        joined: Groups of ids of cases that show the same.
        learns_from_unlabeled: Whether the method trains on unlabelled images.
    """
    roles = split.roles()
    if not learns_from_unlabeled:
        roles = {id_: role for id_, role in roles.items() if role != "unlabeled"}
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for group in joined:
        by_part: dict[str, str] = {}
        for id_ in group:
            if id_ in roles and roles[id_] != "unused":
                by_part.setdefault(_PARTS.get(roles[id_], roles[id_]), id_)
        for first, second in (("training", "test"), ("training", "validation"),
                              ("validation", "test")):  # fmt: skip
            if first in by_part and second in by_part:
                found[first, second].append(f"{by_part[first]} and {by_part[second]}")
    return [
        f"{_pictures(pairs)} in {first} and in {second} ({_some(pairs)}): scores will look better "
        "than they are; keep one of each in the data."
        for (first, second), pairs in found.items()
    ]


def _pictures(pairs: Sequence[str]) -> str:
    return "The same case is" if len(pairs) == 1 else f"{len(pairs)} cases are the same"


def _some(pairs: Sequence[str]) -> str:
    more = f"; and {len(pairs) - _NUM_SHOWN} more" if len(pairs) > _NUM_SHOWN else ""
    return "; ".join(pairs[:_NUM_SHOWN]) + more
