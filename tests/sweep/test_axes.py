"""Budgets, methods and seeds as a user writes them."""

from fractions import Fraction
from pathlib import Path

import pytest

from ecs_med.errors import BudgetError, SettingsError
from ecs_med.sweep.axes import (
    budget_key,
    folder_name,
    parse_budgets,
    parse_methods,
    parse_seeds,
)


def test_one_is_all_labels_and_not_one_case() -> None:
    assert parse_budgets("1/16, 1/8,12,1") == ("1/16", "1/8", "12", "all")
    assert parse_budgets(["1/16", 12]) == ("1/16", "12")
    assert parse_budgets("100%") == parse_budgets("1.0") == ("all",)


@pytest.mark.parametrize("text", ["1/2,50%", "1,all", "0.25,1/4", "5,5"])
def test_the_same_budget_twice_is_refused(text: str) -> None:
    with pytest.raises(BudgetError, match="are the same budget"):
        parse_budgets(text)


@pytest.mark.parametrize("text", ["", " , ", "1/0", "half", "200%"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(BudgetError):
        parse_budgets(text)


def test_split_files_of_one_name_would_share_a_folder(tmp_path: Path) -> None:
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        files.append(tmp_path / name / "chosen.txt")
        files[-1].write_text("x\n")
    assert budget_key(str(files[0])) == files[0].resolve()
    with pytest.raises(BudgetError, match="share a run folder"):
        parse_budgets(f"{files[0]},{files[1]}")


@pytest.mark.parametrize(
    ("labeled", "name"),
    [("1/16", "1-16"), ("12.5%", "12.5pct"), ("all", "all"), ("50", "50"), ("1 / 4", "1-4")],
)
def test_folder_names(labeled: str, name: str) -> None:
    assert folder_name(labeled) == name


def test_keys_tell_shares_from_numbers_of_cases() -> None:
    assert budget_key("50%") == Fraction(1, 2)
    assert budget_key("50") == 50


def test_seeds() -> None:
    assert parse_seeds("0..4") == (0, 1, 2, 3, 4)
    assert parse_seeds("0,1,7") == (0, 1, 7)
    assert parse_seeds("3..3, 9") == parse_seeds([3, 9]) == (3, 9)


@pytest.mark.parametrize("text", ["", "4..0", "x", "-1", "0..4,2", "0..1000", "1.5"])
def test_wrong_seeds(text: str) -> None:
    with pytest.raises(SettingsError, match="`seeds"):
        parse_seeds(text)


def test_methods() -> None:
    assert parse_methods("ecs, supervised") == parse_methods(["ecs", "supervised"])
    for wrong in ("", "ecs,ecs"):
        with pytest.raises(SettingsError, match="`methods`"):
            parse_methods(wrong)
