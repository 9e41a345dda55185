"""Links stand for files under names that tell nothing, whoever makes them and how often."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ecs_med.data.intake.links import LinkFolder
from ecs_med.data.intake.pseudonyms import Pseudonyms
from ecs_med.errors import DataError

_OWN = Pseudonyms(b"key")

_LINK = """
import sys
from pathlib import Path
from ecs_med.data.intake.links import LinkFolder
from ecs_med.data.intake.pseudonyms import Pseudonyms
place = Path(sys.argv[1])
sys.stdin.readline()
for _ in range(5):
    files, _ = LinkFolder(place, Pseudonyms(b"key")).case("case-1", sorted(place.iterdir()))
    assert all(link.read_text() == str(n) for n, link in enumerate(files)), files
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Thirty files whose content is their number."""
    folder = tmp_path / "Doe^John"
    folder.mkdir()
    for number in range(30):
        (folder / f"Doe_{number:02d}").write_text(str(number))
    return folder


def _files(place: Path) -> list[Path]:
    return sorted(place.iterdir())


def _states(folder: Path) -> dict[Path, int]:
    return {path: path.lstat().st_ino for path in folder.rglob("*")}


def test_names_and_order(place: Path, cache: Path) -> None:
    mask = place.with_name("Doe_mask.NII.gz")
    mask.write_text("mask")
    links, linked = LinkFolder(place, _OWN).case("case-1", _files(place), mask)
    assert [link.name for link in links] == [f"{n:04d}.dcm" for n in range(1, 31)]
    assert [link.read_text() for link in links] == [str(n) for n in range(30)]
    assert linked is not None
    assert (linked.name, linked.read_text()) == ("mask.nii.gz", "mask")
    assert not [path for path in cache.rglob("*") if "doe" in str(path.relative_to(cache)).lower()]


def test_folders_are_their_owners(place: Path, cache: Path) -> None:
    links, _ = LinkFolder(place, _OWN).case("case-1", _files(place))
    folder = links[0].parent
    while folder != cache / "ecs-med":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        folder = folder.parent


def test_making_links_again_changes_nothing(place: Path, cache: Path) -> None:
    folder = LinkFolder(place, _OWN)
    first = folder.case("case-1", _files(place)), folder.other(place / "report.txt")
    states = _states(cache)
    again = LinkFolder(place, _OWN)
    assert (again.case("case-1", _files(place)), again.other(place / "report.txt")) == first
    assert _states(cache) == states


def test_links_follow_files_that_come_and_go(place: Path) -> None:
    folder = LinkFolder(place, _OWN)
    folder.case("case-1", _files(place))
    gone, _ = folder.case("case-2", [place / "Doe_29"])
    (place / "Doe_00").unlink()
    (place / "Doe_29").unlink()
    links, _ = folder.case("case-1", _files(place))
    assert [link.read_text() for link in links] == [str(n) for n in range(1, 29)]
    folder.clear()
    assert not gone[0].parent.exists()
    assert sorted(path.name for path in links[0].parent.iterdir()) == [
        link.name for link in sorted(links)
    ] + ["0029.dcm"]  # leads to a file that is there, and maybe another process uses it


@pytest.mark.parametrize("hard", [True, False])
def test_where_there_are_no_symbolic_links(
    place: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, hard: bool
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    if not hard:
        monkeypatch.setattr(os, "link", refuse)
    folder = LinkFolder(place, _OWN)
    links, _ = folder.case("case-1", _files(place))
    assert all(link.samefile(file) == hard for link, file in zip(links, _files(place), strict=True))
    assert [link.read_text() for link in links] == [str(n) for n in range(30)]
    states = _states(cache)
    folder.case("case-1", _files(place))
    assert _states(cache) == states
    times = (place / "Doe_07").stat()
    (place / "Doe_07").unlink()
    (place / "Doe_07").write_text("x")
    os.utime(place / "Doe_07", ns=(times.st_atime_ns, times.st_mtime_ns))
    links, _ = folder.case("case-1", _files(place))
    assert links[7].read_text() == "x"
    assert folder.other(place).name.startswith("file-")  # a folder, which can only be named
    assert not list(cache.rglob(".ecs-med-*"))


def test_two_processes_at_once(place: Path, cache: Path) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", _LINK, str(place)], stdin=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in running:
        process.communicate(b"\n")
    assert [process.returncode for process in running] == [0, 0]
    assert not list(cache.rglob(".ecs-med-*"))


def test_a_cache_that_cannot_be_written(place: Path, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(DataError) as caught:
        LinkFolder(place, _OWN).case("case-1", _files(place))
    assert "Doe" not in str(caught.value)
    assert str(caught.value).endswith(
        "so names of DICOM files cannot be kept back; set XDG_CACHE_HOME to a folder that can be "
        "written, or keep them with `keep_names`."
    )
