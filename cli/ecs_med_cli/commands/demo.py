"""`ecs-med demo`: the whole thing on pictures that are drawn on the spot, offline, in minutes."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.table import Table

from ecs_med.errors import DataError, MissingExtraError, SettingsError
from ecs_med_cli import options
from ecs_med_cli.console import Terminal, duration, plain_table
from ecs_med_cli.progress import ProgressDisplay

if TYPE_CHECKING:
    from ecs_med.config import TrainConfig
    from ecs_med.runs import RunFolder

__all__ = ["demo"]

NUM_IMAGES = 160
SIZE = 128
ITERATIONS = 150

SETTINGS: dict[str, Any] = {
    "labeled": "1/8",
    "batch": 4,
    "crop": SIZE,
    "max_size": SIZE,
    "encoder_weights": "imagenet",
}
"""Small enough for two cores, large enough that the pictures in the report mean something."""


def demo(
    output: Annotated[
        Path, options.OUTPUT.info("Folder for pictures, runs and predictions.")
    ] = Path("demo"),
    iterations: Annotated[
        int | None, options.ITERATIONS.info("Training steps of each of the two runs.")
    ] = None,
    seed: Annotated[
        int, options.SEED.info("Draws the pictures, the labelled ones, the weights.")
    ] = 0,
) -> None:
    """Draw pictures, train without and with unlabelled ones.

    Nothing is downloaded. Started again, it goes on where it was stopped.
    """
    from ecs_med.config import BASELINE_METHOD, DEFAULT_METHOD, TrainConfig
    from ecs_med.networks.packaged import PACKAGED_ENCODER, has_packaged_weights
    from ecs_med.runs import RunFolder
    from ecs_med_datasets.phantom import CLASS_NAMES, PATIENT_PATTERN

    if not has_packaged_weights():
        raise MissingExtraError("The demo", "offline-weights")
    terminal = Terminal()
    length = ITERATIONS if iterations is None else iterations
    settings = {
        **SETTINGS,
        "data": output / "data",
        "encoder": PACKAGED_ENCODER,
        "iterations": length,
        "seed": seed,
        "reading": {"patient": PATIENT_PATTERN, "class_names": CLASS_NAMES},
    }
    configs = {
        method: TrainConfig.parse({**settings, "method": method, "run": output / method})
        for method in (BASELINE_METHOD, DEFAULT_METHOD)
    }
    _claim(output, {"iterations": length, "seed": seed})
    _draw_pictures(output / "data", seed, terminal)
    runs = {
        method: _train(config, RunFolder(output / method), terminal)
        for method, config in configs.items()
    }
    predictions = _predict(runs[DEFAULT_METHOD], output)
    terminal.console.rule("[bold]outcome[/bold]", align="left")
    terminal.show(_comparison(runs))
    terminal.say("One seed and a few minutes: a demonstration, not a measurement.")
    for method, run in runs.items():
        terminal.say(f"{f'Report of {method}:':<22}{run.report_file}")
    terminal.say(f"{'Predictions:':<22}{predictions}")
    terminal.say("Next: ecs-med check FOLDER, with your own images.")


def _claim(output: Path, identity: dict[str, int]) -> None:
    """Take an empty folder, or the one that the same demo began in."""
    from ecs_med.config import read_settings

    note = output / "demo.json"
    if note.is_file():
        former = read_settings(note)
        for name, value in identity.items():
            if former.get(name) != value:
                raise SettingsError(
                    f"{output}: holds a demo with {name} {former.get(name)}, not {value}; "
                    "choose another folder with -o."
                )
        return
    try:
        if output.exists() and any(output.iterdir()):
            raise SettingsError(
                f"{output}: holds something else already; choose another folder with -o."
            )
        output.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(identity), encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"{output}: cannot be written ({error.strerror}); choose another folder with -o."
        ) from error


def _draw_pictures(folder: Path, seed: int, terminal: Terminal) -> None:
    """Draw the data set, unless it is there; a half-drawn one is drawn anew."""
    from ecs_med_datasets.phantom import write_phantom

    if folder.is_dir():
        return
    terminal.say(f"Drawing {NUM_IMAGES} pictures of synthetic endoscopy into {folder}")
    unfinished = folder.with_name(folder.name + ".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    write_phantom(unfinished, NUM_IMAGES, seed, SIZE)
    unfinished.replace(folder)


def _train(config: "TrainConfig", run: "RunFolder", terminal: Terminal) -> "RunFolder":
    """Train, go on with an interrupted run, or take the finished one."""
    from ecs_med.training.train import train

    terminal.console.rule(f"[bold]{config.method}[/bold]", align="left")
    if run.is_finished:
        terminal.say(f"{run.path}: trained before")
        return run
    with ProgressDisplay(terminal.console) as display:
        train(config, display, resume=bool(run.checkpoint_files()))
    return run


def _predict(run: "RunFolder", output: Path) -> Path:
    from ecs_med.inference.predict import predict

    report = predict(
        [output / "data" / "test" / "images"],
        model=run.path,
        output=output / "predictions",
        overlay=True,
        skip_existing=True,
    )
    return report.output


def _comparison(runs: dict[str, "RunFolder"]) -> Table:
    table = plain_table("method", "mIoU", "foreground Dice", "time")
    for method, run in runs.items():
        test, seconds = run.read_metrics().test, run.read_manifest().seconds
        scores = (
            "-" if score is None else f"{score:.3f}" for score in (test.miou, test.foreground_dice)
        )
        table.add_row(method, *scores, duration(seconds))
    return table
