"""Draws that look at what the masks show."""

from hashlib import sha256
from pathlib import Path
from unicodedata import normalize

import pytest

from ecs_med.errors import BudgetError
from ecs_med.splits import draw_split
from ecs_med.splits.ordering import ordered_groups, shuffled_groups
from ecs_med.types import Case

CASES = [
    Case(f"c{index:03d}", (Path(f"/gone/{index}.png"),), Path(f"/gone/{index}_m.png"))
    for index in range(90)
]


def content(*, every: int, classes: int = 1) -> dict[str, tuple[int, ...]]:
    """Every so many cases show foreground: of class 1, and each third of those of class 2 too."""
    rows = {}
    for index, case in enumerate(CASES):
        shown = index % every == 0
        extra = (10 if shown and index % (3 * every) == 0 else 0,) if classes == 2 else ()
        rows[case.id] = (1000, (1 + index) if shown else 0, *extra)
    return rows


def flat(draw: str, rows: dict[str, tuple[int, ...]], seed: int = 0) -> list[str]:
    groups = ordered_groups(CASES, draw, seed, rows)  # type: ignore[arg-type]
    return [case.id for group in groups for case in group]


@pytest.mark.parametrize("draw", ["random", "foreground", "stratified"])
def test_every_order_holds_every_case_once_and_depends_on_the_seed(draw: str) -> None:
    rows = content(every=3, classes=2)
    assert sorted(flat(draw, rows)) == [case.id for case in CASES]
    assert flat(draw, rows) == flat(draw, rows)
    assert flat(draw, rows, 1) != flat(draw, rows, 0)


def test_random_is_the_order_of_the_published_draw() -> None:
    expected = [case.id for group in shuffled_groups(CASES, "labeled", 5) for case in group]
    assert flat("random", {}, 5) == expected


def test_patients_are_ordered_by_digests_and_equal_ones_by_name() -> None:
    composed, decomposed = "L\u00e4sion", "La\u0308sion"
    names = ["b", composed, "a", decomposed, "c", "d"]
    patients = ["p1", None, "p2", None, "p1", "p1"]
    cases = [Case(n, (), patient=p) for n, p in zip(names, patients, strict=True)]
    groups = {"patient:p1": "bcd", "patient:p2": "a"}
    keys = [*groups, f"case:{composed}", f"case:{decomposed}"]

    def digest(key: str) -> str:
        return sha256(normalize("NFC", f"7:labeled:{key}").encode()).hexdigest()

    expected = [
        [*groups.get(key, [key.removeprefix("case:")])]
        for key in sorted(keys, key=lambda key: (digest(key), key))
    ]
    assert digest(keys[2]) == digest(keys[3])
    found = shuffled_groups(reversed(cases), "labeled", 7)
    assert [[case.id for case in group] for group in found] == expected


def test_two_of_three_show_foreground_while_there_are_any() -> None:
    rows = content(every=3)
    front = flat("foreground", rows)[:30]
    shown = [rows[name][1] > 0 for name in front]
    assert all(shown[i] for i in range(30) if i % 3 != 2)
    assert 20 <= sum(shown) <= 30
    assert sum(rows[name][1] > 0 for name in flat("random", rows)[:30]) < 20


def test_classes_take_turns() -> None:
    rows = content(every=3, classes=2)
    front = flat("foreground", rows)[:6]
    # Guided places 0, 1, 3, 4 ask for classes 1, 2, 1, 2.
    assert rows[front[1]][2] > 0
    assert rows[front[4]][2] > 0


def test_a_stratified_prefix_is_in_proportion() -> None:
    rows = content(every=3)
    order = flat("stratified", rows)
    sizes = sorted(count for _, count in rows.values() if count)
    small, large = sizes[9], sizes[20]
    for length in (9, 18, 36, 45):
        shown = [rows[name][1] for name in order[:length] if rows[name][1]]
        assert len(shown) == pytest.approx(length / 3, abs=3)
        assert sum(s <= small for s in shown) == pytest.approx(length / 9, abs=1)
        assert sum(s >= large for s in shown) == pytest.approx(length / 9, abs=1)


def test_patients_stay_whole() -> None:
    cases = [
        Case(f"p{i // 3}/{i}", (Path(f"/g/{i}.png"),), Path(f"/g/{i}_m.png"), f"p{i // 3}")
        for i in range(30)
    ]
    rows = {case.id: (10, i % 2) for i, case in enumerate(cases)}
    for draw in ("foreground", "stratified"):
        groups = ordered_groups(cases, draw, 0, rows)  # type: ignore[arg-type]
        assert all(len({case.patient for case in group}) == 1 for group in groups)
        assert [len(group) for group in groups] == [3] * 10


def test_budgets_are_nested_and_the_split_says_how_they_were_drawn() -> None:
    rows = content(every=3)
    drawn = [
        draw_split(CASES, labeled, 0, draw="foreground", content=rows)
        for labeled in ("1/16", "1/4", "1/2")
    ]
    names = [{case.id for case in split.labeled} for split in drawn]
    assert names[0] < names[1] < names[2]
    assert any("Draw foreground" in note for note in drawn[0].notes)
    plain = draw_split(CASES, "1/4", 0)
    assert not any("Draw" in note for note in plain.notes)
    assert plain.test == drawn[1].test


def test_a_guided_draw_that_changes_nothing_says_so() -> None:
    rows = {case.id: (10, 5) for case in CASES}
    split = draw_split(CASES, "1/4", 0, draw="foreground", content=rows)
    assert any("the same cases here as `draw=random`" in text for text in split.warnings)


def test_a_mask_that_was_not_looked_at_is_named() -> None:
    with pytest.raises(BudgetError, match="c000"):
        flat("stratified", {case.id: (1, 1) for case in CASES[1:]})
