"""The key is made once and stays; names come from it alone."""

import hashlib
import hmac
import os
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from ecs_med.data.intake import pseudonyms
from ecs_med.data.intake.pseudonyms import KEY_BYTES, Pseudonyms, key_path
from ecs_med.errors import DataError

_ASK = """
import sys
sys.stdin.readline()
from ecs_med.data.intake.pseudonyms import Pseudonyms
print(Pseudonyms.local().of("case", "1.2.3"))
"""


@pytest.fixture(autouse=True)
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return key_path()


def test_names_are_keyed_hashes(key: Path) -> None:
    name = Pseudonyms.local().of("case", "Doe^John")
    content = key.read_bytes()
    digest = hmac.new(content, b"case\0Doe^John", hashlib.sha256).hexdigest()
    assert name == f"case-{digest[:10]}"
    assert Pseudonyms.local().of("case", "Doe^John") == name
    assert Pseudonyms.local().of("patient", "Doe^John")[-10:] != name[-10:]
    assert Pseudonyms(b"x").of("case", "caf\udce9") != Pseudonyms(b"x").of("case", "caf")


def test_the_key_is_its_owners(key: Path) -> None:
    mask = os.umask(0o000)
    try:
        Pseudonyms.local()
    finally:
        os.umask(mask)
    assert len(key.read_bytes()) == KEY_BYTES
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [path.name for path in key.parent.iterdir()] == ["key"]


def test_eight_processes_make_one_key(key: Path) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", _ASK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(8)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    names = [process.communicate()[0].strip() for process in running]
    assert all(process.returncode == 0 for process in running)
    assert set(names) == {Pseudonyms(key.read_bytes()).of("case", "1.2.3")}


def test_a_folder_without_hard_links_keeps_the_first_key(
    key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    Pseudonyms.local()
    first = key.read_bytes()
    pseudonyms._make(key)
    assert key.read_bytes() == first
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"short"])
def test_a_damaged_key_is_told(key: Path, content: bytes) -> None:
    key.parent.mkdir(parents=True)
    key.write_bytes(content)
    key.chmod(0o600)
    with pytest.raises(DataError) as caught:
        Pseudonyms.local()
    assert str(caught.value) == (
        f"{key}: is not the key for names of DICOM cases (it has {len(content)} bytes); restore "
        "it, or remove it, and cases get other names."
    )
    assert key.read_bytes() == content


def test_a_key_that_others_can_read_warns_once(key: Path) -> None:
    key.parent.mkdir(parents=True)
    key.write_bytes(bytes(range(KEY_BYTES)))
    key.chmod(0o644)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            Pseudonyms.local()
    assert [str(w.message) for w in caught] == [
        f"{key}: others can read the key for names of DICOM cases; chmod 600 keeps it yours."
    ]


def test_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(DataError, match="set XDG_CONFIG_HOME to a folder that stays"):
        Pseudonyms.local()


def test_a_place_that_cannot_be_written(key: Path) -> None:
    key.parent.parent.parent.mkdir(parents=True, exist_ok=True)
    key.parent.parent.write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"cannot be read or written .*; check its permissions"):
        Pseudonyms.local()


def test_a_key_that_is_removed_is_made_anew(key: Path) -> None:
    first = Pseudonyms.local().of("case", "a")
    key.unlink()
    assert Pseudonyms.local().of("case", "a") != first
    assert key.exists()
