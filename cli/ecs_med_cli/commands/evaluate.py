"""`ecs-med evaluate`: score a trained run on labelled data."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ecs_med_cli import options
from ecs_med_cli.console import Terminal, score_table
from ecs_med_cli.declaration import Given, with_options
from ecs_med_cli.lean import sparing_imports

__all__ = ["evaluate"]


class _Part(StrEnum):
    TEST = "test"
    VALIDATION = "validation"
    TRAIN = "train"
    ALL = "all"


@with_options(settings=(options.LAYOUT, *options.MASKS))
def evaluate(
    *,
    data: Annotated[Path, options.DATA.info()],
    model: Annotated[Path | None, options.MODEL.info()] = None,
    partition: Annotated[
        _Part | None,
        typer.Option(
            "--partition", help="Else test for the run's own data, all masks of other data."
        ),
    ] = None,
    output: Annotated[Path, options.OUTPUT.info("Folder for evaluation.json and cases.csv.")] = (
        Path("evaluation")
    ),
    settings: Given,
    device: Annotated[str, options.DEVICE.info()] = "auto",
    as_json: Annotated[bool, options.JSON.info()] = False,
) -> None:
    """Score a run: IoU and Dice per class and mean, and surface distance in volumes.

    Means are over classes and come from one confusion matrix over all cases; cases.csv has
    the scores of each case.
    """
    with sparing_imports():
        from ecs_med.inference import evaluation_run
        from ecs_med.inference.storing import load_model
        from ecs_med.runs.newest import newer_than, unfinished

    terminal = Terminal(as_json=as_json)
    with terminal.only_json():
        loaded = load_model(model, device)
        terminal.say(f"model: {loaded.run}{' (newest)' if model is None else ''}")
        if model is None and (newer := newer_than(loaded.run)) is not None:
            terminal.complain(newer)
        if (sentence := unfinished(loaded.run)) is not None:
            terminal.complain(sentence)
        with terminal.bar("scoring") as moved:
            report = evaluation_run.evaluate(
                loaded,
                data,
                partition=None if partition is None else partition.value,
                reading=settings.get("reading", {}),
                on_case=moved,
            )
        evaluation_run.write_evaluation(report, output)
    if as_json:
        terminal.print_json(report.to_dict())
        return
    terminal.say(report.selection.note)
    for warning in report.warnings:
        terminal.say(f"Warning: {warning}")
    terminal.show(score_table(report.evaluation.scores))
    terminal.say(f"written: {output / 'evaluation.json'}, {output / 'cases.csv'}")
