"""What `ecs-med predict` prints around the engine's work."""

from collections.abc import Sequence
from pathlib import Path

from ecs_med.inference.model import load_model
from ecs_med.inference.predict import PredictionOptions, PredictionReport, predict_files
from ecs_med_cli.console import Terminal

__all__ = ["run_prediction"]


def run_prediction(
    inputs: Sequence[Path],
    output: Path | None,
    options: PredictionOptions,
    *,
    model: Path | None,
    device: str,
    as_json: bool,
) -> None:
    """Predict, say what was done, and raise if some inputs failed.

    Args:
        inputs: Files and folders.
        output: Folder or file; `None` for `predictions`.
        options: What to write.
        model: Run folder; `None` for the newest.
        device: Where to compute.
        as_json: Print the report as one JSON object on stdout and everything else on stderr.
    """
    terminal = Terminal(as_json=as_json)

    def tell(path: Path, status: str) -> None:
        if status not in ("written", "skipped"):
            terminal.complain(f"failed: {status}")
        elif terminal.console.is_terminal:
            terminal.say(f"{status}: {path}")

    with terminal.only_json():
        loaded = load_model(model, device)
        terminal.say(f"model: {loaded.run}{' (newest)' if model is None else ''}")
        report = predict_files(loaded, inputs, output, options, tell)
    if as_json:
        terminal.print_json(report.to_json())
    else:
        _tell_outcome(terminal, report, certainty=options.certainty)
    report.raise_failures()


def _tell_outcome(terminal: Terminal, report: PredictionReport, *, certainty: bool) -> None:
    classes = ", ".join(f"{value} {name}" for value, name in report.labels.items())
    terminal.say(f"labels: {classes}")
    if certainty:
        terminal.say("certainty: 0 to 1 in volumes, 0 to 255 in pictures")
    if len(report.written) == 1 and not report.skipped:
        terminal.say(f"written: {next(iter(report.written.values()))}")
        return
    parts = [f"{len(report.written)} written to {report.output}"]
    if report.skipped:
        parts.append(f"{len(report.skipped)} there already")
    if report.failures:
        parts.append(f"{len(report.failures)} failed")
    terminal.say(", ".join(parts))
