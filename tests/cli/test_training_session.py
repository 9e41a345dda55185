"""How options, a settings file and an interrupted run's settings become one set of settings."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.metrics import Scores
from ecs_med_cli.app import main
from ecs_med_cli.commands.train import build_config
from ecs_med_cli.console import score_table


def test_only_given_options_are_set() -> None:
    options: dict[str, Any] = {"data": Path("folder"), "seed": None, "augmentation": {"flip": None}}
    config = build_config(options)
    assert config.model_fields_set == {"data"}
    assert config.augmentation.flip


def test_options_override_the_file_key_by_key(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("data: folder\nseed: 3\naugmentation: {jitter: 0.5, scale: [0.5, 2.0]}\n")
    options: dict[str, Any] = {"seed": 4, "augmentation": {"jitter": 0.1, "scale": None}}
    config = build_config(options, config_file=file)
    assert (config.seed, config.data) == (4, Path("folder"))
    assert config.augmentation.jitter == 0.1
    assert config.augmentation.scale == (0.5, 2.0)


def test_run_to_resume_brings_its_settings(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"data": "folder", "seed": 9}))
    config = build_config({"run": tmp_path}, resume=True)
    assert (config.data, config.seed, config.run) == (Path("folder"), 9, tmp_path)


def test_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="nothing to resume"):
        build_config({"run": tmp_path / "absent"}, resume=True)


def test_no_data_named() -> None:
    with pytest.raises(SettingsError, match="--data"):
        build_config({})


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--data", "absent-folder"], "absent-folder"),
        (["--data", "x", "--iterations", "0"], "iterations"),
        (["--data", "x", "--precision", "fp8"], "precision"),
        (["--data", "x", "--mask-values", "a,b"], "--mask-values"),
        (["--config", "absent.yaml"], "absent.yaml"),
    ],
)
def test_wrong_settings_are_one_sentence(
    words: list[str],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["train", *words])
    assert end.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert named in printed.err
    assert list(tmp_path.iterdir()) == []


def test_score_table_shows_absent_classes(capsys: pytest.CaptureFixture[str]) -> None:
    scores = Scores(
        class_names=("background", "polyp", "tool"),
        iou_per_class=(0.9, 0.5, None),
        dice_per_class=(0.95, 0.66667, None),
        miou=0.7,
        dice=0.80833,
        foreground_iou=0.5,
        foreground_dice=0.66667,
        pixel_accuracy=0.9,
    )
    Console(width=80).print(score_table(scores, "Test, 3 cases"))
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert ["polyp", "0.5000", "0.6667"] in lines
    assert ["tool", "-", "-"] in lines
    assert ["mean", "0.7000", "0.8083"] in lines
