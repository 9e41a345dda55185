"""Files are written whole or not at all, whatever the folder allows."""

import os
import stat
from pathlib import Path

import pytest

from ecs_med.errors import RunFolderError
from ecs_med.files import RESULT_REMEDY, write_atomically, write_bytes, write_json, write_text


def test_content_is_put_in_place_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "ä\n")
    write_bytes(tmp_path / ("n" * 250), b"x")
    write_json(tmp_path / "a.json", {"ä": [1, None]})
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa4\n"
    assert (tmp_path / "a.json").read_text(encoding="utf-8").startswith('{\n  "ä": [\n')
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", "a.json", "n" * 250}


def test_the_mode_is_that_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_text(tmp_path / "ours", "")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("usual", "ours")}
    assert len(modes) == 1


def test_a_drive_without_modes_is_tolerated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", refuse)
    write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"


@pytest.mark.parametrize("remedy", [None, RESULT_REMEDY])
def test_a_failure_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remedy: str | None
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    write_text(tmp_path / "a", "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFolderError) as caught:
        write_bytes(tmp_path / "a", b"new", **({"remedy": remedy} if remedy else {}))
    told = f"{tmp_path / 'a'}: cannot be written (No space left on device); "
    end = remedy or RESULT_REMEDY
    assert str(caught.value) == f"{told}{end}."
    assert (tmp_path / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_is_no_failure_of_the_disk_goes_through(tmp_path: Path) -> None:
    def stop(_: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a", stop)
    assert list(tmp_path.iterdir()) == []
