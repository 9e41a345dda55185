"""Nested, patient-grouped, reproducible draws."""

import hashlib
import itertools
import random
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest

from ecs_med.errors import BudgetError
from ecs_med.splits import Split, absent_classes, absent_classes_warning, draw_split
from ecs_med.types import Case, Partition

NAMES = ("background", "polyp", "instrument")
BUDGETS = ["1", "1/64", "3", "1/16", "10%", "1/8", "7", "0.2", "1/4", "40%", "1/2", "3/4", "all"]


def make(
    number: int,
    *,
    partition: Partition | None = None,
    masked: bool = True,
    patients: list[str] | None = None,
    name: str = "images",
) -> list[Case]:
    """Cases whose files do not exist: drawing decodes nothing."""
    return [
        Case(
            f"{name}/{index:03d}",
            (Path(f"/gone/{name}/{index:03d}.png"),),
            Path(f"/gone/{name}/{index:03d}_mask.png") if masked else None,
            None if patients is None else patients[index],
            partition,
        )
        for index in range(number)
    ]


def train_and_test(number: int, patients: list[str] | None = None) -> list[Case]:
    return [
        *make(number, partition="train", patients=patients),
        *make(4, partition="validation", name="validation"),
        *make(4, partition="test", name="test"),
    ]


def ids(cases: object) -> set[str]:
    return {case.id for case in cases}  # type: ignore[attr-defined]


def uneven_patients(seed: int, number: int) -> list[str]:
    """Patients with 1 to 9 cases each."""
    drawn = random.Random(seed)
    names: list[str] = []
    for patient in itertools.count():
        names += [f"p{patient}"] * drawn.randint(1, 9)
        if len(names) >= number:
            return names[:number]
    raise AssertionError


@pytest.mark.parametrize("grouped", [False, True])
def test_budgets_are_nested_for_every_seed(grouped: bool) -> None:
    for seed in range(30):
        patients = uneven_patients(seed, 67) if grouped else None
        cases = train_and_test(67, patients)
        drawn = [ids(draw_split(cases, budget, seed).labeled) for budget in BUDGETS]
        drawn.sort(key=len)
        assert all(small <= large for small, large in itertools.pairwise(drawn))
        assert len(drawn[-1]) == 67


def test_every_count_is_nested_in_the_next_and_near_its_target() -> None:
    patients = uneven_patients(5, 60)
    sizes = Counter(patients)
    cases = train_and_test(60, patients)
    before: set[str] = set()
    for count in range(1, 61):
        now = ids(draw_split(cases, count, 3).labeled)
        assert before <= now
        # Neither stopping one patient earlier nor going on by one comes nearer than half a patient.
        assert abs(len(now) - count) <= max(sizes.values())
        before = now


def test_no_patient_is_divided() -> None:
    for seed, budget in itertools.product(range(20), ["1/8", "1/4", "0.5", "12"]):
        patients = uneven_patients(seed, 50)
        split = draw_split(make(50, patients=patients), budget, seed)
        of = {f"images/{index:03d}": patient for index, patient in enumerate(patients)}
        parts = [
            ids(part) for part in (split.labeled, split.unlabeled, split.validation, split.test)
        ]
        for one, other in itertools.combinations(parts, 2):
            assert not {of[id_] for id_ in one} & {of[id_] for id_ in other}
        assert set().union(*parts) == set(of)


def test_without_patients_the_count_is_exact() -> None:
    for seed in range(10):
        for count in (1, 2, 7, 19, 40):
            split = draw_split(train_and_test(40), count, seed)
            assert len(split.labeled) == count
            assert len(split.unlabeled) == 40 - count


def test_the_order_of_listing_does_not_matter() -> None:
    cases = make(40, patients=uneven_patients(1, 40))
    reference = draw_split(cases, "1/4", 7)
    for seed in range(5):
        shuffled = list(cases)
        random.Random(seed).shuffle(shuffled)
        assert draw_split(iter(shuffled), "1/4", 7) == reference


def test_the_draw_is_the_same_on_every_machine() -> None:
    """Written down once: a change here changes every published subset."""
    names = [f"images/{index:03d}" for index in range(12)]
    names.sort(key=lambda name: hashlib.sha256(f"0:labeled:case:{name}".encode()).hexdigest())
    split = draw_split(train_and_test(12), 3, 0)
    assert ids(split.labeled) == set(names[:3])
    assert sorted(names[:3]) == ["images/004", "images/008", "images/009"]


def test_composed_and_decomposed_names_draw_alike() -> None:
    def of(letter: str) -> list[bool]:
        cases = [
            Case(f"{letter}{index}", (Path("i"),), Path("m"), partition="train")
            for index in range(20)
        ] + make(4, partition="test", name="test")
        labeled = ids(draw_split(cases, 5, 1).labeled)
        return [f"{letter}{index}" in labeled for index in range(20)]

    assert of("\u00e9") == of("e\u0301")


