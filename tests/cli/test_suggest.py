"""`ecs-med suggest`: what it prints, writes, and ends with."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

import ecs_med
from ecs_med_cli.app import main
from ecs_med_datasets.phantom import PATIENT_PATTERN, write_phantom

TINY = {"iterations": 2, "batch": 2, "crop": 32, "max_size": 32, "device": "cpu"}
TINY |= {"encoder": "test_resnet", "encoder_weights": "none"}


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    return write_phantom(tmp_path_factory.mktemp("phantom") / "data", 40, size=32, labeled=12)


@pytest.fixture(scope="module")
def run(phantom):
    return ecs_med.train({**TINY, "data": phantom, "labeled": "all", "run": phantom.parent / "run"})


def ended(*words):
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return end.value.code


def test_table_and_what_to_do_next(phantom, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert ended("suggest", "--data", phantom, "--model", run, "--count", 12) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"model: {run}"
    assert lines[1].endswith("chosen by foreground")
    assert lines[2].split() == ["rank", "case", "score"]
    assert lines[3].split()[0] == "1"
    assert "and 2 more" in lines
    assert "written: suggestions/suggest.csv, suggestions/suggest.html" in lines
    assert lines[-1].startswith("next: look at suggest.html")
    with (tmp_path / "suggestions/suggest.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["rank"] for row in found] == [str(rank) for rank in range(1, 13)]
    assert list(found[0]) == ["rank", "case", "patient", "score", "reason", "files"]


def test_packages_for_annotators(phantom, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["--count", 1, "--package", "labelme, coco", "--package", "cvat"]
    assert ended("suggest", "--data", phantom, "--model", run, *words) == 0
    lines = capsys.readouterr().out.splitlines()
    for kind in ("labelme", "coco", "cvat"):
        folder = f"suggestions/{kind}"
        assert f"written: {folder} for the annotator; {folder}/how.md says how" in lines
    assert ended("suggest", "--data", phantom, "--count", 1, "--package", "coco", "-o", "x") == 2
    said = capsys.readouterr().err
    assert "say them by --class-names, such as --class-names background,polyp" in said
    assert ended("suggest", "--data", phantom, "--model", run, "--package", "nifti", "-o", "x") == 2
    assert "choose labelme, coco, cvat or label-studio for --package" in capsys.readouterr().err


def test_json_is_all_of_stdout(phantom, tmp_path, capsys):
    options = ["--by", "random", "--count", 2, "--patient", PATIENT_PATTERN, "--json"]
    assert ended("suggest", "--data", phantom, *options, "-o", tmp_path / "out") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["by"], found["model"], found["num_patients"]) == ("random", None, 8)
    assert [one["rank"] for one in found["suggestions"]] == [1, 2]


def test_options_are_named_as_they_are_typed(phantom, tmp_path, capsys):
    out = tmp_path / "out"
    assert ended("suggest", "--data", phantom, "--by", "entropy", "-o", out) == 2
    error = capsys.readouterr().err
    assert "--by entropy needs a model; give one by --model, or use --by coldstart" in error
    assert not out.exists()


def test_some_could_not_be_read(phantom, run, tmp_path, capsys):
    path = phantom / "train/images/p900_0.png"
    path.write_bytes(b"no picture")
    try:
        words = ["--data", phantom, "--model", run, "--count", 2, "-o", tmp_path / "out"]
        assert ended("suggest", *words) == 3
    finally:
        path.unlink()
    shown = capsys.readouterr()
    assert f"failed: {path}" in shown.err
    assert "could not be read" in shown.err
    assert (tmp_path / "out/suggest.csv").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_ends_with_75_and_the_same_command_goes_on(phantom, run, tmp_path):
    code = (
        "import time; from ecs_med.acquisition.lookers import ModelLooker as L; see = L.see\n"
        "def slow(*words): time.sleep(0.4); return see(*words)\n"
        "L.see = slow; from ecs_med_cli.app import main; main()"
    )
    words = ["suggest", "--data", str(phantom), "--model", str(run), "-o", str(tmp_path / "out")]
    child = subprocess.Popen(
        [sys.executable, "-c", code, *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    scores = tmp_path / "out/scores.jsonl"
    end = time.monotonic() + 120
    while not (scores.exists() and len(scores.read_text().splitlines()) > 3):
        assert time.monotonic() < end
        assert child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    error = child.communicate(timeout=60)[1].decode()
    assert child.returncode == 75
    assert "start again with the same command" in error
    assert ended(*words) == 0
    assert ended(*words[:-1], tmp_path / "whole") == 0
    whole = (tmp_path / "whole/suggest.csv").read_bytes()
    assert (tmp_path / "out/suggest.csv").read_bytes() == whole
