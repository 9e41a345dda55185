"""Links that stand for files whose own names shall not be seen."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ecs_med.data.intake.links import LinkFolder
from ecs_med.data.intake.pseudonyms import Pseudonyms
from ecs_med.errors import DataError
from ecs_med.files import cache_folder

OWN = Pseudonyms(b"key")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_folder("dicom")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "SENTINEL"
    folder.mkdir()
    for name in ("I9", "I10.dcm", "I11.IMA"):
        (folder / name).write_text(name)
    return [folder / name for name in ("I9", "I10.dcm", "I11.IMA")]


def make(files: list[Path]) -> tuple[Path, ...]:
    return LinkFolder(files[0].parent, OWN).case("case-1", files)[0]


def test_links_are_numbered_in_order_and_lead_to_the_files(files: list[Path], cache: Path) -> None:
    links = make(files)
    assert [link.name for link in links] == ["0001.dcm", "0002.dcm", "0003.ima"]
    assert [link.resolve() for link in links] == files
    assert "SENTINEL" not in str(links[0])
    assert links[0].parents[2] == cache
    for folder in links[0].parents[:3]:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_making_them_again_changes_nothing(files: list[Path]) -> None:
    before = [link.lstat().st_mtime_ns for link in make(files)]
    assert [link.lstat().st_mtime_ns for link in make(files)] == before


def test_links_follow_changed_files(files: list[Path]) -> None:
    make(files)
    (last, first) = make([files[2], files[0]])
    assert (last.resolve(), first.resolve()) == (files[2], files[0])
    assert last.name == "0001.ima"


def test_mask_lies_beside(files: list[Path], tmp_path: Path) -> None:
    mask = tmp_path / "SENTINEL.nii.gz"
    mask.touch()
    _, link = LinkFolder(tmp_path, OWN).case("case-1", files, mask)
    assert link is not None
    assert (link.name, link.resolve()) == ("mask.nii.gz", mask)


def test_files_of_one_folder_have_other_links_than_the_folder(files: list[Path]) -> None:
    whole = make(files)
    part = LinkFolder(files[1:], OWN).case("case-1", files[1:])[0]
    assert [link.resolve() for link in whole] == files
    assert [link.resolve() for link in part] == files[1:]


def test_links_to_nothing_are_removed_and_what_was_made_of_them(files: list[Path]) -> None:
    links = make(files)
    (links[0].parent / "resampled-1.nii").touch()
    files[1].unlink()
    LinkFolder(files[0].parent, OWN).clear()
    assert sorted(path.name for path in links[0].parent.iterdir()) == [
        "0001.dcm",
        "0003.ima",
        "resampled-1.nii",
    ]
    shutil.rmtree(files[0].parent)
    LinkFolder(files[0].parent, OWN).clear()
    assert not links[0].parent.exists()


def test_other_files_and_folders(files: list[Path], tmp_path: Path) -> None:
    folder = LinkFolder(tmp_path, OWN)
    assert folder.other(files[1]).resolve() == files[1]
    assert folder.other(files[0].parent).resolve() == files[0].parent
    missing = folder.other(tmp_path / "SENTINEL_MISSING.dcm")
    assert (missing.exists(), missing.suffix) == (False, ".dcm")


@pytest.mark.parametrize("also", [(), ("link",)], ids=["hard links", "copies"])
def test_where_there_are_no_symbolic_links(
    files: list[Path], monkeypatch: pytest.MonkeyPatch, also: tuple[str, ...]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(1, "not here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    for name in also:
        monkeypatch.setattr(os, name, refuse)
    links = make(files)
    assert [link.read_text() for link in links] == [path.name for path in files]
    assert not any(link.is_symlink() for link in links)
    assert links[0].samefile(files[0]) != bool(also)
    files[0].unlink()
    files[0].write_text("changed")
    assert make(files)[0].read_text() == "changed"
    folder = LinkFolder(files[0].parent, OWN).other(files[0].parent)
    assert not folder.exists()


def test_processes_at_once(files: list[Path]) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from ecs_med.data.intake.links import LinkFolder\n"
        "from ecs_med.data.intake.pseudonyms import Pseudonyms\n"
        "files = [Path(name) for name in sys.argv[1:]]\n"
        "for _ in range(50):\n"
        "    folder = LinkFolder(files[0].parent, Pseudonyms(b'key'))\n"
        "    links, _ = folder.case('case-1', files)\n"
        "    folder.clear()\n"
        "    assert [link.resolve() for link in links] == files\n"
    )
    words = [sys.executable, "-c", code, *map(str, files)]
    started = [subprocess.Popen(words) for _ in range(3)]
    assert [process.wait(120) for process in started] == [0, 0, 0]
    folder = make(files)[0].parent
    assert sorted(path.name for path in folder.iterdir()) == ["0001.dcm", "0002.dcm", "0003.ima"]


def test_a_cache_that_cannot_be_written_is_one_sentence(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(DataError, match=r"no link can be made here .* set XDG_CACHE_HOME"):
        make(files)
