"""Masks that were called wrong: used for nothing, and nothing else changes."""

import pytest

from ecs_med.errors import BudgetError
from ecs_med.splits import Fold, Split, SplitDocument, draw_split
from ecs_med.types import Case


@pytest.fixture
def cases(tmp_path):
    """40 masks of 20 patients, and 10 images without one."""
    masked = [
        Case(f"c{i:02d}", (tmp_path / f"{i}.png",), tmp_path / f"{i}_mask.png", f"p{i // 2}")
        for i in range(40)
    ]
    return [*masked, *(Case(f"u{i}", (tmp_path / f"u{i}.png",)) for i in range(10))]


def ids(part):
    return {case.id for case in part}


def test_labels_become_unlabelled_and_held_cases_are_left_out(cases):
    whole = draw_split(cases, "all", 0)
    wrong = {whole.labeled[0].id, whole.labeled[5].id, whole.test[0].id, whole.validation[0].id}
    split = draw_split(cases, "all", 0, excluded=wrong)
    assert ids(split.labeled) == ids(whole.labeled) - wrong
    assert ids(split.unlabeled) == ids(whole.unlabeled) | (wrong & ids(whole.labeled))
    assert ids(split.test) == ids(whole.test) - wrong
    assert ids(split.validation) == ids(whole.validation) - wrong
    assert ids(split.unused) == {whole.test[0].id, whole.validation[0].id}
    assert split.excluded == wrong
    assert len(split.hidden) == 0
    assert "2 of training cases" in split.notes[-1]


def test_a_budget_is_drawn_among_the_masks_that_are_left(cases):
    whole = draw_split(cases, "8", 0)
    wrong = set(list(ids(whole.labeled))[:1])
    split = draw_split(cases, "8", 0, excluded=wrong)
    assert not wrong & ids(split.labeled)
    assert len(split.labeled) in (7, 8, 9)
    assert ids(split.test) == ids(whole.test)
    assert wrong <= ids(split.unlabeled)
    assert len(split.hidden) == len(split.unlabeled) - 10 - 1


def test_folds_stay_and_lose_what_is_excluded(cases):
    for index in range(3):
        whole = draw_split(cases, "all", 0, fold=Fold(index, 3))
        split = draw_split(cases, "all", 0, fold=Fold(index, 3), excluded={"c00", "c07"})
        assert ids(split.test) == ids(whole.test) - {"c00", "c07"}


def test_the_file_keeps_it_and_gives_it_back(cases, tmp_path):
    split = draw_split(cases, "10", 0, excluded={"c00", "c07"})
    split.write(tmp_path / "split.json")
    document = SplitDocument.read(tmp_path / "split.json")
    assert document.excluded() == {"c00", "c07"}
    again = Split.read(tmp_path / "split.json", cases)
    assert again == split
    hidden = {case.id for case, _ in again.hidden.for_reporting(99)}
    assert not hidden & {"c00", "c07"}
    assert '"excluded": false' not in (tmp_path / "split.json").read_text()


def test_of_a_split_file_roles_are_taken_back(cases, tmp_path):
    whole = draw_split(cases, "all", 0)
    path = tmp_path / "split.json"
    whole.write(path)
    wrong = {whole.labeled[0].id, whole.test[0].id}
    split = draw_split(cases, path, 0, excluded=wrong)
    assert split.roles()[whole.labeled[0].id] == "unlabeled"
    assert split.roles()[whole.test[0].id] == "unused"
    assert ids(split.validation) == ids(whole.validation)
    with pytest.raises(BudgetError, match="takes all masks that there are to test on"):
        draw_split(cases, path, 0, excluded=ids(whole.test))


def test_of_a_list_entries_are_taken_off(cases, tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("c00\nc01\nc02\n")
    split = draw_split(cases, path, 0, excluded={"c00"})
    assert ids(split.labeled) == {"c01", "c02"}
    with pytest.raises(BudgetError, match=r"list.txt: `exclude` takes all of its masks"):
        draw_split(cases, path, 0, excluded={"c00", "c01", "c02"})


def test_nothing_left_is_refused(cases):
    whole = draw_split(cases, "all", 0)
    with pytest.raises(BudgetError, match="to train on"):
        draw_split(cases, "all", 0, excluded=ids(whole.labeled))
    with pytest.raises(BudgetError, match="to test on"):
        draw_split(cases, "all", 0, excluded=ids(whole.test))


def test_excluded_and_used_is_a_damaged_file(cases, tmp_path):
    split = draw_split(cases, "all", 0, excluded={"c00"})
    split.write(tmp_path / "split.json")
    text = (tmp_path / "split.json").read_text()
    role = split.roles()["c00"]
    damaged = text.replace(f'"role": "{role}", "excluded"', '"role": "test", "excluded"')
    assert damaged != text
    (tmp_path / "split.json").write_text(damaged)
    with pytest.raises(Exception, match="the mask of c00 is excluded and used"):
        SplitDocument.read(tmp_path / "split.json")
