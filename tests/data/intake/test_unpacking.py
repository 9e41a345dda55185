"""Archives are unpacked whole under other names, or refused in a sentence that holds none."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ecs_med.archives import Limits
from ecs_med.data.intake import unpacking
from ecs_med.data.intake.links import LinkFolder
from ecs_med.data.intake.pseudonyms import Pseudonyms
from ecs_med.data.intake.unpacking import unpacked
from ecs_med.errors import DataError

_OWN = Pseudonyms(b"key")
_REMEDY = "; unpack it yourself, if you trust it, and give the folder."

_UNPACK = """
import sys
from pathlib import Path
from ecs_med.data.intake.links import LinkFolder
from ecs_med.data.intake.pseudonyms import Pseudonyms
from ecs_med.data.intake.unpacking import unpacked
path = Path(sys.argv[1])
sys.stdin.readline()
folder = unpacked(path, LinkFolder(path, Pseudonyms(b"key")))
assert len(list(folder.iterdir())) == 200
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _unpacked(path: Path, *, keep_names: bool = False) -> Path:
    return unpacked(path, LinkFolder(path, _OWN), keep_names=keep_names)


def test_names_are_numbers_or_kept(tmp_path: Path) -> None:
    members = {"Doe^John/ct/Doe.DCM": b"1", "Doe^John/ct/Doe^J.7": b"2", "Doe^John/a.nii.gz": b"3"}
    path = _zip(tmp_path / "Doe.zip", members)
    folder = _unpacked(path)
    found = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert found == {"000001.dcm": b"1", "000002": b"2", "000003.nii.gz": b"3"}
    kept = _unpacked(path, keep_names=True)
    assert {str(f.relative_to(kept)): f.read_bytes() for f in kept.rglob("*") if f.is_file()} == (
        members
    )
    assert (_unpacked(path), folder.is_dir()) == (folder, True)


def test_unpacked_anew_where_it_changes(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", {"a": b"1"})
    before = _unpacked(path)
    inode = (before / "000001").stat().st_ino
    assert (_unpacked(path) / "000001").stat().st_ino == inode
    _zip(path, {"a": b"2", "b": b"3"})
    after = _unpacked(path)
    assert sorted(file.read_bytes() for file in after.iterdir()) == [b"2", b"3"]
    assert not before.exists()


def _damaged(path: Path) -> Path:
    content = bytearray(_zip(path, {"Doe.dcm": os.urandom(5000)}).read_bytes())
    content[2000] ^= 0xFF
    path.write_bytes(content)
    return path


def _cut_off(path: Path) -> Path:
    path.write_bytes(_zip(path, {"Doe.dcm": os.urandom(5000)}).read_bytes()[:3000])
    return path


def _encrypted(path: Path) -> Path:
    content = bytearray(_zip(path, {"Doe.dcm": b"secret"}).read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    return path


def _linked(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("Doe.dcm")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return path


def _lying(path: Path) -> Path:
    """A member that says it is shorter than it is."""
    content = bytearray(_zip(path, {"Doe.dcm": bytes(4 * 2**20)}).read_bytes())
    place = content.index(b"PK\1\2") + 24
    content[place : place + 4] = (100).to_bytes(4, "little")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda p: _zip(p, {"Doe.dcm": bytes(8 * 2**20)}), "unpacks into more than"),
        (lambda p: _zip(p, {f"Doe{n}": b"" for n in range(12)}), "holds more than 10 files"),
        (lambda p: _zip(p, {f"Doe{n}": os.urandom(2**20) for n in range(4)}), "of 4,19"),
        (lambda p: _zip(p, {"../Doe.dcm": b"1"}), "holds a path, which leads out of its folder"),
        (lambda p: _zip(p, {"/Doe.dcm": b"1"}), "holds a path, which leads out of its folder"),
        (lambda p: _zip(p, {}), "holds no file"),
        (_damaged, "is a damaged archive"),
        (_cut_off, "is a damaged archive"),
        (_encrypted, "holds '000001.dcm' with a password"),
        (_linked, "holds '000001.dcm', a link, device or sparse file"),
        (_lying, "is a damaged archive"),
    ],
    ids=["ratio", "count", "total", "up", "root", "empty", "damaged", "cut", "password", "link",
         "lying"],
)  # fmt: skip
def test_hostile_archives_are_refused(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, make, reason: str
) -> None:
    monkeypatch.setattr(unpacking, "LIMITS", Limits(10, 3 * 2**20, 50))
    path = make(tmp_path / "Doe.zip")
    with pytest.raises(DataError) as caught:
        _unpacked(path)
    sentence = str(caught.value)
    assert reason in sentence
    assert sentence.endswith(_REMEDY)
    assert "Doe" not in sentence
    assert "\n" not in sentence
    left = [p for p in cache.rglob("*") if p.is_file() and not p.is_symlink()]
    assert not left
    assert not list(cache.rglob(".ecs-med-*"))


def test_an_archive_in_an_archive_stays_one(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(2**24))
    path = _zip(tmp_path / "a.zip", {"Doe.zip": inner.getvalue(), "b.dcm": b"1"})
    assert sorted(file.name for file in _unpacked(path).iterdir()) == ["000001", "000002.dcm"]


def test_two_processes_at_once(tmp_path: Path, cache: Path) -> None:
    path = _zip(tmp_path / "a.zip", {str(n): os.urandom(2000) for n in range(200)})
    running = [
        subprocess.Popen([sys.executable, "-c", _UNPACK, str(path)], stdin=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in running:
        process.communicate()
    assert [process.returncode for process in running] == [0, 0, 0]
    assert not list(cache.rglob(".ecs-med-*"))
