"""What `predict` and `evaluate` print around the engine's work."""

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ecs_med.inference.evaluation_run import evaluate_run, write_evaluation
from ecs_med.inference.model import Model, load_model
from ecs_med.inference.predict import PredictionOptions, PredictionReport, predict_files

__all__ = ["run_evaluation", "run_prediction", "scores_table"]


def run_prediction(
    inputs: Sequence[Path],
    output: Path | None,
    *,
    model: Path | None,
    options: Mapping[str, bool],
    device: str,
    as_json: bool,
) -> None:
    """Predict, say what was done, and raise if some inputs failed.

    Args:
        inputs: Files and folders.
        output: Folder or file; `None` for `predictions`.
        model: Run folder; `None` for the newest.
        options: Fields of `PredictionOptions`.
        device: Where to compute.
        as_json: Print the report as one JSON object on stdout and everything else on stderr.
    """
    console = Console(stderr=as_json)
    with _only_json(as_json):
        loaded = _load(model, device, console)

        def tell(path: Path, status: str) -> None:
            if status not in ("written", "skipped"):
                _line(Console(stderr=True), f"failed: {status}")
            elif console.is_terminal:
                _line(console, f"{status}: {path}")

        report = predict_files(loaded, inputs, output, PredictionOptions(**options), tell)
    if as_json:
        _print_json(report.to_json())
    else:
        _tell_outcome(console, report, certainty=options["certainty"])
    report.raise_failures()


def run_evaluation(
    data: Path,
    output: Path,
    *,
    model: Path | None,
    partition: Literal["test", "validation", "train", "all"] | None,
    reading: Mapping[str, Any],
    device: str,
    as_json: bool,
) -> None:
    """Evaluate, write the files, and print one table.

    Args:
        data: Folder or list file.
        output: Folder for `evaluation.json` and `cases.csv`.
        model: Run folder; `None` for the newest.
        partition: Which cases; `None`: the test cases of the run's own data, else all.
        reading: Values for `ReadingSettings`.
        device: Where to compute.
        as_json: Print the scores as one JSON object on stdout and everything else on stderr.
    """
    console = Console(stderr=as_json)
    with _only_json(as_json):
        loaded = _load(model, device, console)
        with Progress(
            console=Console(stderr=True), transient=True, disable=not console.is_terminal
        ) as progress:
            task = progress.add_task("scoring", total=None)
            report = evaluate_run(
                loaded,
                data,
                partition=partition,
                reading=reading,
                on_case=lambda done, total: progress.update(task, completed=done, total=total),
            )
        write_evaluation(report, output)
    scores = report.to_dict()
    if as_json:
        _print_json(scores)
        return
    _line(console, report.selection.note)
    console.print(scores_table(scores))
    _line(console, f"written: {output / 'evaluation.json'}, {output / 'cases.csv'}")


def scores_table(scores: Mapping[str, Any]) -> Table:
    """IoU, Dice and, where measured, surface distance per class, with the means.

    Args:
        scores: One `<scores>` object of `metrics.json`.
    """
    distances = scores.get("hd95_mm_per_class")
    missing = scores.get("hd95_num_missing_per_class") or []
    table = Table(box=None, pad_edge=False)
    for title in ("class", "IoU", "Dice", *(("HD95 mm",) if distances else ())):
        table.add_column(title, justify="left" if title == "class" else "right")
    for index, name in enumerate(scores["class_names"]):
        cells = [_number(scores[f"{kind}_per_class"][index]) for kind in ("iou", "dice")]
        if distances:
            gone = f" ({missing[index]} without)" if missing[index] else ""
            cells.append(_number(distances[index], 2) + gone)
        table.add_row(name, *cells)
    table.add_section()
    table.add_row("mean", _number(scores["miou"]), _number(scores["dice"]), style="bold")
    table.add_row(
        "mean without background",
        _number(scores["foreground_iou"]),
        _number(scores["foreground_dice"]),
    )
    table.add_row("mean of cases", "", _number(scores["dice_per_case"]))
    return table


def _load(model: Path | None, device: str, console: Console) -> Model:
    loaded = load_model(model, device)
    _line(console, f"model: {loaded.run}{' (newest)' if model is None else ''}")
    return loaded


def _tell_outcome(console: Console, report: PredictionReport, *, certainty: bool) -> None:
    classes = ", ".join(f"{value} {name}" for value, name in report.labels.items())
    _line(console, f"labels: {classes}")
    if certainty:
        _line(console, "certainty: 0 to 1 in volumes, 0 to 255 in pictures")
    if len(report.written) == 1 and not report.skipped:
        _line(console, f"written: {next(iter(report.written.values()))}")
        return
    parts = [f"{len(report.written)} written to {report.output}"]
    if report.skipped:
        parts.append(f"{len(report.skipped)} there already")
    if report.failures:
        parts.append(f"{len(report.failures)} failed")
    _line(console, ", ".join(parts))


@contextlib.contextmanager
def _only_json(as_json: bool) -> Iterator[None]:
    """Keep what a library prints off stdout, where it would spoil the one JSON object."""
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        yield


def _line(console: Console, text: str) -> None:
    # Paths must come out as they are: not wrapped, not coloured, brackets no markup.
    console.print(text, soft_wrap=True, highlight=False, markup=False)


def _print_json(content: Mapping[str, Any]) -> None:
    json.dump(content, sys.stdout, ensure_ascii=False)
    sys.stdout.write("\n")


def _number(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
