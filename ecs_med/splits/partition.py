"""Who is trained on, validated on and tested on, before any budget is drawn."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from ecs_med.errors import BudgetError
from ecs_med.splits.ordering import Group, group_key, shuffled_groups, take_nearest
from ecs_med.splits.specification import round_half_up
from ecs_med.types import Case, Partition

__all__ = ["Parts", "divide"]

VALIDATION_SHARE = Fraction(1, 10)
"""Of all cases that have masks, where the data set gives no split."""

TEST_SHARE = Fraction(2, 10)
"""Of all cases that have masks, where the data set gives no split."""

VALIDATION_SHARE_OF_TRAINING = Fraction(10, 80)
"""Of the training cases that have masks, where the data set gives a test set only."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Cases by what they are for.

    Attributes:
        pool: Training cases, with and without masks.
        validation: All with masks; may be empty.
        test: All with masks; never empty.
        unused: Left out, so that nothing is trained on a test patient.
        notes: How the parts came about, one sentence each.
        warnings: What a person should know of, one sentence each.
    """

    pool: tuple[Case, ...]
    validation: tuple[Case, ...]
    test: tuple[Case, ...]
    unused: tuple[Case, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def divide(
    cases: Sequence[Case], seed: int, *, keep: Collection[str] = (), has_validation: bool = True
) -> Parts:
    """Divide cases into training pool, validation and test, never within a patient.

    Parts that the data set gives are kept. Where some are missing:

    ==================  =================================================================
    given               rule
    ==================  =================================================================
    nothing, or train   70 % training, 10 % validation, 20 % test, from the seed
    validation          validation is halved into validation and test, the same way for
                        every seed, so that all seeds are tested on the same cases
    test                validation is 10/80 of the training cases, from the seed
    ==================  =================================================================

    A validation or test set without masks counts as not given. Shares are of the
    cases that have masks; those without belong to training, unless their patient is
    validated or tested on or the data set itself puts them there: then they are left
    out.

    Args:
        cases: Unique ids.
        seed: Any integer.
        keep: Ids of cases that have to stay in training.
        has_validation: Whether a model is to be chosen on validation cases. If not, the validation
            cases of a data set without test cases are all tested on, and none are drawn.

    Raises:
        BudgetError: If nothing is left to train on or to test on.
    """
    builder = _Builder(cases, seed, keep)
    if builder.validation and not builder.test:
        if has_validation:
            builder.halve_validation()
        else:
            builder.test_on_validation()
    if not builder.test:
        builder.draw_test()
    if has_validation and not builder.validation:
        builder.draw_validation()
    return builder.build()


class _Builder:
    """Moves cases from the pool to validation and test."""

    def __init__(self, cases: Sequence[Case], seed: int, keep: Collection[str]) -> None:
        self.seed = seed
        self.pool = [case for case in cases if case.partition in (None, "train")]
        self.validation = _masked(cases, "validation")
        self.test = _masked(cases, "test")
        self.unused = [
            case for case in cases if case.partition in ("validation", "test") and case.mask is None
        ]
        self.kept = {group_key(case) for case in self.pool if case.id in keep}
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self._num_masked = sum(case.mask is not None for case in self.pool)
        self._check()

    def _check(self) -> None:
        if not self._num_masked:
            raise BudgetError(
                f"None of the {len(self.pool)} training cases has a mask; "
                "add masks for some of them (ecs-med check shows how masks are matched)."
            )
        for part in ("validation", "test"):
            number = sum(case.partition == part for case in self.unused)
            if number:
                self.warnings.append(
                    f"{_cases(number)} of the {part} set {_has(number)} no mask and "
                    f"{_is(number)} left out: nothing is trained on {part} images."
                )

    def halve_validation(self) -> None:
        groups = shuffled_groups(self.validation, "validation or test", None)
        if len(groups) < 2:
            self.test, self.validation = self.validation, []
            self.notes.append(
                "The data set gives no test cases and too few validation cases to divide: "
                "they are tested on, and validation is drawn from training."
            )
            return
        validation, test = take_nearest(groups, len(self.validation) // 2)
        self.validation, self.test = _flat(validation), _flat(test)
        self.notes.append(
            f"The data set gives no test cases: its validation cases are divided into "
            f"{len(self.validation)} for validation and {len(self.test)} for the test, "
            "the same for every seed."
        )

    def test_on_validation(self) -> None:
        self.test, self.validation = self.validation, []
        self.notes.append(
            f"The {len(self.test)} validation cases of the data set are tested on, "
            "and no model is chosen on them."
        )

    def draw_test(self) -> None:
        groups = self._movable("test")
        if not groups or self._is_all_there_is(groups):
            raise BudgetError(
                f"Only {self._describe_pool()} can be trained on and nothing is left to test on; "
                "add masks for cases of another patient, or a test folder."
            )
        # One patient is left for training and one for validation.
        taken, _ = take_nearest(groups, self._target(TEST_SHARE), leave=2)
        self.test = self._move(taken)
        self.notes.append(
            f"The data set gives no test cases: {len(self.test)} were drawn by the seed."
        )

    def draw_validation(self) -> None:
        # After a drawn test set the shares are those of the whole, 10 % of what there was.
        drawn = any(case.partition in (None, "train") for case in self.test)
        share = VALIDATION_SHARE if drawn else VALIDATION_SHARE_OF_TRAINING
        groups = self._movable("validation")
        if not groups or self._is_all_there_is(groups):
            self.warnings.append(
                "Too few cases with masks for a validation set: "
                "no independent cases choose the best model."
            )
            return
        taken, _ = take_nearest(groups, self._target(share))
        self.validation = self._move(taken)
        self.notes.append(
            "The data set gives no validation cases: "
            f"{len(self.validation)} were drawn by the seed."
        )

    def build(self) -> Parts:
        self._warn_of_shared_patients()
        return Parts(
            pool=tuple(self.pool),
            validation=tuple(self.validation),
            test=tuple(self.test),
            unused=tuple(self.unused),
            notes=tuple(self.notes),
            warnings=tuple(self.warnings),
        )

    def _movable(self, purpose: str) -> list[Group]:
        masked = [case for case in self.pool if case.mask is not None]
        groups = shuffled_groups(masked, purpose, self.seed)
        return [group for group in groups if group_key(group[0]) not in self.kept]

    def _is_all_there_is(self, groups: Sequence[Group]) -> bool:
        """Whether moving the only group would leave no mask to train on."""
        return len(groups) == 1 and not self.kept

    def _target(self, share: Fraction) -> int:
        return max(1, round_half_up(share * self._num_masked))

    def _move(self, groups: Sequence[Group]) -> list[Case]:
        moved = _flat(groups)
        keys = {group_key(case) for case in moved}
        with_them = [case for case in self.pool if group_key(case) in keys and case.mask is None]
        self.unused += with_them
        self.pool = [case for case in self.pool if group_key(case) not in keys]
        if with_them:
            number = len(with_them)
            self.warnings.append(
                f"{_cases(number)} without a mask {_is(number)} left out, because other "
                "cases of the same patients are validated or tested on."
            )
        return moved

    def _describe_pool(self) -> str:
        masked = [case for case in self.pool if case.mask is not None]
        return f"one case with a mask ({masked[0].id})" if len(masked) == 1 else "one patient"

    def _warn_of_shared_patients(self) -> None:
        parts = {"training": self.pool, "validation": self.validation, "test": self.test}
        known = {
            name: {case.patient for case in part if case.patient is not None}
            for name, part in parts.items()
        }
        for first, second in combinations(known, 2):
            shared = sorted(known[first] & known[second])
            if shared:
                names = ", ".join(shared[:3]) + " and others" * (len(shared) > 3)
                self.warnings.append(
                    f"The data set has {len(shared)} patient{'s' if len(shared) > 1 else ''} in "
                    f"{first} and in {second} ({names}): "
                    "scores will look better than they are."
                )


def _masked(cases: Sequence[Case], partition: Partition) -> list[Case]:
    return [case for case in cases if case.partition == partition and case.mask is not None]


def _flat(groups: Sequence[Group]) -> list[Case]:
    return [case for group in groups for case in group]


def _cases(number: int) -> str:
    return "1 case" if number == 1 else f"{number} cases"


def _has(number: int) -> str:
    return "has" if number == 1 else "have"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
