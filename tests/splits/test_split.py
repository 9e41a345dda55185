"""split.json: written whole, read with suspicion."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecs_med.errors import BudgetError, RunFolderError, UnreadableFileError
from ecs_med.splits import Split, draw_split
from ecs_med.types import Case


def make(number: int = 20, masked: int = 16) -> list[Case]:
    return [
        Case(
            f"images/ä {index:02d}",
            (Path(f"/gone/{index}.png"),),
            Path(f"/gone/{index}_mask.png") if index < masked else None,
            f"p{index // 2}" if index < 10 else None,
        )
        for index in range(number)
    ]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "split.json"
    draw_split(make(), "1/4", 3).write(path)
    return path


def test_round_trip(written: Path) -> None:
    split = draw_split(make(), "1/4", 3)
    assert Split.read(written, make()[::-1]) == split
    assert [path.name for path in written.parent.iterdir()] == ["split.json"]


def test_what_the_file_says(written: Path) -> None:
    document = json.loads(written.read_text(encoding="utf-8"))
    assert document["format"] == "ecs-med split"
    assert (document["version"], document["seed"], document["labeled"]) == (1, 3, "1/4")
    assert sum(document["counts"].values()) == len(document["cases"]) == 20
    assert [row["id"] for row in document["cases"]] == sorted(case.id for case in make())
    assert document["cases"][0]["patient"] == "p0"
    assert document["cases"][19]["patient"] is None
    for role, count in document["counts"].items():
        assert sum(row["role"] == role for row in document["cases"]) == count
    assert "_mask" not in written.read_text(encoding="utf-8")


def test_a_split_file_gives_every_role(written: Path) -> None:
    drawn = Split.read(written, make())
    split = draw_split(make(), str(written), 99)
    assert split.roles() == drawn.roles()
    assert (split.seed, split.asked) == (99, str(written))
    assert split.notes[-1] == "All roles are as in split.json, drawn with seed 3."


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def set_roles(document: dict[str, Any], old: str, new: str) -> None:
    for row in document["cases"]:
        if row["role"] == old:
            row["role"] = new


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda d: d.update(format="else"),
            r"is damaged \(format: Input should be 'ecs-med split'\)",
        ),
        (
            lambda d: d.update(version=3),
            r"is damaged \(version: 3 is of another ecs-med than this one, whose is 2\)",
        ),
        (lambda d: d.update(seed="3"), "is damaged"),
        (lambda d: d.update(seed=True), "is damaged"),
        (lambda d: d.update(labeled=0.25), "is damaged"),
        (lambda d: d.update(notes="text"), "is damaged"),
        (lambda d: d.update(warnings=[1]), "is damaged"),
        (lambda d: d.update(cases=[]), "cases: .*at least 1 item"),
        (lambda d: d.update(cases={"a": 1}), "cases: .*valid array"),
        (lambda d: d["cases"].append("a"), r"cases\.20: "),
        (
            lambda d: d["cases"][0].update(role="train"),
            r"cases\.0\.role: .* 'labeled', 'unlabeled', 'validation', 'test' or 'unused'",
        ),
        (lambda d: d["cases"][0].update(role=["test"]), r"cases\.0\.role: "),
        (lambda d: d["cases"][0].pop("id"), r"cases\.0\.id: Field required"),
        (lambda d: d["cases"].append(d["cases"][0]), "cases: images/ä 00 is named twice"),
        (lambda d: set_roles(d, "labeled", "unlabeled"), "cases: there is no labeled case"),
        (lambda d: set_roles(d, "test", "unused"), "cases: there is no test case"),
    ],
)
def test_damaged_splits(
    written: Path, change: Callable[[dict[str, Any]], Any], sentence: str
) -> None:
    edit(written, change)
    with pytest.raises(RunFolderError, match=sentence) as caught:
        Split.read(written, make())
    assert str(caught.value).startswith(str(written))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[1, 2]", b"[" * 100_000])
def test_no_split_at_all(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "split.json"
    path.write_bytes(content)
    with pytest.raises(RunFolderError, match=r"use the split\.json of a run as it was written"):
        Split.read(path, make())


def test_a_truncated_split(written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    written.write_text(text[: len(text) // 2], encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"is damaged \(Invalid JSON: EOF"):
        Split.read(written, make())
    with pytest.raises(UnreadableFileError, match="is damaged, or not JSON"):
        draw_split(make(), written, 0)


def test_a_missing_split(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"split\.json: is missing; use the split\.json"):
        Split.read(tmp_path / "split.json", make())


def test_unknown_cases(written: Path) -> None:
    with pytest.raises(BudgetError, match=r"images/ä 19 is not in the data set; check that `data`"):
        Split.read(written, make()[:-1])
    with pytest.raises(BudgetError, match=r"images/ä 07 and 10 more are not in the data set"):
        Split.read(written, make(5) + make()[18:])


def test_missing_cases(written: Path) -> None:
    new = Case("new", (Path("new.png"),))
    with pytest.raises(BudgetError, match="new of the data set is not in the split; the data has"):
        Split.read(written, [*make(), new])


def test_a_mask_that_has_gone(written: Path) -> None:
    split = Split.read(written, make())
    gone = split.test[0].id
    cases = [Case(c.id, c.images, None if c.id == gone else c.mask, c.patient) for c in make()]
    with pytest.raises(BudgetError, match=f"{gone} is test in the split but without a mask"):
        Split.read(written, cases)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    target = tmp_path / "gone" / "split.json"
    with pytest.raises(RunFolderError, match=r"split\.json: cannot be written \(No such file"):
        draw_split(make(), "1/4", 0).write(target)


def test_a_full_disk_leaves_the_old_file(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = written.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFolderError, match="No space left on device"):
        draw_split(make(), "1/2", 0).write(written)
    assert written.read_bytes() == before
    assert [path.name for path in written.parent.iterdir()] == ["split.json"]
