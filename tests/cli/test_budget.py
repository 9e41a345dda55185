"""`ecs-med budget`: options to a plan, and whole sweeps on a tiny phantom."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecs_med.config import DEFAULT_METHOD
from ecs_med.errors import SettingsError
from ecs_med.sweep.budget import count_labels, requested_sweep
from ecs_med.sweep.plan import SweepConfig, plan_cells
from ecs_med.training.data_plan import plan_data
from ecs_med_cli.app import main
from ecs_med_cli.commands.budget import budget_request
from ecs_med_cli.options import PLACE
from ecs_med_datasets.phantom import write_phantom

TINY = [
    *("--iterations", "4", "--batch", "2", "--crop", "32", "--evaluate-every", "2"),
    *("--encoder", "test_resnet", "--encoder-weights", "none", "--device", "cpu"),
]


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom")
    write_phantom(folder, num_images=24, seed=0, size=32)
    return folder


@pytest.fixture
def leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the program in an empty folder and returns its exit code."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str | Path) -> int:
        with pytest.raises(SystemExit) as end:
            main(["budget", *map(str, words)])
        assert isinstance(end.value.code, int)
        return end.value.code

    return run


def test_defaults_and_what_is_given(phantom: Path, tmp_path: Path) -> None:
    asked = {"data": phantom, "output": tmp_path / "out"}
    sweep = requested_sweep(budget_request(asked, {"batch": 3, "augmentation": {}}, None))
    assert sweep.budgets == ("1/16", "1/8", "1/4", "1/2", "all")
    assert (sweep.methods, sweep.seeds) == (("supervised", DEFAULT_METHOD), (0, 1, 2))
    assert sweep.settings == {"batch": 3}
    cells = plan_cells(sweep.model_copy(update={"settings": {"iterations": 1}}))
    assert count_labels(cells) == {"1/16": 1, "1/8": 2, "1/4": 5, "1/2": 9, "all": 18}


def test_labels_are_counted_as_training_draws_them(phantom: Path, tmp_path: Path) -> None:
    """Where the last model is kept, no validation case is taken from those that are labelled."""
    flat = tmp_path / "data"
    for part in ("images", "masks"):
        (flat / part).mkdir(parents=True)
        for file in (phantom / "train" / part).iterdir():
            shutil.copy(file, flat / part)
    counts = {}
    for keep in ("best", "last"):
        sweep = SweepConfig(
            data=flat,
            out=tmp_path / "out",
            budgets=("all",),
            settings={"iterations": 1, "keep": keep},
        )
        counts[keep] = count_labels(plan_cells(sweep))["all"]
        assert counts[keep] == len(plan_data(plan_cells(sweep)[0].config).split.labeled)
    assert counts["last"] > counts["best"]


def test_options_override_the_file_and_the_folder_is_named_after_the_data(
    phantom: Path, tmp_path: Path
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"data: {phantom}\nbatch: 4\naugmentation: {{jitter: 0.5}}\n")
    settings = {"batch": 2, "augmentation": {"scale": (0.5, 2.0)}}
    sweep = requested_sweep(budget_request({"seeds": "7"}, settings, file))
    assert sweep.out == Path("sweeps") / phantom.name
    assert sweep.settings["batch"] == 2
    assert sweep.settings["augmentation"] == {"jitter": 0.5, "scale": [0.5, 2.0]}
    file.write_text(f"data: {phantom}\nseed: 4\n")
    with pytest.raises(SettingsError, match="'seed' is decided by the sweep"):
        requested_sweep(budget_request({}, {}, file))


def test_slurm_pairs() -> None:
    values: dict[str, Any] = {}
    (slurm,) = [option for option in PLACE if option.name == "slurm"]
    slurm.put(["partition=gpu", "setup=a=b"], values)
    assert values == {"slurm": {"partition": "gpu", "setup": "a=b"}}
    for wrong in ("partition", "=gpu", "partition="):
        with pytest.raises(SettingsError, match="KEY=VALUE"):
            slurm.put([wrong], values)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "--data"),
        (["--data", "absent-folder"], "absent-folder"),
        (["--budgets", "1/2,50%"], "same budget"),
        (["--budgets", "5000"], "5000"),
        (["--methods", "esc"], "did you mean 'ecs'"),
        (["--seeds", "4..1"], "--seeds"),
        (["--executor", "threads"], "--executor"),
        (["--executor", "inline", "--jobs", "2"], "--jobs"),
        (["--draw", "best"], "draw"),
        (["--slurm", "x"], "KEY=VALUE"),
        (["--minutes-per-label", "circle=2"], "none of outline, draft, slice, scribble"),
        (["--cost-per-hour", "80"], "give --minutes-per-label too"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(
    words: list[str],
    named: str,
    phantom: Path,
    tmp_path: Path,
    leave: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = [] if not words or "--data" in words else ["--data", str(phantom)]
    assert leave(*data, *words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert named in printed.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_sweep_is_reported_and_a_second_start_runs_nothing(
    phantom: Path,
    tmp_path: Path,
    leave: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--data", phantom, "--budgets", "1/2,1", "--seeds", "0,1", "--out", "out", *TINY]
    assert leave(*words, "--executor", "inline", "--methods", "supervised") == 0
    printed = capsys.readouterr().out
    assert "Budget 1 means all labels" in printed
    assert printed.count("test mIoU") == 4
    assert "4 of 4 done" in printed
    assert "0.3" in printed.split("Test mIoU, mean")[1] or "±" in printed
    report = Path(printed.split("Report: ")[1].splitlines()[0])
    assert report.is_file()
    assert leave("--out", "out", "--json", "--executor", "inline") == 0
    again = capsys.readouterr()
    answer = json.loads(again.out)
    assert [cell["state"] for cell in answer["cells"]] == ["done"] * 4
    assert answer["report"] == str(report)
    assert "4 runs, 4 of them done before" in again.err
    assert leave(*words[:2], "--out", "out", "--batch", "4") == 2
    assert "started with --batch 2, not 4" in capsys.readouterr().err


@pytest.mark.slow
def test_failed_runs_are_named_and_end_with_3(
    phantom: Path,
    leave: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ecs_med.methods import method_class

    def fail(*_: Any) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(method_class(DEFAULT_METHOD), "step", fail)
    words = ["--data", phantom, "--budgets", "1/2", "--seeds", "0", "--out", "out", *TINY]
    assert leave(*words, "--executor", "inline", "--json") == 3
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert [cell["state"] for cell in answer["cells"]] == ["done", "failed"]
    assert "ZeroDivisionError" in answer["cells"][1]["sentence"]
    assert f"1 of 2 runs failed ({DEFAULT_METHOD}, 1/2, seed 0)" in printed.err
    assert "ZeroDivisionError" in Path(answer["report"]).read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_dry_run_tells_the_plan_and_its_time_and_writes_nothing(
    phantom: Path,
    tmp_path: Path,
    leave: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--data", phantom, "--budgets", "1/4,1/2", "--seeds", "0", "--jobs", "1"]
    words += ["--out", "out", *TINY]
    assert leave(*words, "--dry-run", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert [cell["num_labeled"] for cell in plan["cells"]] == [5, 5, 9, 9]
    assert {cell["state"] for cell in plan["cells"]} == {"missing"}
    total = sum(cell["seconds"] for cell in plan["cells"])
    assert plan["seconds"] == pytest.approx(total, abs=0.5)
    assert not (tmp_path / "out").exists()
