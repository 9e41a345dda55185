"""The key of this machine, and the names that it makes."""

import hashlib
import hmac
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ecs_med.data.intake.pseudonyms import KEY_BYTES, Pseudonyms, key_path
from ecs_med.errors import DataError


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "ecs-med"


def test_names_are_keyed_hashes_of_kind_and_identifier() -> None:
    own = Pseudonyms(b"k" * KEY_BYTES)
    expected = hmac.new(b"k" * KEY_BYTES, b"case\x001.2.3", hashlib.sha256).hexdigest()[:10]
    assert own.of("case", "1.2.3") == f"case-{expected}"
    assert own.of("patient", "1.2.3")[-10:] != expected
    assert Pseudonyms(b"other").of("case", "1.2.3") != own.of("case", "1.2.3")


def test_names_of_files_that_are_no_text() -> None:
    assert Pseudonyms(b"k").of("case", "M\udcfcller").startswith("case-")


def test_key_is_made_once_for_its_owner_alone(config: Path) -> None:
    first = Pseudonyms.local().of("case", "a")
    assert key_path() == config / "key"
    assert len((config / "key").read_bytes()) == KEY_BYTES
    assert stat.S_IMODE((config / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE(config.stat().st_mode) == 0o700
    assert [path.name for path in config.iterdir()] == ["key"]
    assert Pseudonyms.local().of("case", "a") == first
    (config / "key").unlink()
    assert Pseudonyms.local().of("case", "a") != first


def test_processes_that_make_it_at_once_have_the_same_key() -> None:
    code = (
        "from ecs_med.data.intake.pseudonyms import Pseudonyms;"
        "print(Pseudonyms.local().of('case', 'a'))"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    names = {process.communicate()[0] for process in started}
    assert len(names) == 1
    assert names == {f"{Pseudonyms.local().of('case', 'a')}\n"}


def test_key_that_others_can_read_is_told(config: Path) -> None:
    Pseudonyms.local()
    (config / "key").write_bytes(b"n" * KEY_BYTES)
    (config / "key").chmod(0o644)
    with pytest.warns(UserWarning, match=r"others can read the key .* chmod 600"):
        Pseudonyms.local()


def test_what_is_no_key_is_refused(config: Path) -> None:
    Pseudonyms.local()
    (config / "key").write_bytes(b"short")
    with pytest.raises(DataError, match=r"is not the key .* \(it has 5 bytes\)"):
        Pseudonyms.local()


def test_key_that_cannot_be_made_is_one_sentence(config: Path) -> None:
    config.parent.write_text("in the way")
    with pytest.raises(DataError, match="the key for names of DICOM cases cannot be read"):
        Pseudonyms.local()
