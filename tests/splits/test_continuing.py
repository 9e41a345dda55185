"""A run that starts from another one holds out what that one held out."""

from pathlib import Path

import pytest

from ecs_med.splits import draw_split
from ecs_med.types import Case


def make(number: int, *, masked: int, per_patient: int = 1, name: str = "a") -> list[Case]:
    return [
        Case(
            f"{name}{index:02d}",
            (Path(f"{name}{index}.png"),),
            Path(f"{name}{index}_mask.png") if index < masked else None,
            f"{name}p{index // per_patient}" if per_patient > 1 else None,
        )
        for index in range(number)
    ]


def ids(cases: object) -> set[str]:
    return {case.id for case in cases}  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_new_masks_are_for_training_and_what_was_held_out_stays(seed: int) -> None:
    first = draw_split(make(60, masked=20), "all", 0)
    more = make(60, masked=45)
    fresh = draw_split(more, "all", seed)
    assert ids(first.labeled) & ids((*fresh.test, *fresh.validation)), "what has to be avoided"
    then = draw_split(more, "all", seed, before=first.roles())
    assert ids(then.test) == ids(first.test)
    assert ids(then.validation) == ids(first.validation)
    assert ids(then.labeled) == ids(more[:45]) - ids((*first.test, *first.validation))
    assert any("as in the run that this one starts from" in note for note in then.notes)


def test_other_cases_of_held_patients_are_left_out() -> None:
    first = draw_split(make(20, masked=20, per_patient=4), "all", 0)
    patient = next(iter(ids(first.test)))
    owner = next(case for case in first.test if case.id == patient).patient
    new = [
        Case("new", (Path("new.png"),), Path("new_mask.png"), owner),
        Case("bare", (Path("bare.png"),), None, owner),
    ]
    then = draw_split([*make(20, masked=20, per_patient=4), *new], "all", 5, before=first.roles())
    assert ids(then.unused) == {"new", "bare"}
    assert ids(then.test) == ids(first.test)
    assert any("2 cases are left out" in warning for warning in then.warnings)


def test_where_test_cases_are_gone_none_that_was_trained_on_takes_their_place() -> None:
    first = draw_split(make(20, masked=20), "all", 0)
    left = [c for c in make(40, masked=40) if c.id not in ids((*first.test, *first.validation))]
    then = draw_split(left, "all", 0, before=first.roles())
    assert then.test
    assert not ids((*then.test, *then.validation)) & ids(first.labeled)


def test_unknown_cases_are_drawn_as_ever() -> None:
    cases = make(30, masked=30)
    elsewhere = {f"other{index}": "test" for index in range(9)}
    assert draw_split(cases, "all", 3, before=elsewhere) == draw_split(cases, "all", 3)  # type: ignore[arg-type]
