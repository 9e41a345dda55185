"""Who is trained on, validated on and tested on, before any budget is drawn."""

from collections.abc import Collection, Sequence
from fractions import Fraction
from itertools import combinations

from ecs_med.errors import BudgetError
from ecs_med.splits.folds import Fold, fold_groups
from ecs_med.splits.ordering import Group, group_key, shuffled_groups, take_nearest
from ecs_med.splits.specification import round_half_up
from ecs_med.types import Case

__all__ = ["Parts", "divide"]

VALIDATION_SHARE, TEST_SHARE = Fraction(1, 10), Fraction(2, 10)
"""Of all cases that have masks, where the data set gives no split."""

VALIDATION_SHARE_OF_TRAINING = Fraction(10, 80)
"""Of the training cases that have masks, where the data set gives a test set only."""


class Parts:
    """Cases by what they are for; those of the pool move to validation and test.

    Attributes:
        pool: Training cases, with and without masks.
        validation: All with masks; may be empty.
        test: All with masks; never empty once divided.
        unused: Left out, so that nothing is trained on a test patient.
        notes: How the parts came about, one sentence each.
        warnings: What a person should know of, one sentence each.
    """

    def __init__(self, cases: Sequence[Case], seed: int, keep: Collection[str]) -> None:
        self.pool = [case for case in cases if case.partition in (None, "train")]
        given = [case for case in cases if case.partition in ("validation", "test")]
        self.validation = [c for c in given if c.partition == "validation" and c.mask is not None]
        self.test = [c for c in given if c.partition == "test" and c.mask is not None]
        self.unused = [case for case in given if case.mask is None]
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self._seed = seed
        self._kept = {group_key(case) for case in self.pool if case.id in keep} if keep else set()
        self._num_masked = sum(case.mask is not None for case in self.pool)
        if not self._num_masked:
            raise BudgetError(
                f"None of the {len(self.pool)} training cases has a mask; "
                "add masks for some of them (ecs-med check shows how masks are matched)."
            )
        for part in ("validation", "test"):
            number = sum(case.partition == part for case in self.unused)
            if number:
                self.warnings.append(
                    f"{_cases(number)} of the {part} set {'has' if number == 1 else 'have'} no "
                    f"mask and {_is(number)} left out: nothing is trained on {part} images."
                )

    def halve_validation(self) -> None:
        """Take the test set from the given validation set."""
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
        """Take all of the given validation set for the test."""
        self.test, self.validation = self.validation, []
        self.notes.append(
            f"The {len(self.test)} validation cases of the data set are tested on, "
            "and no model is chosen on them."
        )

    def draw_test(self) -> None:
        """Draw the test set by the seed."""
        groups = self._movable("test")
        if not groups:
            masked = [case for case in self.pool if case.mask is not None]
            one = f"case with a mask ({masked[0].id})" if len(masked) == 1 else "patient"
            raise BudgetError(
                f"Only one {one} can be trained on and nothing is left to test on; "
                "add masks for cases of another patient, or a test folder."
            )
        # One patient is left for training and one for validation.
        taken, _ = take_nearest(groups, self._target(TEST_SHARE), leave=2)
        self.test = self._move(taken)
        self.notes.append(
            f"The data set gives no test cases: {len(self.test)} were drawn by the seed."
        )

    def take_fold(self, fold: Fold) -> None:
        """Take the cases of a fold for the test.

        Raises:
            BudgetError: If there are fewer patients than folds.
        """
        masked = [case for case in self.pool if case.mask is not None]
        self.test = self._move(fold_groups(masked, fold))
        self.notes.append(
            f"Cross-validation: tested on {_cases(len(self.test))} of fold {fold.index} (folds 0 "
            f"to {fold.count - 1}); every case with a mask is in one fold, the same for every seed."
        )

    def exclude(self, excluded: Collection[str]) -> None:
        """Use the masks of some cases for nothing; the parts stay as they are without them.

        A training case is unlabelled then, one of validation or test is left out.

        Raises:
            BudgetError: If no mask is left to train on or to test on.
        """
        held = [case for case in (*self.validation, *self.test) if case.id in excluded]
        self.validation = [case for case in self.validation if case.id not in excluded]
        self.test = [case for case in self.test if case.id not in excluded]
        self.unused += held
        masked = [case for case in self.pool if case.mask is not None]
        num_training = sum(case.id in excluded for case in masked)
        for part, left in (("train", len(masked) - num_training), ("test", len(self.test))):
            if not left:
                raise BudgetError(
                    f"`exclude` takes all masks that there are to {part} on; mend some of them."
                )
        self.notes.append(
            f"Masks that are used for nothing, since somebody called them wrong: {num_training} of "
            f"training cases, which are unlabelled, and {len(held)} of validation and test, which "
            "are left out."
        )

    def draw_validation(self) -> None:
        """Draw the validation set by the seed."""
        # After a drawn test set the shares are those of the whole, 10 % of what there was.
        drawn = any(case.partition in (None, "train") for case in self.test)
        share = VALIDATION_SHARE if drawn else VALIDATION_SHARE_OF_TRAINING
        groups = self._movable("validation")
        if not groups:
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

    def _movable(self, purpose: str) -> list[Group]:
        """Groups that may leave the pool; none if the only one holds all masks there are."""
        masked = [case for case in self.pool if case.mask is not None]
        groups = shuffled_groups(masked, purpose, self._seed)
        if not self._kept:
            return groups if len(groups) > 1 else []
        return [group for group in groups if group_key(group[0]) not in self._kept]

    def _target(self, share: Fraction) -> int:
        return max(1, round_half_up(share * self._num_masked))

    def _move(self, groups: Sequence[Group]) -> list[Case]:
        moved = _flat(groups)
        ids, patients = {case.id for case in moved}, {case.patient for case in moved} - {None}
        left = [case for case in self.pool if case.id not in ids and case.patient not in patients]
        with_them = (
            [case for case in self.pool if case.patient in patients and case.id not in ids]
            if len(left) + len(moved) < len(self.pool)
            else []
        )
        self.unused += with_them
        self.pool = left
        if with_them:
            self.warnings.append(
                f"{_cases(len(with_them))} without a mask {_is(len(with_them))} left out, because "
                "other cases of the same patients are validated or tested on."
            )
        return moved

    def leave_out(self, cases: Sequence[Case]) -> None:
        """Leave cases out whose patients are validated or tested on."""
        self.unused += cases
        if cases:
            self.warnings.append(
                f"{_cases(len(cases))} {_is(len(cases))} left out, because other cases of the same "
                "patients are validated or tested on."
            )

    def warn_of_shared_patients(self) -> None:
        """Say which patients the data set itself has in several parts."""
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


def divide(
    cases: Sequence[Case],
    seed: int,
    *,
    keep: Collection[str] = (),
    has_validation: bool = True,
    fold: Fold | None = None,
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
        fold: Which cases are tested on in cross-validation; those that have masks are to be of no
            part then, see `ecs_med.splits.folds.put_together`.

    Raises:
        BudgetError: If nothing is left to train on or to test on.
    """
    parts = Parts(cases, seed, keep)
    if fold is not None:
        parts.take_fold(fold)
    if parts.validation and not parts.test:
        if has_validation:
            parts.halve_validation()
        else:
            parts.test_on_validation()
    if not parts.test:
        parts.draw_test()
    if has_validation and not parts.validation:
        parts.draw_validation()
    parts.warn_of_shared_patients()
    return parts


def _flat(groups: Sequence[Group]) -> list[Case]:
    return [case for group in groups for case in group]


def _cases(number: int) -> str:
    return "1 case" if number == 1 else f"{number} cases"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
