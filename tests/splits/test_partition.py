"""Who is trained, validated and tested on."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from ecs_med.splits.partition import divide
from ecs_med.types import Case, Partition


def make(
    name: str,
    number: int,
    partition: Partition | None = None,
    *,
    masked: bool = True,
    group: int = 0,
) -> list[Case]:
    return [
        Case(
            f"{name}{index}",
            (Path("image.png"),),
            Path("mask.png") if masked else None,
            f"{name}p{index // group}" if group else None,
            partition,
        )
        for index in range(number)
    ]


def names(cases: Sequence[Case]) -> set[str]:
    return {case.id for case in cases}


@pytest.mark.parametrize("partition", [None, "train"])
def test_no_given_split_is_70_10_20(partition: Partition | None) -> None:
    for seed in range(10):
        parts = divide(make("a", 100, partition), seed)
        assert (len(parts.pool), len(parts.validation), len(parts.test)) == (70, 10, 20)
    assert names(divide(make("a", 100), 0).test) != names(divide(make("a", 100), 1).test)


def test_70_10_20_counts_masks_and_keeps_patients_together() -> None:
    cases = make("a", 100, group=5) + make("bare", 300, masked=False)
    parts = divide(cases, 3)
    assert (len(parts.pool), len(parts.validation), len(parts.test)) == (370, 10, 20)
    owners = [
        {case.patient for case in part} for part in (parts.pool, parts.validation, parts.test)
    ]
    assert not owners[1] & (owners[0] | owners[2])
    assert not owners[0] & owners[2]


def test_given_parts_are_kept() -> None:
    cases = make("a", 9, "train") + make("b", 3, "validation") + make("c", 2, "test") + make("d", 1)
    parts = divide(cases, 0)
    assert names(parts.pool) == names(make("a", 9) + make("d", 1))
    assert (len(parts.validation), len(parts.test)) == (3, 2)
    assert parts.notes == []
    assert parts.warnings == []


def test_validation_is_halved_the_same_way_for_every_seed() -> None:
    cases = make("a", 20, "train") + make("b", 11, "validation")
    reference = divide(cases, 0)
    assert (len(reference.validation), len(reference.test)) == (5, 6)
    for seed in range(1, 20):
        parts = divide(cases, seed)
        assert parts.test == reference.test
        assert parts.validation == reference.validation
    assert len(reference.pool) == 20
    assert "the same for every seed" in reference.notes[0]


def test_validation_is_halved_by_patient() -> None:
    parts = divide(make("a", 20, "train") + make("b", 12, "validation", group=3), 0)
    assert (len(parts.validation), len(parts.test)) == (6, 6)
    assert not {case.patient for case in parts.validation} & {case.patient for case in parts.test}


def test_one_validation_case_becomes_the_test() -> None:
    parts = divide(make("a", 16, "train") + make("b", 1, "validation"), 0)
    assert names(parts.test) == {"b0"}
    assert (len(parts.pool), len(parts.validation)) == (14, 2)
    assert "too few validation cases to divide" in parts.notes[0]


def test_test_without_validation() -> None:
    cases = make("a", 80, "train") + make("c", 5, "test")
    parts = divide(cases, 0)
    assert (len(parts.pool), len(parts.validation), len(parts.test)) == (70, 10, 5)
    assert parts.validation != divide(cases, 1).validation


def test_test_folder_without_masks_counts_as_not_given() -> None:
    parts = divide(make("a", 100, "train") + make("c", 30, "test", masked=False), 0)
    assert (len(parts.pool), len(parts.validation), len(parts.test)) == (70, 10, 20)
    assert names(parts.unused) == names(make("c", 30))
    assert parts.warnings == [
        "30 cases of the test set have no mask and are left out: "
        "nothing is trained on test images.",
    ]


def test_unmasked_cases_of_given_parts_never_reach_training() -> None:
    cases = [
        *make("a", 8, "train"),
        *make("b", 3, "validation"),
        *make("bb", 1, "validation", masked=False),
        *make("c", 3, "test"),
        *make("cc", 2, "test", masked=False),
    ]
    parts = divide(cases, 0)
    assert names(parts.unused) == {"bb0", "cc0", "cc1"}
    assert [warning.split(":")[0] for warning in parts.warnings] == [
        "1 case of the validation set has no mask and is left out",
        "2 cases of the test set have no mask and are left out",
    ]


def test_unmasked_frames_of_drawn_test_patients_are_left_out() -> None:
    masked = make("a", 20, group=2)
    bare = [Case(f"bare{case.id}", case.images, None, case.patient) for case in masked[::2]]
    parts = divide(masked + bare, 0)
    held_out = {case.patient for case in parts.test + parts.validation}
    assert {case.patient for case in parts.unused} == held_out
    assert not held_out & {case.patient for case in parts.pool}
    assert sum("other cases of the same patients" in text for text in parts.warnings) == 2


def test_shared_patients_are_warned_of() -> None:
    def of(patient: str, partition: Partition) -> list[Case]:
        return [Case(f"{partition}/{patient}", (Path("i"),), Path("m"), patient, partition)]

    cases = of("x", "train") + of("y", "train") + of("z", "validation") + of("x", "test")
    assert divide(cases, 0).warnings == [
        "The data set has 1 patient in training and in test (x): "
        "scores will look better than they are.",
    ]


def test_a_patient_with_most_cases_is_not_put_to_test() -> None:
    big = [Case(f"big{index}", (Path("i"),), Path("m"), "big") for index in range(80)]
    for seed in range(20):
        parts = divide(big + make("a", 20), seed)
        assert (len(parts.validation), len(parts.test)) == (1, 19)


@pytest.mark.parametrize(
    ("number", "sizes"), [(2, (1, 0, 1)), (3, (1, 1, 1)), (4, (2, 1, 1)), (8, (5, 1, 2))]
)
def test_tiny_data(number: int, sizes: tuple[int, int, int]) -> None:
    for seed in range(10):
        parts = divide(make("a", number), seed)
        assert (len(parts.pool), len(parts.validation), len(parts.test)) == sizes
        assert bool(parts.warnings) == (not parts.validation)


def test_one_training_case_with_a_given_test_set() -> None:
    parts = divide(make("a", 1, "train") + make("c", 3, "test"), 0)
    assert (len(parts.pool), len(parts.validation), len(parts.test)) == (1, 0, 3)
    assert "no independent cases choose the best model" in parts.warnings[0]


def test_kept_cases_stay_in_training() -> None:
    cases = make("a", 30, group=3)
    keep = {"a0", "a7", "a29"}
    for seed in range(20):
        assert keep <= names(divide(cases, seed, keep=keep).pool)
