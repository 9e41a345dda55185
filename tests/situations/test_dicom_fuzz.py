"""DICOM files made wrong in many ways: each is read, or refused in one sentence without values."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz_dicom import DICOM_KINDS, MAX_SECONDS, write_dicom_samples

NUMBER = 30
MAX_RISE_KB = 2**20


@pytest.mark.slow
def test_wrong_dicom_files_are_read_or_refused_in_one_sentence(tmp_path):
    write_dicom_samples(tmp_path / "samples")
    program = Path(sys.modules["fuzz_dicom"].__file__ or "")
    given = [tmp_path / "samples", tmp_path / "wrong", NUMBER, 0]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(program.parent), *sys.path))}
    done = subprocess.run(
        [sys.executable, program, *map(str, given)],
        capture_output=True, text=True, timeout=600, check=True, env=environment,
    )  # fmt: skip
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(lines) == NUMBER
    assert {kind.name for kind in DICOM_KINDS} == {line[4] for line in lines}
    assert not [line for line in lines if line[1] == "bug"]
    assert all(float(seconds) < MAX_SECONDS and int(rise) < MAX_RISE_KB
               for _, _, seconds, rise, *_ in lines)  # fmt: skip
    assert NUMBER / 5 < sum(line[1] == "refused" for line in lines) < NUMBER
    assert "Jane" not in done.stdout + done.stderr  # a value that mutations put in
