"""`ecs-med predict`: segment pictures, volumes, DICOM, videos and folders of them."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecs_med_cli import options
from ecs_med_cli.console import Terminal
from ecs_med_cli.lean import sparing_imports

if TYPE_CHECKING:
    from ecs_med.inference.prediction import PredictionReport

__all__ = ["predict"]


def predict(
    inputs: Annotated[
        list[Path],
        typer.Argument(help="Pictures, volumes, DICOM, videos, and folders of them."),
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
    every: Annotated[
        int, typer.Option("--every", metavar="<int>", help="Of videos: only every so many frames.")
    ] = 1,
    device: Annotated[str, options.DEVICE.info()] = "auto",
    backend: Annotated[str, options.BACKEND.info()] = "torch",
    as_json: Annotated[bool, options.JSON.info()] = False,
) -> None:
    """Segment scans; every result has the grid of its input.

    A picture gives a PNG, a volume a file of its own format, a DICOM series NIfTI; their integers
    are the classes. A video gives an overlay with the labels drawn in and a table of areas by
    frame. If one of several inputs fails, the rest is done, failures.json says why, and
    the exit code is 3.
    """
    with sparing_imports():
        from ecs_med.inference.dicom_inputs import DicomSettings
        from ecs_med.inference.predict import predict_files
        from ecs_med.inference.storing import load_model
        from ecs_med.runs.newest import newer_than, unfinished

    terminal = Terminal(as_json=as_json)

    def tell(path: Path, status: str) -> None:
        if status not in ("written", "skipped"):
            terminal.complain(f"failed: {status}")
        elif terminal.console.is_terminal:
            terminal.say(f"{status}: {path}")

    with terminal.only_json(), _FrameBar(terminal) as tell_frame:
        loaded = load_model(model, device, backend=backend, tell=terminal.say)
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
            every=every,
            on_done=tell,
            on_frame=tell_frame,
        )
    if as_json:
        terminal.print_json(report.to_json())
    else:
        _tell_outcome(terminal, report, certainty=certainty)
    for sentence in report.notes:
        if sentence != state:
            terminal.complain(sentence)
    report.raise_failures()


class _FrameBar(contextlib.ExitStack):
    """A bar for the frames of videos, from the first one on."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal
        self._move: Callable[[int, int], None] | None = None

    def __call__(self, _: Path, done: int, total: int | None) -> None:
        if self._move is None:
            self._move = self.enter_context(self._terminal.bar("frames"))
        self._move(done, total or done)


def _tell_outcome(terminal: Terminal, report: "PredictionReport", *, certainty: bool) -> None:
    classes = ", ".join(f"{value} {name}" for value, name in report.labels.items())
    terminal.say(f"labels: {classes}")
    if certainty:
        terminal.say(
            "certainty: 0 to 1 in volumes, 0 to 255 in pictures, the mean of a frame in videos"
        )
    _tell_videos(terminal, report)
    if len(report.written) == 1 and not report.skipped:
        for path in report.files[next(iter(report.written))]:
            terminal.say(f"written: {path}")
        return
    parts = [f"{len(report.written)} written to {report.output}"]
    if report.skipped:
        parts.append(f"{len(report.skipped)} there already")
    if report.failures:
        parts.append(f"{len(report.failures)} failed")
    terminal.say(", ".join(parts))


def _tell_videos(terminal: Terminal, report: "PredictionReport") -> None:
    for path, outcome in report.videos.items():
        of = "" if outcome.segmented == outcome.frames else f" of {outcome.frames:,}"
        terminal.say(
            f"{path}: {outcome.segmented:,}{of} frames in {outcome.seconds:.1f} s, "
            f"{outcome.frames_per_second:.1f} a second"
        )
