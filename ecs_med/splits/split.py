"""Which case is for what in one run, and masks outside the budget, out of reach of training."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import Self, get_args

from ecs_med.errors import BudgetError
from ecs_med.sparse import LabeledCase, SliceSelection, SparseCase
from ecs_med.splits.document import LabeledSlices, Role, SplitCase, SplitDocument
from ecs_med.splits.hidden import HiddenReferences
from ecs_med.types import Case, UnlabeledCase

__all__ = ["Split"]

_WITH_MASK = ("labeled", "validation", "test")


@dataclass(frozen=True, slots=True)
class Split:
    """The cases of one run by role, each part sorted by id.

    Attributes:
        labeled: Trained on with their masks; never empty. A `SparseCase` is a volume of which some
            slices are labelled.
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
        excluded: Ids of cases whose masks are used for nothing; these are unlabelled or unused.
    """

    labeled: tuple[LabeledCase, ...]
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
    excluded: frozenset[str] = frozenset()

    @classmethod
    def from_roles(
        cls,
        cases: Iterable[Case],
        roles: Mapping[str, Role],
        *,
        seed: int,
        asked: str,
        slices: Mapping[str, SliceSelection] | None = None,
        notes: Sequence[str] = (),
        warnings: Sequence[str] = (),
        excluded: Collection[str] = (),
    ) -> Self:
        """Put every case into the part of its role; the only place where masks become hidden.

        Ids are unique, every one has a role, and labelled, validation and test cases have masks.
        Of the volumes in `slices` these slices alone are labelled. Masks of `excluded` cases, which
        are unlabelled or unused, are not even among the hidden ones.
        """
        slices = slices or {}
        parts: dict[Role, list[Case]] = {role: [] for role in get_args(Role)}
        for case in sorted(cases, key=attrgetter("id")):
            kept = replace(case, mask=None) if case.id in excluded else case
            parts[roles[case.id]].append(kept)
        everyone = [case for part in parts.values() for case in part]
        unlabeled = tuple(case.without_mask() for case in parts["unlabeled"])
        sliced = {case: slices[case.id] for case in parts["labeled"] if case.id in slices}
        return cls(
            labeled=tuple(
                SparseCase.of(case, sliced[case]) if case in sliced else case
                for case in parts["labeled"]
            ),
            unlabeled=unlabeled,
            validation=tuple(parts["validation"]),
            test=tuple(parts["test"]),
            unused=tuple(case.without_mask() for case in parts["unused"]),
            hidden=HiddenReferences(
                {
                    bare: mask
                    for bare, case in zip(unlabeled, parts["unlabeled"], strict=True)
                    if (mask := _whole(case))
                },
                {
                    case.without_mask(): (mask, some)
                    for case, some in sliced.items()
                    if (mask := _whole(case))
                },
            ),
            seed=seed,
            asked=asked,
            patients={case.id: case.patient for case in everyone if case.patient is not None},
            notes=tuple(notes),
            warnings=tuple(warnings),
            excluded=frozenset(excluded),
        )

    def roles(self) -> dict[str, Role]:
        """The role of every case by id, sorted by id."""
        parts: dict[Role, tuple[LabeledCase | UnlabeledCase, ...]] = {
            "labeled": self.labeled,
            "unlabeled": self.unlabeled,
            "validation": self.validation,
            "test": self.test,
            "unused": self.unused,
        }
        by_id = {case.id: role for role, part in parts.items() for case in part}
        return dict(sorted(by_id.items()))

    def slices(self) -> dict[str, SliceSelection]:
        """Labelled slices by id, of the volumes of which only some are."""
        return {c.id: c.mask.selection for c in self.labeled if isinstance(c, SparseCase)}

    @property
    def num_slices(self) -> int:
        """Labelled slices of these volumes together; 0 where cases are labelled as a whole."""
        return sum(len(selection.layers) for selection in self.slices().values())

    def with_slices(
        self,
        cases: Iterable[Case],
        slices: Mapping[str, SliceSelection],
        notes: Sequence[str] = (),
        warnings: Sequence[str] = (),
    ) -> Self:
        """The same split, in which only these slices of labelled volumes are labelled.

        Args:
            cases: All cases, as they were drawn from.
            slices: By id of a labelled case.
            notes: How the slices were chosen.
            warnings: What a person should know of them.
        """
        return self.from_roles(
            cases,
            self.roles(),
            seed=self.seed,
            asked=self.asked,
            slices=slices,
            notes=(*self.notes, *notes),
            warnings=(*self.warnings, *warnings),
            excluded=self.excluded,
        )

    def without(self, cases: Iterable[Case], excluded: Collection[str]) -> Self:
        """The same split, in which the masks of some cases are used for nothing.

        Args:
            cases: All cases, as they were drawn from.
            excluded: Their ids; labelled ones are unlabelled then, those of validation and test are
                left out.

        Raises:
            BudgetError: If nothing is left to train on or to test on.
        """
        roles = self.roles()
        demoted: dict[Role, Role] = {
            "labeled": "unlabeled",
            "validation": "unused",
            "test": "unused",
        }
        taken = {id_: demoted[roles[id_]] for id_ in excluded if roles[id_] in demoted}
        roles |= taken
        for role, verb in (("labeled", "train"), ("test", "test")):
            if role not in roles.values():
                raise BudgetError(
                    f"`exclude` takes all masks that there are to {verb} on; mend some of them."
                )
        note = f"Masks that are used for nothing, since somebody called them wrong: {len(taken)}."
        return self.from_roles(
            cases,
            roles,
            seed=self.seed,
            asked=self.asked,
            slices={id_: some for id_, some in self.slices().items() if id_ not in excluded},
            notes=(*self.notes, note),
            warnings=self.warnings,
            excluded=self.excluded | set(excluded),
        )

    def counts(self) -> dict[Role, int]:
        """Number of cases by role, every role named."""
        counted = Counter(self.roles().values())
        return {role: counted[role] for role in get_args(Role)}

    def write(self, path: Path) -> None:
        """Write the split as JSON, one case a line, all of it or nothing.

        Raises:
            RunFolderError: If the file cannot be written.
        """
        slices = {
            id_: LabeledSlices(axis=some.axis, layers=some.layers)
            for id_, some in self.slices().items()
        }
        SplitDocument(
            version=2 if slices else 1,
            seed=self.seed,
            labeled=self.asked,
            counts=self.counts(),
            notes=self.notes,
            warnings=self.warnings,
            cases=tuple(
                SplitCase(
                    id=id_,
                    patient=self.patients.get(id_),
                    role=role,
                    slices=slices.get(id_),
                    excluded=id_ in self.excluded,
                )
                for id_, role in self.roles().items()
            ),
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
        _check_against_data(path, document.roles(), known)
        return cls.from_roles(
            known.values(),
            document.roles(),
            seed=document.seed,
            asked=document.labeled,
            slices={
                id_: SliceSelection(some.axis, some.layers)
                for id_, some in document.slices().items()
            },
            notes=document.notes,
            warnings=document.warnings,
            excluded=document.excluded(),
        )


def _whole(case: Case) -> Path | None:
    """The mask, where results can be scored on it: of some classes alone, it leaves out others."""
    return case.mask if case.annotated is None else None


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
