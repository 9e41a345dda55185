"""`ecs-med audit`: what it prints, writes, and ends with."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from ecs_med.runs import RunFolder
from ecs_med_cli.app import main
from ecs_med_datasets.phantom import PATIENT_PATTERN, write_phantom

TINY = {"--iterations": 2, "--batch": 2, "--crop": 32, "--max-size": 32, "--device": "cpu"}
TINY |= {"--encoder": "test_resnet", "--encoder-weights": "none", "--patient": PATIENT_PATTERN}
TINY |= {"--class-names": "background,polyp,instrument", "--executor": "inline", "--folds": 2}
OPTIONS = [str(word) for pair in TINY.items() for word in pair]


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    return write_phantom(tmp_path_factory.mktemp("phantom") / "data", 24, size=32)


def ended(*words):
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return end.value.code


def test_table_what_to_do_next_and_the_way_through(phantom, tmp_path, monkeypatch, capsys):
    """Audit, decide, train without the wrong ones, audit again with what was decided."""
    monkeypatch.chdir(tmp_path)
    assert ended("audit", "--data", phantom, *OPTIONS) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("fold 1" in line and "2 of 2 done" in line for line in lines)
    head = next(i for i, line in enumerate(lines) if line.split()[:1] == ["rank"])
    assert lines[head].split() == ["rank", "case", "looks", "overlap", "Dice"]
    assert lines[head + 1].split()[0] == "1"
    assert "and 14 more" in lines
    assert "written: audit/audit.csv, audit/audit.html" in lines
    assert "--exclude decisions.json" in lines[-1]

    assert ended("audit", "--data", phantom, *OPTIONS, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["folds"], found["method"], len(found["findings"])) == (2, "ecs-plus", 24)
    first = found["findings"][0]
    assert set(first["classes"]) <= {"polyp", "instrument"}

    case = first["case"]
    content = RunFolder(tmp_path / "audit/runs/ecs-plus-all-s0-f0").read_contents()
    digests = next(one for one in content.cases if one.id == case)
    entry = {"case": case, "decision": "wrong", "mask": digests.mask, "labels": digests.labels}
    decisions = {"format": "ecs-med decisions", "version": 1, "decisions": [entry]}
    (tmp_path / "decisions.json").write_text(json.dumps(decisions))
    words = ["--data", phantom, *OPTIONS[: OPTIONS.index("--executor")]]
    words += ["--method", "supervised", "--exclude", "decisions.json", "--run", "run"]
    assert ended("train", *words) == 0
    split = json.loads((tmp_path / "run/split.json").read_text())
    assert next(one for one in split["cases"] if one["id"] == case)["excluded"] is True
    assert json.loads((tmp_path / "run/config.json").read_text())["exclude"] == "decisions.json"

    capsys.readouterr()
    words = ["--data", phantom, *OPTIONS, "--decisions", "decisions.json", "--json"]
    assert ended("audit", *words) == 0
    last = json.loads(capsys.readouterr().out)["findings"][-1]
    assert (last["case"], last["decision"], last["rank"]) == (case, "wrong", 1)


def test_exclude_goes_into_every_run_of_a_sweep_and_may_not_change(phantom, tmp_path, capsys):
    listed = tmp_path / "wrong.txt"
    listed.write_text("p000_0\n")
    tiny = OPTIONS[: OPTIONS.index("--folds")]
    words = ["--data", phantom, *tiny, "--methods", "supervised", "--seeds", "0"]
    words += ["--budgets", "1", "--exclude", listed, "-o", tmp_path / "sweep"]
    assert ended("budget", *words) == 0
    run = RunFolder(tmp_path / "sweep/runs/supervised-all-s0")
    assert [c["id"] for c in json.loads(run.split_file.read_text())["cases"] if c.get("excluded")]
    listed.write_text("p000_0\np000_1\n")
    capsys.readouterr()
    assert ended("budget", *words) == 2
    error = capsys.readouterr().err
    assert "left out other masks than --exclude names now (1, now 2)" in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--folds", "1"], "--folds 1: a mask is judged by runs without it"),
        (["--folds", "13"], "--folds 13 is more than the 12 patients with masks"),
        (["--count", "0"], "--count is 0; show at least one mask"),
        (["--decisions", "absent.json"], "absent.json: is missing"),
        (["--method", "ecs-puls"], "did you mean 'ecs-plus'"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(phantom, tmp_path, capsys, words, said):
    out = tmp_path / "out"
    assert ended("audit", "--data", phantom, *OPTIONS, *words, "-o", out) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_dry_run_tells_the_plan_and_writes_nothing(phantom, tmp_path, capsys):
    out = tmp_path / "out"
    assert ended("audit", "--data", phantom, *OPTIONS, "--dry-run", "-o", out, "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert [one["state"] for one in plan["cells"]] == ["missing", "missing"]
    assert [one["folder"].rpartition("-")[2] for one in plan["cells"]] == ["f0", "f1"]
    assert not out.exists()


def test_a_fold_that_failed_ends_with_3_and_the_others_are_judged(
    phantom, tmp_path, capsys, monkeypatch
):
    from ecs_med.errors import DataError
    from ecs_med.training import train as training

    whole = training.train

    def failing(config, *words, **more):
        if config.fold == 1:
            raise DataError("a disk is gone; put it back.")
        return whole(config, *words, **more)

    monkeypatch.setattr(training, "train", failing)
    assert ended("audit", "--data", phantom, *OPTIONS, "-o", tmp_path / "out") == 3
    shown = capsys.readouterr()
    assert "fold 1" in shown.err
    assert "1 of 2 runs failed" in shown.err
    assert "1 of 2 folds were not trained; their masks are not judged." in shown.out
    assert (tmp_path / "out/audit.html").is_file()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_ends_with_75_and_the_same_command_goes_on(phantom, tmp_path):
    code = (
        "import time; from ecs_med.audit.judges import FoldJudge as J; call = J.__call__\n"
        "def slow(*words): time.sleep(0.4); return call(*words)\n"
        "J.__call__ = slow; from ecs_med_cli.app import main; main()"
    )
    words = ["audit", "--data", str(phantom), *OPTIONS, "-o", str(tmp_path / "out")]
    child = subprocess.Popen(
        [sys.executable, "-c", code, *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    scores, end = tmp_path / "out/scores.jsonl", time.monotonic() + 240
    while not (scores.exists() and len(scores.read_text().splitlines()) > 3):
        assert time.monotonic() < end
        assert child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    error = child.communicate(timeout=60)[1].decode()
    assert child.returncode == 75
    assert "start again with the same command" in error
    before = scores.read_text().splitlines()
    assert ended(*words) == 0
    assert scores.read_text().splitlines()[: len(before)] == before
