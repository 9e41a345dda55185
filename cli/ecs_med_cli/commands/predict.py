"""`ecs-med predict`: segment pictures, volumes, DICOM and folders of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecs_med_cli import options
from ecs_med_cli.console import Terminal
from ecs_med_cli.lean import sparing_pydicom

if TYPE_CHECKING:
    from ecs_med.inference.predict import PredictionReport

__all__ = ["predict"]


def predict(
    inputs: Annotated[
        list[Path],
        typer.Argument(help="Pictures, volumes, DICOM, and folders, searched with sub-folders."),
    ],
    output: Annotated[
        Path | None, options.OUTPUT.info("Folder, or a file with a single input; else predictions.")
    ] = None,
    model: Annotated[Path | None, options.MODEL.info()] = None,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Also write a PNG with the labels drawn in.")
    ] = False,
    certainty: Annotated[
        bool,
        typer.Option(
            "--certainty",
            help="Also write how sure the corrector is: 0 to 1 for volumes, 0 to 255 for pictures.",
        ),
    ] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave alone what has its results already.")
    ] = False,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", help="Formats of results: nifti, nrrd, dicom-seg, png; several with commas."
        ),
    ] = None,
    codes: Annotated[
        Path | None,
        typer.Option("--codes", help="JSON or YAML file with SNOMED codes for dicom-seg."),
    ] = None,
    series: Annotated[
        str | None,
        typer.Option(
            "--series", help="Of DICOM: which series of an examination, by number, name, or all."
        ),
    ] = None,
    resample: Annotated[bool, options.RESAMPLE.info()] = False,
    keep_names: Annotated[bool, options.KEEP_NAMES.info()] = False,
    device: Annotated[str, options.DEVICE.info()] = "auto",
    as_json: Annotated[bool, options.JSON.info()] = False,
) -> None:
    """Segment scans; every result has the grid of its input.

    A picture gives a PNG, a volume a file of its own format, a DICOM series NIfTI; their integers
    are the classes. If one of several inputs fails, the rest is done, failures.json says why, and
    the exit code is 3.
    """
    with sparing_pydicom():
        from ecs_med.inference.dicom_inputs import DicomSettings
        from ecs_med.inference.model import load_model
        from ecs_med.inference.predict import predict_files
        from ecs_med.runs.newest import newer_than, unfinished

    terminal = Terminal(as_json=as_json)

    def tell(path: Path, status: str) -> None:
        if status not in ("written", "skipped"):
            terminal.complain(f"failed: {status}")
        elif terminal.console.is_terminal:
            terminal.say(f"{status}: {path}")

    with terminal.only_json():
        loaded = load_model(model, device)
        terminal.say(f"model: {loaded.run}{' (newest)' if model is None else ''}")
        if model is None and (newer := newer_than(loaded.run)) is not None:
            terminal.complain(newer)
        if (state := unfinished(loaded.run)) is not None:
            terminal.complain(state)
        report = predict_files(
            loaded,
            inputs,
            output,
            overlay=overlay,
            certainty=certainty,
            skip_existing=skip_existing,
            to=to,
            codes=codes,
            dicom=DicomSettings(series, resample, keep_names),
            on_done=tell,
        )
    if as_json:
        terminal.print_json(report.to_json())
    else:
        _tell_outcome(terminal, report, certainty=certainty)
    for sentence in report.notes:
        if sentence != state:
            terminal.complain(sentence)
    report.raise_failures()


def _tell_outcome(terminal: Terminal, report: "PredictionReport", *, certainty: bool) -> None:
    classes = ", ".join(f"{value} {name}" for value, name in report.labels.items())
    terminal.say(f"labels: {classes}")
    if certainty:
        terminal.say("certainty: 0 to 1 in volumes, 0 to 255 in pictures")
    if len(report.written) == 1 and not report.skipped:
        for path in next(iter(report.files.values())):
            terminal.say(f"written: {path}")
        return
    parts = [f"{len(report.written)} written to {report.output}"]
    if report.skipped:
        parts.append(f"{len(report.skipped)} there already")
    if report.failures:
        parts.append(f"{len(report.failures)} failed")
    terminal.say(", ".join(parts))
