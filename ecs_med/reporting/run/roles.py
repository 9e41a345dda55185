"""Which case plays which role in a run, ready for the template."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ecs_med.reporting.run.history import number
from ecs_med.reporting.run.reading import RunRecord, inner

__all__ = ["Role", "roles"]

_ROLES = {
    "labeled": "labelled, for training",
    "unlabeled": "unlabelled, for training",
    "validation": "validation, chooses the model",
    "test": "test, scored once",
    "unused": "left out",
}
MAX_LISTED = 2000
"""Case ids shown of one role; more would only weigh the report down."""


@dataclass(frozen=True, slots=True)
class Role:
    """One role in the split.

    Attributes:
        key: `labeled`, `unlabeled`, `validation`, `test` or `unused`.
        name: The role in words.
        num_cases: Cases in it.
        ids: Their ids, `MAX_LISTED` at most.
        share: Of all cases, in percent.
    """

    key: str
    name: str
    num_cases: int
    ids: tuple[str, ...]
    share: float


def roles(record: RunRecord) -> tuple[Role, ...]:
    """Who does what in the split, in the order of `_ROLES`; `unused` only where there are any."""
    members = _members(record.split)
    data = inner(record.manifest, "data")
    sizes = {
        key: len(members.get(key, ())) or int(number(data.get(f"num_{key}")) or 0) for key in _ROLES
    }
    total = sum(sizes.values())
    return tuple(
        Role(
            key,
            name,
            sizes[key],
            tuple(members.get(key, ())[:MAX_LISTED]),
            round(100 * sizes[key] / total, 2) if total else 0.0,
        )
        for key, name in _ROLES.items()
        if sizes[key] or key != "unused"
    )


def _members(split: Mapping[str, Any]) -> dict[str, list[str]]:
    """Case ids by role, whether the file lists cases with roles or roles with cases."""
    members: dict[str, list[str]] = {}
    cases = split.get("cases")
    if isinstance(cases, Mapping):
        cases = [{"id": case_id, "role": role} for case_id, role in cases.items()]
    if isinstance(cases, list):
        for case in cases:
            if isinstance(case, Mapping) and "id" in case:
                members.setdefault(str(case.get("role")), []).append(str(case["id"]))
        return members
    for key in _ROLES:
        listed = split.get(key)
        if isinstance(listed, list):
            members[key] = [
                str(c["id"]) if isinstance(c, Mapping) and "id" in c else str(c) for c in listed
            ]
    return members
