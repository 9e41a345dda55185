"""What `labeled` can say."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ecs_med.errors import BudgetError
from ecs_med.splits import Count, Share, SplitFile, parse_labeled


@pytest.mark.parametrize(
    ("text", "fraction"),
    [
        ("10%", Fraction(1, 10)),
        ("12.5%", Fraction(1, 8)),
        (" 12.5 % ", Fraction(1, 8)),
        ("1/8", Fraction(1, 8)),
        ("3 / 24", Fraction(1, 8)),
        ("0.1", Fraction(1, 10)),
        (".5", Fraction(1, 2)),
        ("1.0", Fraction(1)),
        ("100%", Fraction(1)),
        ("1/1", Fraction(1)),
        ("all", Fraction(1)),
        ("ALL", Fraction(1)),
        (0.1, Fraction(1, 10)),
        (1e-05, Fraction(1, 100_000)),
        (1.0, Fraction(1)),
        (np.float64(0.125), Fraction(1, 8)),
        (Fraction(1, 3), Fraction(1, 3)),
    ],
)
def test_shares_are_exact(text: str | float, fraction: Fraction) -> None:
    budget = parse_labeled(text)
    assert isinstance(budget, Share)
    assert budget.fraction == fraction


@pytest.mark.parametrize(
    ("text", "count"), [("1", 1), ("50", 50), ("007", 7), (1, 1), (50, 50), (np.int64(5), 5)]
)
def test_whole_numbers_are_counts(text: str | int, count: int) -> None:
    budget = parse_labeled(text)
    assert isinstance(budget, Count)
    assert budget.count == count


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0", "nothing to learn from"),
        ("0%", "nothing to learn from"),
        ("0.0", "nothing to learn from"),
        ("0/8", "nothing to learn from"),
        (0, "nothing to learn from"),
        (-1, "nothing to learn from"),
        (-0.5, "nothing to learn from"),
        ("200%", "more than all"),
        ("3/2", "more than all"),
        ("50.0", "more than all"),
        (1.5, "more than all"),
        ("1/0", "divides by zero"),
        ("-1", "is not a budget"),
        ("-10%", "is not a budget"),
        ("nan", "is not a budget"),
        ("inf", "is not a budget"),
        (float("nan"), "is not a budget"),
        (float("inf"), "is not a budget"),
        (True, "is not a budget"),
        ("", "(empty)` is not a budget"),
        ("   ", "(empty)` is not a budget"),
        ("ten", "is not a budget"),
        ("1e-1", "is not a budget"),
        ("10%%", "is not a budget"),
        ("%", "is not a budget"),
        ("1/8/2", "is not a budget"),
        ("9" * 5000, "is not a budget"),
        ("\u0661\u0660%", "is not a budget"),
        ("a\0b", "is not a budget"),
    ],
)
def test_everything_else_is_refused_in_one_sentence(text: str | float, reason: str) -> None:
    with pytest.raises(BudgetError) as caught:
        parse_labeled(text)
    message = str(caught.value)
    assert reason in message
    assert message.startswith("`labeled=")
    assert "write a share (10%, 1/8, 0.1), a number of cases (50), all, or a split file" in message
    assert message.endswith(").")
    assert "\n" not in message


def test_files_are_known_by_suffix(tmp_path: Path) -> None:
    file = tmp_path / "labeled.txt"
    file.write_text("a\n")
    assert parse_labeled(str(file)) == SplitFile(file, str(file))
    assert parse_labeled(file) == SplitFile(file, str(file))


@pytest.mark.parametrize("suffix", [".json", ".txt", ".csv"])
def test_a_file_that_is_not_there(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(BudgetError, match=r"gone\.\w+: no such split file; check the path"):
        parse_labeled(str(tmp_path / f"gone{suffix}"))


def test_a_folder_is_no_split_file(tmp_path: Path) -> None:
    folder = tmp_path / "split.json"
    folder.mkdir()
    with pytest.raises(BudgetError, match="no such split file"):
        parse_labeled(folder)


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    file = tmp_path / "labeled.xlsx"
    file.write_bytes(b"")
    with pytest.raises(BudgetError, match=r"labeled\.xlsx: not known as a split file by its name"):
        parse_labeled(str(file))


@pytest.mark.parametrize(
    ("text", "available", "target"),
    [
        ("1/8", 800, 100),
        ("1/8", 4, 1),  # exactly 0.5 goes up
        ("1/8", 12, 2),  # exactly 1.5 goes up
        ("1/2", 5, 3),  # exactly 2.5 goes up, where round() would give 2
        ("1%", 10, 1),  # never nothing
        ("all", 7, 7),
        ("99.9%", 10, 10),
        ("3", 10, 3),
    ],
)
def test_targets_round_half_up(text: str, available: int, target: int) -> None:
    budget = parse_labeled(text)
    assert not isinstance(budget, SplitFile)
    assert budget.target(available) == target


def test_a_count_beyond_the_data() -> None:
    with pytest.raises(BudgetError, match=r"`labeled=11` asks for more cases than the 10 training"):
        Count(11, "11").target(10)
