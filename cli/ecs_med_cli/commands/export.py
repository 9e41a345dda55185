"""`ecs-med export`: a model, or its data with pseudo-labels, in the form of another tool."""

from pathlib import Path
from typing import Annotated

import typer

from ecs_med_cli import options
from ecs_med_cli.console import Terminal
from ecs_med_cli.lean import sparing_imports

__all__ = ["export"]


def export(
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="bundle (MONAI) or onnx: the model; nnunet or msd: its data with pseudo-labels.",
        ),
    ],
    model: Annotated[Path | None, options.MODEL.info()] = None,
    output: Annotated[
        Path | None, options.OUTPUT.info("Folder, empty or of an export; else below exports.")
    ] = None,
    uncorrected: Annotated[
        bool,
        typer.Option(
            "--uncorrected", help="Of a model that corrects: the segmenter alone, another result."
        ),
    ] = False,
    data: Annotated[
        Path | None, options.DATA.info("Data set of nnunet and msd; else where it lay in training.")
    ] = None,
    ignore_below: Annotated[
        float,
        typer.Option(
            "--ignore-below", help="Pseudo-labels less probable than this are ignored, 0 to 1."
        ),
    ] = 0.0,
    as_json: Annotated[bool, options.JSON.info()] = False,
) -> None:
    """Write a model for other tools, or its data set with split and pseudo-labels.

    What is written is compared with `ecs-med predict` first; a model that the other tool cannot
    hold is refused, and nothing is written.
    """
    with sparing_imports():
        from ecs_med.export import export as write
        from ecs_med.inference.storing import load_model
        from ecs_med.runs.newest import newer_than, unfinished

    terminal = Terminal(as_json=as_json)
    with terminal.only_json():
        loaded = load_model(model, "cpu")
        terminal.say(f"model: {loaded.run}{' (newest)' if model is None else ''}")
        if model is None and (newer := newer_than(loaded.run)) is not None:
            terminal.complain(newer)
        if (state := unfinished(loaded.run)) is not None:
            terminal.complain(state)
        report = write(
            loaded, to, output, uncorrected=uncorrected, data=data, ignore_below=ignore_below
        )
    if as_json:
        terminal.print_json(report.to_json())
        return
    for fact in report.facts:
        terminal.say(f"checked: {fact}")
    for note in report.notes:
        terminal.say(f"note: {note}")
    terminal.say(f"written: {report.output} ({len(report.files)} files)")
