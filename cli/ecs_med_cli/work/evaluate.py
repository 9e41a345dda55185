"""What `ecs-med evaluate` prints around the engine's work."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.progress import Progress

from ecs_med.inference.evaluation_run import evaluate, write_evaluation
from ecs_med.inference.model import load_model
from ecs_med_cli.console import Terminal, score_table

__all__ = ["run_evaluation"]


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
    terminal = Terminal(as_json=as_json)
    bar = Progress(
        console=Console(stderr=True), transient=True, disable=not terminal.console.is_terminal
    )
    with terminal.only_json():
        loaded = load_model(model, device)
        terminal.say(f"model: {loaded.run}{' (newest)' if model is None else ''}")
        with bar:
            task = bar.add_task("scoring", total=None)
            report = evaluate(
                loaded,
                data,
                partition=partition,
                reading=reading,
                on_case=lambda done, total: bar.update(task, completed=done, total=total),
            )
        write_evaluation(report, output)
    if as_json:
        terminal.print_json(report.to_dict())
        return
    terminal.say(report.selection.note)
    terminal.show(score_table(report.evaluation.scores))
    terminal.say(f"written: {output / 'evaluation.json'}, {output / 'cases.csv'}")
