"""Masks outside the budget can be reached for reports only."""

import builtins
import dataclasses
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecs_med.splits import HiddenReferences, Split, draw_split
from ecs_med.types import Case, UnlabeledCase


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    found = []
    for index in range(24):
        image, mask = tmp_path / f"image{index}.png", tmp_path / f"mask{index}.png"
        image.write_bytes(b"image")
        mask.write_bytes(b"mask")
        partition = "train" if index < 16 else "validation"
        found.append(Case(f"{index:02d}", (image,), mask, None, partition))
    return found


@pytest.fixture
def split(cases: list[Case]) -> Split:
    return draw_split(cases, "1/4", 0)


def paths_within(value: Any) -> Iterator[Path]:
    """Every path that can be reached by public attributes, items and iteration."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, dict):
        for item in value.items():
            yield from paths_within(item)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from paths_within(item)
    elif dataclasses.is_dataclass(value) or isinstance(value, HiddenReferences):
        for name in dir(value):
            attribute = getattr(value, name, None)
            if not name.startswith("_") and not callable(attribute):
                yield from paths_within(attribute)


def test_no_attribute_of_a_split_leads_to_a_hidden_mask(split: Split) -> None:
    hidden = {mask for _, mask in split.hidden.for_reporting(100)}
    assert len(hidden) == 12
    reached = set(paths_within(split))
    assert {case.images[0] for case in split.unlabeled} <= reached
    assert {case.mask for case in split.labeled} <= reached
    assert not hidden & reached


def test_hidden_references_give_nothing_away(split: Split) -> None:
    with pytest.raises(TypeError):
        iter(split.hidden)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        split.hidden[0]  # type: ignore[index]
    with pytest.raises(TypeError):
        vars(split.hidden)
    with pytest.raises(TypeError):
        hash(split.hidden)
    public = [name for name in dir(split.hidden) if not name.startswith("_")]
    assert public == ["for_reporting", "slices_for_reporting"]
    assert repr(split.hidden) == "HiddenReferences(12 masks)"
    assert "mask1" not in repr(split.unlabeled)


def test_unlabeled_cases_have_no_mask_by_type(split: Split) -> None:
    fields = {field.name for field in dataclasses.fields(UnlabeledCase)}
    assert fields == {"id", "images", "frame"}
    assert all(type(case) is UnlabeledCase for case in split.unlabeled + split.unused)
    with pytest.raises(AttributeError):
        split.unlabeled[0].mask  # type: ignore[attr-defined]  # noqa: B018


def test_drawing_and_writing_open_no_hidden_mask(
    cases: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def watch(module: Any, name: str) -> None:
        original = getattr(module, name)

        def watched(file: Any, *args: Any, **kwargs: Any) -> Any:
            opened.append(str(file))
            return original(file, *args, **kwargs)

        monkeypatch.setattr(module, name, watched)

    watch(builtins, "open")
    watch(io, "open")
    watch(os, "open")
    drawn = draw_split(cases, "1/4", 0)
    drawn.write(tmp_path / "split.json")
    Split.read(tmp_path / "split.json", cases)
    drawn.hidden.for_reporting(5)
    for case in drawn.unlabeled:
        case.images[0].read_bytes()
    assert any("split.json" in file for file in opened)
    assert any("image" in Path(file).name for file in opened)
    assert not any("mask" in Path(file).name for file in opened)


def test_for_reporting_is_fixed_and_a_prefix(split: Split, cases: list[Case]) -> None:
    whole = split.hidden.for_reporting(100)
    assert len(whole) == len(split.hidden) == 12
    for limit in range(13):
        assert split.hidden.for_reporting(limit) == whole[:limit]
    again = draw_split(cases[::-1], "1/4", 0).hidden
    assert again.for_reporting(5) == whole[:5]
    of = {case.id: case.mask for case in cases}
    assert all(of[case.id] == mask for case, mask in whole)


def test_for_reporting_refuses_a_negative_limit(split: Split) -> None:
    with pytest.raises(ValueError, match="negative"):
        split.hidden.for_reporting(-1)


def test_nothing_hidden() -> None:
    assert HiddenReferences({}).for_reporting(3) == []
    assert len(HiddenReferences({})) == 0
    assert HiddenReferences({}) != 3
