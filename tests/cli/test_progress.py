"""What is printed while training runs, on a terminal and in a log file."""

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console

from ecs_med.metrics import scores_from_confusion
from ecs_med.runs import Metrics, PseudoLabelHealth, TrainRow, ValidationRow
from ecs_med.training.listener import Listener, RunPlan
from ecs_med_cli.console import duration
from ecs_med_cli.progress import ProgressDisplay


def plan(iterations: int = 100, iteration: int = 0) -> RunPlan:
    names = ("data", "cases", "method", "encoder", "initialization", "device", "validation")
    words = dict.fromkeys((*names, "augmentation"), "-")
    return RunPlan(**words, run="runs/x", iterations=iterations, iteration=iteration)


METRICS = Metrics(
    best_iteration=100,
    validation=None,
    test=scores_from_confusion(torch.eye(2, dtype=torch.int64), ("background", "polyp")),
    class_names=("background", "polyp"),
)


def row(iteration: int) -> TrainRow:
    return TrainRow(
        iteration=iteration,
        losses={"segmentation": 0.61, "correction": 0.8},
        lr={"segmenter": 0.01},
        images_per_second=21.3,
    )


def validation(iteration: int, *, best: bool = True) -> ValidationRow:
    return ValidationRow(
        iteration=iteration,
        validation=METRICS.test.model_copy(update={"miou": 0.7321, "dice": None}),
        best=best,
        pseudo_labels=PseudoLabelHealth(
            num_cases=1, right_share=0.5, mean_certainty=0.5, miou=0.65
        ),
    )


def follow(display: Listener, iterations: range) -> None:
    display.started(plan())
    for iteration in iterations:
        display.trained(row(iteration))
    display.finished(Path("runs/x"), METRICS)


def test_log_file_gets_a_line_every_tenth() -> None:
    stream = io.StringIO()
    with ProgressDisplay(Console(file=stream, force_terminal=False)) as display:
        follow(display, range(1, 101))
    lines = [line for line in stream.getvalue().splitlines() if line.startswith("iteration")]
    assert [line.split()[1] for line in lines] == [f"{n}/100" for n in range(10, 101, 10)]
    assert "segmentation 0.610  correction 0.800  lr 0.01  21.3 images/s" in lines[0]


def test_log_file_holds_no_control_characters() -> None:
    stream = io.StringIO()
    with ProgressDisplay(Console(file=stream, force_terminal=False)) as display:
        display.started(plan())
        display.preparing(3, 3)
        display.warned("Class [polyp] has no labelled pixel.")
        display.validated(validation(10))
    text = stream.getvalue()
    assert text.isprintable() or set(c for c in text if not c.isprintable()) == {"\n"}
    assert "Warning: Class [polyp] has no labelled pixel." in text
    assert "validation mIoU 0.732, Dice -, pseudo-labels 0.650  (best)" in text
    assert "3 images prepared" in text


def test_terminal_gets_one_bar() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=200)
    with ProgressDisplay(console) as display:
        display.started(plan())
        display.validated(validation(10, best=False))
        display.trained(row(50))
    text = stream.getvalue()
    assert "50/100" in text
    assert "mIoU 0.732" in text
    assert "iteration 50/100" not in text


def test_resumed_run_goes_on_counting() -> None:
    stream = io.StringIO()
    with ProgressDisplay(Console(file=stream, force_terminal=False)) as display:
        display.started(plan(iteration=55))
        for iteration in range(56, 71):
            display.trained(row(iteration))
    lines = [line for line in stream.getvalue().splitlines() if line.startswith("iteration")]
    assert [line.split()[1] for line in lines] == ["60/100", "70/100"]


def test_fewer_iterations_than_lines() -> None:
    stream = io.StringIO()
    with ProgressDisplay(Console(file=stream, force_terminal=False)) as display:
        display.started(plan(3))
        for iteration in range(1, 4):
            display.trained(row(iteration))
    assert stream.getvalue().count("iteration") == 3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "1 h 00 min"), (11100, "3 h 05 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
