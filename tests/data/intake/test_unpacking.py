"""Zip archives of DICOM: bounded, under numbers, and without their names in any message."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ecs_med.archives import Limits
from ecs_med.data.intake import unpacking
from ecs_med.data.intake.links import LinkFolder
from ecs_med.data.intake.pseudonyms import Pseudonyms
from ecs_med.data.intake.unpacking import unpacked
from ecs_med.errors import UnreadableFileError

OWN = Pseudonyms(b"key")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return path


def unpack(path: Path, *, keep_names: bool = False) -> Path:
    return unpacked(path, LinkFolder(path, OWN), keep_names=keep_names)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


MEMBERS = {"SENTINEL/b.dcm": b"b", "SENTINEL/a^SENTINEL": b"a", "SENTINEL.v1/a^SENTINEL": b"c"}


def test_files_are_numbered_and_keep_known_suffixes(tmp_path: Path) -> None:
    folder = unpack(archive(tmp_path / "SENTINEL.zip", MEMBERS))
    assert contents(folder) == {"000001.dcm": b"b", "000002": b"a", "000003": b"c"}
    assert "SENTINEL" not in str(folder)


def test_names_are_kept_where_that_is_asked(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", MEMBERS)
    assert contents(unpack(path, keep_names=True)) == MEMBERS


def test_once_until_the_archive_changes(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", MEMBERS)
    first = unpack(path)
    (first / "000001.dcm").write_bytes(b"own")
    assert unpack(path) == first
    assert contents(first)["000001.dcm"] == b"own"
    archive(path, {"x.dcm": b"x"})
    os.utime(path, ns=(1, 1))
    second = unpack(path)
    assert contents(second) == {"000001.dcm": b"x"}
    assert not first.exists()


def test_paths_that_lead_out_lead_nowhere(tmp_path: Path) -> None:
    members = {"../../SENTINEL.dcm": b"a", "/SENTINEL.dcm": b"b", "C:\\SENTINEL.dcm": b"c"}
    folder = unpack(archive(tmp_path / "a.zip", members))
    assert sorted(contents(folder).values()) == [b"a", b"b", b"c"]
    assert not (tmp_path / "SENTINEL.dcm").exists()


def test_archives_in_archives_stay_whole(tmp_path: Path) -> None:
    inner = archive(tmp_path / "inner.zip", {"a.dcm": bytes(10**6)}).read_bytes()
    folder = unpack(archive(tmp_path / "a.zip", {"SENTINEL.zip": inner}))
    assert contents(folder) == {"000001": inner}


def _encrypted(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1
    path.write_bytes(content)


def _damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 16] ^= 0xFF  # of the checksum
    path.write_bytes(content)


def _renamed(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"SENTINEL", b"SENTINEX", 1))


def _no_archive(path: Path) -> None:
    path.write_bytes(b"SENTINEL")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_encrypted, "holds '000001.dcm' with a password"),
        (_damaged, "is a damaged archive"),
        (_renamed, "is a damaged archive"),
        (_no_archive, "is a damaged archive"),
    ],
)
def test_refused_without_a_name(tmp_path: Path, change: Callable[[Path], None], told: str) -> None:
    path = archive(tmp_path / "SENTINEL.zip", {"SENTINEL.dcm": b"abc"})
    change(path)
    with pytest.raises(UnreadableFileError, match=told) as caught:
        unpack(path)
    assert "SENTINE" not in str(caught.value)
    assert caught.value.path.resolve() == path


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (Limits(num_members=2, ratio=10**4), "holds more than 2 files"),
        (Limits(total_bytes=2**20, ratio=10**4), "unpacks into more than 1,048,576"),
        (Limits(ratio=2), "unpacks into more than"),
    ],
)
def test_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: Limits, told: str) -> None:
    monkeypatch.setattr(unpacking, "LIMITS", limits)
    path = archive(tmp_path / "a.zip", {f"{n}.dcm": bytes(2**19) for n in range(5)})
    with pytest.raises(UnreadableFileError, match=told):
        unpack(path)
    assert not any(path.is_file() for path in (tmp_path / "cache").rglob("unpacked/**/*"))


def test_processes_at_once(tmp_path: Path) -> None:
    members = {f"{n}.dcm": os.urandom(10**5) for n in range(50)}
    path = archive(tmp_path / "a.zip", members)
    code = (
        "import sys; from pathlib import Path\n"
        "from ecs_med.data.intake.links import LinkFolder\n"
        "from ecs_med.data.intake.pseudonyms import Pseudonyms\n"
        "from ecs_med.data.intake.unpacking import unpacked\n"
        "path = Path(sys.argv[1])\n"
        "folder = unpacked(path, LinkFolder(path, Pseudonyms(b'key')))\n"
        "assert len(list(folder.iterdir())) == 50\n"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(3)]
    assert [process.wait(120) for process in started] == [0, 0, 0]
    folder = unpack(path)
    assert sorted(contents(folder).values()) == sorted(members.values())
    assert list(folder.parent.iterdir()) == [folder]
