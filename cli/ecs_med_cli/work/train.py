"""From command-line options to a finished run, and what is printed on the way."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecs_med.config import TrainConfig, merge_settings, read_settings
from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.runs import RunFolder
from ecs_med_cli.console import Terminal, score_table
from ecs_med_cli.progress import ProgressDisplay

__all__ = ["build_config", "run_training"]


def run_training(
    settings: Mapping[str, Any], *, config_file: Path | None, resume: bool, as_json: bool
) -> None:
    """Train, print the outcome, and leave the run folder behind.

    Args:
        settings: As given on the command line.
        config_file: Settings that `settings` override.
        resume: Go on with an existing run.
        as_json: Print one JSON object on stdout and everything else on stderr.
    """
    config = build_config(settings, config_file=config_file, resume=resume)

    from ecs_med.training.train import train

    terminal = Terminal(as_json=as_json)
    with terminal.only_json(), ProgressDisplay(terminal.console) as display:
        run = RunFolder(train(config, listener=display, resume=resume))
    if int(os.environ.get("RANK", "0")) > 0:
        return  # The first process of torchrun speaks for all.
    metrics = run.read_metrics()
    if as_json:
        terminal.print_json({"run": str(run.path), "metrics": metrics.to_json()})
        return
    terminal.show(score_table(metrics.test, f"Test, {metrics.test.num_cases} cases"))
    if run.report_file.is_file():
        terminal.say(f"Report: {run.report_file}")
    terminal.say(f"Next:   ecs-med predict IMAGE_OR_FOLDER --model {run.path}")


def build_config(
    settings: Mapping[str, Any], *, config_file: Path | None = None, resume: bool = False
) -> TrainConfig:
    """Settings from a file, overridden by those that were given on the command line.

    A run to be resumed brings its own settings, so that `--resume --run DIR` is enough.

    Raises:
        RunFolderError: If there is no run to take the settings from.
        SettingsError: If a setting is unknown or wrong, or no data are named.
    """
    values: dict[str, Any] = {}
    if config_file is not None:
        values = read_settings(config_file)
    elif resume and "run" in settings and "data" not in settings:
        run = RunFolder(settings["run"])
        if not run.config_file.is_file():
            raise RunFolderError(
                f"{run.path}: nothing to resume here; name the folder of a run that was "
                "interrupted."
            )
        values = read_settings(run.config_file)
    values = merge_settings(values, settings)
    if "data" not in values:
        raise SettingsError("No images named: give their folder with --data.")
    return TrainConfig.parse(values)
