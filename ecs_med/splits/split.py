"""Which case is for what in one run, and the file that keeps it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, get_args

from ecs_med.errors import BudgetError
from ecs_med.splits.document import Role, SplitCase, SplitDocument
from ecs_med.splits.hidden import HiddenReferences
from ecs_med.types import Case, UnlabeledCase

__all__ = ["Split"]

_WITH_MASK = ("labeled", "validation", "test")


@dataclass(frozen=True, slots=True)
class Split:
    """The cases of one run by role, each part sorted by id.

    Attributes:
        labeled: Trained on with their masks; never empty.
        unlabeled: Trained on without; a mask that exists is only in `hidden`.
        validation: The model is chosen on these; may be empty, and `warnings` says so.
        test: Scored once; never empty.
        unused: Left out.
        hidden: Masks of `unlabeled`, for reports only.
        seed: The seed that drew it.
        asked: The labelled budget as it was asked for.
        patients: Patient by case id, where patients are known.
        notes: How the parts came about, one sentence each.
        warnings: What a person should know of, one sentence each.
    """

    labeled: tuple[Case, ...]
    unlabeled: tuple[UnlabeledCase, ...]
    validation: tuple[Case, ...]
    test: tuple[Case, ...]
    unused: tuple[UnlabeledCase, ...]
    hidden: HiddenReferences
    seed: int
    asked: str
    patients: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_roles(
        cls,
        cases: Iterable[Case],
        roles: Mapping[str, Role],
        *,
        seed: int,
        asked: str,
        notes: Sequence[str] = (),
        warnings: Sequence[str] = (),
    ) -> Self:
        """Put every case into its part; the only place where masks become hidden.

        Args:
            cases: Unique ids; labelled, validation and test cases have masks.
            roles: The role of every case by id.
            seed: Kept in the split.
            asked: Kept in the split.
            notes: Kept in the split.
            warnings: Kept in the split.
        """
        parts: dict[Role, list[Case]] = {role: [] for role in get_args(Role)}
        for case in sorted(cases, key=lambda case: case.id):
            parts[roles[case.id]].append(case)
        everyone = [case for part in parts.values() for case in part]
        return cls(
            labeled=tuple(parts["labeled"]),
            unlabeled=tuple(case.without_mask() for case in parts["unlabeled"]),
            validation=tuple(parts["validation"]),
            test=tuple(parts["test"]),
            unused=tuple(case.without_mask() for case in parts["unused"]),
            hidden=HiddenReferences(
                {
                    case.without_mask(): case.mask
                    for case in parts["unlabeled"]
                    if case.mask is not None
                }
            ),
            seed=seed,
            asked=asked,
            patients={case.id: case.patient for case in everyone if case.patient is not None},
            notes=tuple(notes),
            warnings=tuple(warnings),
        )

    def roles(self) -> dict[str, Role]:
        """The role of every case by id, sorted by id."""
        parts: dict[Role, tuple[Case | UnlabeledCase, ...]] = {
            "labeled": self.labeled,
            "unlabeled": self.unlabeled,
            "validation": self.validation,
            "test": self.test,
            "unused": self.unused,
        }
        by_id = {case.id: role for role, part in parts.items() for case in part}
        return dict(sorted(by_id.items()))

    def counts(self) -> dict[Role, int]:
        """Number of cases by role, every role named."""
        counted = Counter(self.roles().values())
        return {role: counted[role] for role in get_args(Role)}

    def write(self, path: Path) -> None:
        """Write the split as JSON, one case a line, all of it or nothing.

        Raises:
            RunFolderError: If the file cannot be written.
        """
        rows = [
            SplitCase(id=id_, patient=self.patients.get(id_), role=role)
            for id_, role in self.roles().items()
        ]
        SplitDocument(
            seed=self.seed,
            labeled=self.asked,
            counts=self.counts(),
            notes=self.notes,
            warnings=self.warnings,
            cases=tuple(rows),
        ).write(path)

    @classmethod
    def read(cls, path: Path, cases: Iterable[Case]) -> Self:
        """Read a split and join it with the cases that the data set has now.

        Args:
            path: A file that `write` wrote.
            cases: All cases of the same data set, in any order.

        Raises:
            RunFolderError: If the file is missing, damaged, or no split.
            BudgetError: If its cases are not those of the data set.
        """
        document = SplitDocument.read(path)
        known = {case.id: case for case in cases}
        roles = document.roles()
        _check_against_data(path, roles, known)
        return cls.from_roles(
            known.values(),
            roles,
            seed=document.seed,
            asked=document.labeled,
            notes=document.notes,
            warnings=document.warnings,
        )


def _check_against_data(path: Path, roles: Mapping[str, Role], known: Mapping[str, Case]) -> None:
    unknown = sorted(roles.keys() - known.keys())
    if unknown:
        raise BudgetError(
            f"{path}: {_some(unknown)} {_is(unknown)} not in the data set; "
            "check that `data` is the folder that the split was drawn from."
        )
    missing = sorted(known.keys() - roles.keys())
    if missing:
        raise BudgetError(
            f"{path}: {_some(missing)} of the data set {_is(missing)} not in the split; "
            "the data has grown since, so draw a new split or take the new cases out."
        )
    bare = sorted(id_ for id_, role in roles.items() if role in _WITH_MASK and not known[id_].mask)
    if bare:
        raise BudgetError(
            f"{path}: {_some(bare)} {_is(bare)} {roles[bare[0]]} in the split but without a mask "
            "in the data set; put the mask back or draw a new split."
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
