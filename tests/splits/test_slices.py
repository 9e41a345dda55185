"""Labelled slices: nested, of the right voxels, and nothing but these within reach."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ecs_med.errors import BudgetError, RunFolderError, UnreadableFileError
from ecs_med.sparse import SliceSelection, SparseCase, SparseMask
from ecs_med.splits import (
    SliceChoice,
    Split,
    VolumeSlices,
    choose_slices,
    draw_split,
    read_listed_slices,
)
from ecs_med.splits.slices import evenly
from ecs_med.types import UNLABELED_INDEX, Case

CHOICES: tuple[SliceChoice, ...] = ("even", "random", "content")


def volume(number: int = 20, shown: range = range(8, 14)) -> VolumeSlices:
    """Slices of 100 voxels, of which some show class 1."""
    return VolumeSlices(2, [[90, 10] if i in shown else [100, 0] for i in range(number)])


def cases(number: int = 12) -> list[Case]:
    return [Case(f"v{i:02d}", (Path(f"v{i}.nii"),), Path(f"m{i}.nii")) for i in range(number)]


@pytest.mark.parametrize("choice", CHOICES)
def test_more_slices_contain_fewer(choice: SliceChoice) -> None:
    drawn = [
        set(choose_slices({"a": volume()}, choice, k, seed=3)["a"].layers) for k in range(1, 21)
    ]
    assert [len(layers) for layers in drawn] == list(range(1, 21))
    assert all(small < large for small, large in pairwise(drawn))


def test_other_volumes_change_nothing_and_seeds_do() -> None:
    alone = choose_slices({"a": volume()}, "random", 4, seed=0)["a"]
    among = choose_slices({"a": volume(), "b": volume(30)}, "random", 4, seed=0)["a"]
    assert alone == among
    assert alone != choose_slices({"a": volume()}, "random", 4, seed=1)["a"]
    even = [choose_slices({"a": volume()}, "even", 4, seed=seed)["a"] for seed in (0, 1)]
    assert even[0] == even[1]


def test_even_slices_are_evenly_spaced() -> None:
    assert choose_slices({"a": volume(16)}, "even", 3, seed=0)["a"].layers == (4, 8, 12)
    assert choose_slices({"a": volume(16)}, "even", 7, seed=0)["a"].layers == tuple(range(2, 16, 2))
    for number in (1, 2, 5, 37, 64, 155):
        assert sorted(evenly(number)) == list(range(number))


def test_content_looks_for_foreground_twice_of_three_times() -> None:
    found = choose_slices({"a": volume(100, range(40, 46))}, "content", 6, seed=0)["a"]
    assert sum(layer in range(40, 46) for layer in found.layers) >= 4


def test_void_slices_are_never_labelled() -> None:
    half = VolumeSlices(0, [[0, 0]] * 10 + [[5, 5]] * 3 + [[0, 0]] * 7)
    for choice in (*CHOICES, "given"):
        assert choose_slices({"a": half}, choice, None, seed=0)["a"].layers == (10, 11, 12)
    with pytest.raises(BudgetError, match="a: its mask is void throughout"):
        choose_slices({"a": VolumeSlices(0, [[0, 0]] * 4)}, "even", 1, seed=0)


def test_given_slices_have_to_be_given() -> None:
    with pytest.raises(BudgetError, match="every one of its 20 slices is annotated"):
        choose_slices({"a": volume()}, "given", None, seed=0)
    listed = VolumeSlices(2, volume().pixels, (9, 3))
    assert choose_slices({"a": listed}, "given", None, seed=0)["a"].layers == (3, 9)
    with pytest.raises(BudgetError, match="has no slice 20"):
        choose_slices({"a": VolumeSlices(2, volume().pixels, (20,))}, "given", None, seed=0)


def test_a_list_names_slices(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("case,slices\nv01,3;9;3\nv02.nii,4 5\n")
    assert read_listed_slices(path, cases()) == {"v01": (3, 9), "v02": (4, 5)}
    path.write_text("case\nv01\n")
    assert read_listed_slices(path, cases()) == {}
    path.write_text("case,slices\nv01,-3\n")
    with pytest.raises(UnreadableFileError, match="names no slices of v01"):
        read_listed_slices(path, cases())


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_nothing_but_labelled_slices_can_be_had(axis: int) -> None:
    labels = np.random.default_rng(0).integers(0, 3, (4, 5, 6), dtype=np.uint8)
    mask = SparseMask(Path("whole.nii"), SliceSelection(axis, (1, 3)))
    found = np.moveaxis(mask.labels(lambda path: labels), axis, 0)
    whole = np.moveaxis(labels, axis, 0)
    for layer, (shown, there) in enumerate(zip(found, whole, strict=True)):
        expected = there if layer in (1, 3) else np.full_like(there, UNLABELED_INDEX)
        np.testing.assert_array_equal(shown, expected)
    assert "whole" not in repr(mask)
    reachable = {name: getattr(mask, name) for name in dir(mask) if not name.startswith("_")}
    assert not any(isinstance(value, Path) for value in reachable.values())


def test_a_split_keeps_its_slices(tmp_path: Path) -> None:
    drawn = draw_split(cases(), "50%", 0)
    chosen = {case.id: SliceSelection(2, (1, 5)) for case in drawn.labeled}
    split = drawn.with_slices(cases(), chosen, ["Slices."])
    assert all(isinstance(case, SparseCase) for case in split.labeled)
    assert split.roles() == drawn.roles()
    assert split.num_slices == 2 * len(split.labeled)
    split.write(tmp_path / "split.json")
    again = Split.read(tmp_path / "split.json", cases())
    assert again == split
    used = draw_split(cases(), tmp_path / "split.json", 0)
    assert used.slices() == chosen
    # The hidden part of these masks is for reports alone.
    whole = {case.id: (mask, some) for case, mask, some in split.hidden.slices_for_reporting(99)}
    assert whole == {c.id: (c.mask, chosen[c.id]) for c in cases() if c.id in chosen}
    assert not drawn.hidden.slices_for_reporting(99)


def test_older_readers_refuse_splits_of_slices_and_read_others(tmp_path: Path) -> None:
    drawn = draw_split(cases(), "50%", 0)
    drawn.write(tmp_path / "old.json")
    text = (tmp_path / "old.json").read_text()
    assert '"version": 1' in text
    assert "slices" not in text
    chosen = {case.id: SliceSelection(2, (1,)) for case in drawn.labeled}
    drawn.with_slices(cases(), chosen).write(tmp_path / "new.json")
    text = (tmp_path / "new.json").read_text()
    assert '"version": 2' in text
    (tmp_path / "bad.json").write_text(text.replace('"layers": [1]', '"layers": [3, 1]'))
    with pytest.raises(RunFolderError, match="ascending"):
        Split.read(tmp_path / "bad.json", cases())
