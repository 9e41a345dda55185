"""Cross-validation: every case with a mask is tested on once."""

from pathlib import Path

import pytest

from ecs_med.errors import BudgetError, SettingsError
from ecs_med.splits import Fold, draw_split
from ecs_med.types import Case, Partition


def make(
    number: int,
    partition: Partition | None = None,
    *,
    name: str = "a",
    masked: bool = True,
    per_patient: int = 0,
) -> list[Case]:
    return [
        Case(
            f"{name}{index}",
            (Path(f"{name}{index}.png"),),
            Path(f"{name}{index}_mask.png") if masked else None,
            f"{name}p{index // per_patient}" if per_patient else None,
            partition,
        )
        for index in range(number)
    ]


def parts_of(cases: list[Case], count: int, seed: int = 0) -> list[set[str]]:
    splits = [draw_split(cases, "all", seed, fold=Fold(index, count)) for index in range(count)]
    return [{case.id for case in split.test} for split in splits]


@pytest.mark.parametrize(("number", "count"), [(100, 5), (11, 3), (7, 7), (2, 2)])
def test_every_case_is_tested_once_in_parts_of_equal_size(number: int, count: int) -> None:
    cases = make(number)
    if number == 2:
        cases += make(1, name="bare", masked=False)
    parts = parts_of(cases, count)
    assert sorted(id_ for part in parts for id_ in part) == sorted(c.id for c in make(number))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_folds_do_not_depend_on_seed_or_order_and_budgets_do() -> None:
    cases = make(60)
    assert parts_of(cases, 5) == parts_of(cases[::-1], 5, seed=7)
    first, second = (draw_split(cases, 10, seed, fold=Fold(0, 5)) for seed in (0, 1))
    assert {case.id for case in first.labeled} != {case.id for case in second.labeled}


def test_patients_are_in_one_fold() -> None:
    cases = make(60, per_patient=4) + make(30, name="b", per_patient=3, masked=False)
    owner: dict[str | None, int] = {}
    for index in range(5):
        split = draw_split(cases, "all", 0, fold=Fold(index, 5))
        for case in split.test:
            assert owner.setdefault(case.patient, index) == index
        elsewhere = {case.patient for case in (*split.labeled, *split.validation)}
        assert not elsewhere & {case.patient for case in split.test}
    assert len(owner) == 15


def test_unlabelled_cases_of_tested_patients_are_left_out() -> None:
    cases = [*make(8, per_patient=2), Case("bare", (Path("bare.png"),), None, "ap0", None)]
    for index in range(4):
        split = draw_split(cases, "all", 0, fold=Fold(index, 4))
        held = {case.patient for case in (*split.validation, *split.test)}
        assert split.roles()["bare"] == ("unused" if "ap0" in held else "unlabeled")


def test_parts_of_the_data_set_are_put_together_and_said() -> None:
    cases = (
        make(6, "train")
        + make(3, "validation", name="v")
        + make(3, "test", name="t")
        + make(2, "test", name="hidden", masked=False)
    )
    parts = parts_of(cases, 3)
    assert set().union(*parts) == {c.id for c in make(6) + make(3, name="v") + make(3, name="t")}
    split = draw_split(cases, "all", 0, fold=Fold(1, 3))
    assert {case.id for case in split.unused} == {"hidden0", "hidden1"}
    assert any("own parts are put together" in note for note in split.notes)
    assert "fold 1 (folds 0 to 2)" in " ".join(split.notes)


def test_equal_pictures_are_in_one_fold() -> None:
    joined = [["a0", "a1", "a2"]]
    for index in range(5):
        split = draw_split(make(20, "test"), "all", 0, fold=Fold(index, 5), joined=joined)
        inside = {"a0", "a1", "a2"} & {case.id for case in split.test}
        assert len(inside) in (0, 3)


def test_validation_has_a_tenth_of_all() -> None:
    split = draw_split(make(100), "all", 0, fold=Fold(0, 5))
    assert (len(split.test), len(split.validation), len(split.labeled)) == (20, 10, 70)


def test_too_few_patients_are_refused() -> None:
    with pytest.raises(BudgetError, match="`folds=5` is more than the 3 patients with masks"):
        draw_split(make(12, per_patient=4), "all", 0, fold=Fold(0, 5))
    with pytest.raises(BudgetError, match="more than the 4 cases with masks"):
        draw_split(make(4), "all", 0, fold=Fold(0, 5))


def test_a_list_of_labelled_cases_is_refused(tmp_path: Path) -> None:
    listed = tmp_path / "few.txt"
    listed.write_text("a0\na1\n")
    with pytest.raises(BudgetError, match=r"few\.txt says which ones are trained on"):
        draw_split(make(12), listed, 0, fold=Fold(0, 3))


def test_settings_name_a_fold_that_there_is() -> None:
    from ecs_med.config import TrainConfig

    assert TrainConfig.parse({"data": "x", "fold": 4}).fold == 4
    with pytest.raises(SettingsError, match="fold 3 is not among folds 0 to 2"):
        TrainConfig.parse({"data": "x", "fold": 3, "folds": 3})
    with pytest.raises(ValueError, match="no fold 2 of 2"):
        Fold(2, 2)
