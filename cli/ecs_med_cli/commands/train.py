"""`ecs-med train`: from a folder to a trained model, a test score and a report."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecs_med.errors import RunFolderError, SettingsError
from ecs_med_cli import options
from ecs_med_cli.console import Terminal, score_table
from ecs_med_cli.declaration import Given, Option, with_options
from ecs_med_cli.lean import sparing_imports
from ecs_med_cli.progress import ProgressDisplay

if TYPE_CHECKING:
    from ecs_med.config import TrainConfig

__all__ = ["build_config", "train"]

WHAT = (
    options.DATA,
    Option("--labeled", str, "Labelled budget: 10%, 1/8, 0.1, a count, all, or a split file."),
    options.DRAW,
    Option("--draw-from", Path, "Run whose labels are kept, and whose model asks for the others."),
    *options.UNIT,
    *options.FOLD,
    options.EXCLUDE,
    options.METHOD,
    options.SEED,
    Option("--run", Path, "Run folder; else runs/<data>-<method>-<labeled>-s<seed>."),
)
HOW = (
    *options.TRAINING,
    Option("--start-from", Path, "Finished run whose networks this one begins with."),
    Option("--tensorboard", bool, "Also write TensorBoard files into the run."),
)


@with_options(what=WHAT, how=HOW)
def train(
    *,
    what: Given,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run, exactly.")
    ] = False,
    how: Given,
    config: Annotated[Path | None, options.CONFIG.info()] = None,
    as_json: Annotated[bool, options.JSON.info()] = False,
) -> None:
    """Train on the masks there are and all images without one.

    Ends with the score on the test cases and a picture report, in a run folder.
    """
    with sparing_imports():
        from ecs_med.metrics import absent_sentence
        from ecs_med.runs import RunFolder
        from ecs_med.training import train as training

    settings = build_config({**what, **how}, config_file=config, resume=resume)
    terminal = Terminal(as_json=as_json)
    with terminal.only_json(), ProgressDisplay(terminal.console) as display:
        run = RunFolder(training.train(settings, listener=display, resume=resume))
    if int(os.environ.get("RANK", "0")) > 0:
        return  # The first process of torchrun speaks for all.
    metrics = run.read_metrics()
    if as_json:
        terminal.print_json({"run": str(run.path), "metrics": metrics.to_json()})
        return
    terminal.show(score_table(metrics.test, f"Test, {metrics.test.num_cases} cases"))
    told = absent_sentence(metrics.absent_classes, metrics.class_names, "the test cases")
    if told is not None:
        terminal.say(f"Warning: {told}")
    if run.report_file.is_file():
        terminal.say(f"Report: {run.report_file}")
    terminal.say(f"Next:   ecs-med predict IMAGE_OR_FOLDER --model {run.path}")


def build_config(
    settings: Mapping[str, Any], *, config_file: Path | None = None, resume: bool = False
) -> "TrainConfig":
    """Settings from a file, overridden by those that were given on the command line.

    A run to be resumed brings its own settings, so that `--resume --run DIR` is enough.

    Raises:
        RunFolderError: If there is no run to take the settings from.
        SettingsError: If a setting is unknown or wrong, or no data are named.
    """
    from ecs_med.config import TrainConfig, merge_settings, read_settings
    from ecs_med.runs import RunFolder

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
        values = run.read_settings()
    values = merge_settings(values, settings)
    if "data" not in values:
        raise SettingsError("No images named: give their folder with --data.")
    return TrainConfig.parse(values)