def test_seeds_differ_and_are_even() -> None:
    drawn = Counter[str]()
    for seed in range(400):
        drawn.update(ids(draw_split(train_and_test(20), 5, seed).labeled))
    # Binomial with n = 400, p = 1/4: mean 100, standard deviation 8.7.
    assert len(drawn) == 20
    assert all(100 - 45 < number < 100 + 45 for number in drawn.values())


def test_removing_a_patient_keeps_the_order_of_the_others() -> None:
    cases = train_and_test(30)
    order = [
        next(iter(ids(draw_split(cases, n, 2).labeled) - ids(draw_split(cases, n - 1, 2).labeled)))
        for n in range(2, 31)
    ]
    gone = order[4]
    fewer = [case for case in cases if case.id != gone]
    expected = ids(draw_split(cases, 10, 2).labeled) - {gone}
    assert ids(draw_split(fewer, 9, 2).labeled) == expected


@pytest.mark.parametrize("labeled", ["1/8", 0.125, Fraction(1, 8), 5, "12.5%"])
def test_strings_and_numbers(labeled: str | float | Fraction) -> None:
    assert len(draw_split(train_and_test(40), labeled, 0).labeled) == 5


def test_unlabeled_cases_of_training_are_always_used() -> None:
    cases = [*train_and_test(16), *make(9, partition="train", masked=False, name="bare")]
    split = draw_split(cases, "1/4", 0)
    assert len(split.labeled) == 4  # of the 16 with masks
    assert len(split.unlabeled) == 12 + 9
    assert len(split.hidden) == 12


def test_a_patient_who_is_too_large_is_named() -> None:
    cases = train_and_test(20, ["a"] * 10 + ["b"] * 10)
    split = draw_split(cases, "10%", 0)
    assert len(split.labeled) == 10
    assert split.warnings == (
        "`labeled=10%` is 2 of 20 cases; 10 are labelled, because patients are not divided.",
    )


def test_one_case_is_said_to_be_one() -> None:
    split = draw_split(train_and_test(20), "1", 0)
    assert split.warnings == ("`labeled=1` is one labelled case; all of them is 100% or all.",)


def test_all_leaves_nothing_hidden() -> None:
    split = draw_split(train_and_test(20), "all", 0)
    assert len(split.labeled) == 20
    assert split.unlabeled == ()
    assert len(split.hidden) == 0


@pytest.mark.parametrize(
    ("cases", "labeled", "sentence"),
    [
        ([], "all", "There are no cases to draw from; check `data`."),
        (make(2) + make(1), "all", "The id images/000 stands for several cases"),
        (make(5, masked=False), "all", "None of the 5 training cases has a mask; add masks"),
        (make(1), "all", r"Only one case with a mask \(images/000\) can be trained on"),
        (make(5, patients=["a"] * 5), "all", "Only one patient can be trained on and nothing"),
        (make(5, partition="test"), "all", "None of the 0 training cases has a mask"),
        (train_and_test(5), "6", "`labeled=6` asks for more cases than the 5 training cases"),
        (train_and_test(5), "0", "leaves nothing to learn from"),
    ],
    ids=["empty", "doubled", "no_masks", "one_case", "one_patient", "test_only", "beyond", "zero"],
)
def test_what_cannot_be_drawn(cases: list[Case], labeled: str, sentence: str) -> None:
    with pytest.raises(BudgetError, match=sentence) as caught:
        draw_split(cases, labeled, 0)
    assert str(caught.value).endswith(".")


def test_a_split_is_whole() -> None:
    split: Split = draw_split(train_and_test(10), "1/2", 0)
    assert split.counts() == {
        "labeled": 5,
        "unlabeled": 5,
        "validation": 4,
        "test": 4,
        "unused": 0,
    }
    assert (split.seed, split.asked) == (0, "1/2")


def test_absent_classes_are_named() -> None:
    assert absent_classes({"a": {0}, "b": [0, 255]}, NAMES) == ("polyp", "instrument")
    assert absent_classes({"a": {0, 1}, "b": (2,)}, NAMES) == ()
    assert absent_classes({"all void": set()}, NAMES) == NAMES
    assert absent_classes({}, NAMES) == NAMES


def test_absent_classes_are_one_sentence() -> None:
    assert absent_classes_warning({"a": {0, 1}, "b": {2}}, NAMES) is None
    assert absent_classes_warning({"a": {0, 1}}, NAMES) == (
        "The class 'instrument' has not one labelled pixel in the 1 labelled case and cannot be "
        "learned; raise `labeled` or draw another subset with `seed`."
    )
    assert absent_classes_warning({"a": {0}, "b": {0}}, NAMES) == (
        "The classes 'polyp', 'instrument' have not one labelled pixel in the 2 labelled cases and "
        "cannot be learned; raise `labeled` or draw another subset with `seed`."
    )
