"""What a user sees: help at once, one sentence for a mistake, the right exit code."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
import typer

from ecs_med.errors import EcsMedError, SettingsError, SomeInputsFailed, TrainingInterrupted
from ecs_med_cli import app as program

HEAVY = ("torch", "monai", "numpy", "pydantic", "matplotlib", "nibabel", "scipy")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Replace the whole program by one that raises."""

    def install(error: BaseException) -> None:
        def fail(**_: object) -> NoReturn:
            raise error

        monkeypatch.setattr(program, "app", fail)

    return install


def leave(*words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        program.main(words)
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "PASSIVE"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"),
        ({"GOMP_SPINCOUNT": "5"}, None),
    ],
)
def test_threads_sleep_where_they_wait_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: str | None
) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert leave("--help") == 0
    assert os.environ.get("OMP_WAIT_POLICY") == expected


@pytest.mark.parametrize("command", ["", *program.COMMANDS])
def test_help_imports_nothing_heavy(command: str) -> None:
    code = f"""
import sys
from ecs_med_cli.app import main
try:
    main({[*command.split(), "--help"]!r})
except SystemExit as end:
    assert end.code == 0, end.code
print("HEAVY", sorted(set({HEAVY!r}) & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    assert f"Usage: ecs-med {command}".strip() in done.stdout
    assert done.stdout.rstrip().endswith("HEAVY []")


def test_version_and_empty_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("--version") == 0
    assert capsys.readouterr().out.startswith("ecs-med 0.")
    assert leave() == 0
    assert "Commands:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["trian"], "'train'"),
        (["train", "--labelled", "10%"], "--labeled"),
        (["train", "--seed", "x"], "'--seed'"),
        (["train", "--crop"], "'--crop'"),
    ],
)
def test_wrong_use_is_one_sentence_with_the_nearest_name(
    words: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leave(*words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("ecs-med: ")
    assert printed.err.count("\n") == 1
    assert hint in printed.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError("No good."), 2),
        (SomeInputsFailed("Two failed."), 3),
        (TrainingInterrupted("Stopped."), 75),
        (KeyboardInterrupt(), 130),
        (typer.Abort(), 130),
        (OSError(errno.ENOSPC, "No space left on device", "run/model.safetensors"), 2),
    ],
)
def test_expected_failures_are_one_sentence(
    error: BaseException,
    code: int,
    failing: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    failing(error)
    assert leave("train") == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err
    if isinstance(error, EcsMedError):
        assert printed.err == f"ecs-med: {error}\n"


def test_bug_is_short_and_its_traceback_lies_in_a_file(
    failing: Callable[[BaseException], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("ECS_MED_DEBUG", raising=False)
    failing(ZeroDivisionError("division by zero"))
    assert leave("train") == 1
    sentence = capsys.readouterr().err
    assert sentence.count("\n") == 1
    (file,) = tmp_path.iterdir()
    assert str(file) in sentence
    assert "ZeroDivisionError: division by zero" in file.read_text()


def test_debug_shows_the_traceback(
    failing: Callable[[BaseException], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ECS_MED_DEBUG", "1")
    failing(SettingsError("No good."))
    assert leave("train") == 2
    printed = capsys.readouterr().err
    assert "Traceback" in printed
    assert printed.endswith("ecs-med: No good.\n")


def test_closed_pipe_is_silent() -> None:
    command = f"{sys.executable} -m ecs_med_cli train --help | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=20)
    assert "Traceback" not in done.stderr
