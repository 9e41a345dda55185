"""From command-line options to a finished run, and what is printed on the way."""

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ecs_med.config import TrainConfig, merge_settings, read_settings
from ecs_med.errors import RunFolderError, SettingsError
from ecs_med_cli.progress import ProgressDisplay

__all__ = ["build_config", "run_training", "score_table"]


def run_training(
    options: Mapping[str, Any], *, config_file: Path | None, resume: bool, as_json: bool
) -> None:
    """Train, print the outcome, and leave the run folder behind.

    Args:
        options: Settings by name as given on the command line; `None` where not given.
        config_file: Settings that `options` override.
        resume: Go on with an existing run.
        as_json: Print one JSON object on stdout and everything else on stderr.
    """
    config = build_config(options, config_file=config_file, resume=resume)

    from ecs_med.training.train import train

    console = Console(stderr=as_json)
    # A library that prints would spoil the one JSON object.
    guard = contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext()
    with guard, ProgressDisplay(console) as display:
        run = train(config, listener=display, resume=resume)
    if int(os.environ.get("RANK", "0")) > 0:
        return  # The first process of torchrun speaks for all.
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    if as_json:
        json.dump({"run": str(run), "metrics": metrics}, sys.stdout)
        sys.stdout.write("\n")
    else:
        _print_outcome(console, run, metrics)


def build_config(
    options: Mapping[str, Any], *, config_file: Path | None = None, resume: bool = False
) -> TrainConfig:
    """Settings from a file, overridden by those that were given on the command line.

    A run to be resumed brings its own settings, so that `--resume --run DIR` is enough.

    Raises:
        RunFolderError: If there is no run to take the settings from.
        SettingsError: If a setting is unknown or wrong, or no data are named.
    """
    values: dict[str, Any] = {}
    run = options.get("run")
    if config_file is not None:
        values = read_settings(config_file)
    elif resume and run is not None and options.get("data") is None:
        if not (run / "config.json").is_file():
            raise RunFolderError(
                f"{run}: nothing to resume here; name the folder of a run that was interrupted."
            )
        values = read_settings(run / "config.json")
    values = merge_settings(values, options)
    if "data" not in values:
        raise SettingsError("No images named: give their folder with --data.")
    return TrainConfig.parse(values)


def score_table(scores: Mapping[str, Any], title: str) -> Table:
    """IoU and Dice per class and over all, of one `<scores>` object of `metrics.json`."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("class")
    table.add_column("IoU", justify="right")
    table.add_column("Dice", justify="right")
    rows = zip(
        scores["class_names"], scores["iou_per_class"], scores["dice_per_class"], strict=True
    )
    for name, iou, dice in rows:
        table.add_row(str(name), _number(iou), _number(dice))
    table.add_section()
    table.add_row("mean", _number(scores["miou"]), _number(scores["dice"]), style="bold")
    return table


def _print_outcome(console: Console, run: Path, metrics: Mapping[str, Any]) -> None:
    test = metrics.get("test")
    if test:
        console.print(score_table(test, f"Test, {test['num_cases']} cases"))
    report = run / "report.html"
    if report.is_file():
        console.print(f"Report: {report}", soft_wrap=True, highlight=False)
    console.print(
        f"Next:   ecs-med predict IMAGE_OR_FOLDER --model {run}", soft_wrap=True, highlight=False
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
