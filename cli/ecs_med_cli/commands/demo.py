"""`ecs-med demo`: the whole thing on pictures drawn on the spot, offline, in two minutes."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ecs_med.errors import DataError, MissingExtraError, SettingsError
from ecs_med_cli import options
from ecs_med_cli.lean import LEAN_TRAINING, sparing_imports

if TYPE_CHECKING:
    from ecs_med.sweep.budget import BudgetSweep
    from ecs_med.sweep.plan import Cell
    from ecs_med_cli.sweep_console import SweepConsole

__all__ = ["demo"]

NUM_IMAGES = 160
SIZE = 96
ITERATIONS = 100
BUDGETS = ("1/16", "1/4", "all")
SHOWN = "1/4"
"""Budget of the run that is looked at, and that predicts."""
VALIDATIONS = 5

SETTINGS: dict[str, Any] = {
    "batch": 4,
    "crop": SIZE,
    "min_size": SIZE,
    "max_size": SIZE,
    "encoder_weights": "imagenet",
}
"""Small enough for two cores, large enough that the pictures in the reports mean something."""


def demo(
    output: Annotated[
        Path, options.OUTPUT.info("Folder for pictures, runs and predictions.")
    ] = Path("demo"),
    iterations: Annotated[
        int | None, options.ITERATIONS.info("Training steps of each of the six runs.")
    ] = None,
    seed: Annotated[
        int, options.SEED.info("Draws the pictures, the labelled ones, the weights.")
    ] = 0,
) -> None:
    """Draw pictures, train on few and on many labels, predict.

    Nothing is downloaded. Started again, it goes on where it was stopped.
    """
    from ecs_med.networks.packaged import has_packaged_weights

    if not has_packaged_weights():
        raise MissingExtraError("The demo", "offline-weights")
    with sparing_imports():
        from ecs_med.config import BASELINE_METHOD, DEFAULT_METHOD
        from ecs_med.runs.lock import hold_folder
        from ecs_med.sweep.budget import plan_budget
        from ecs_med.sweep.executors import ExecutorOptions
        from ecs_med.sweep.executors.base import num_cores
        from ecs_med.sweep.sweep import write_plan
        from ecs_med_cli.sweep_console import SweepConsole

    console = SweepConsole()
    length = ITERATIONS if iterations is None else iterations
    _claim(output, {"iterations": length, "seed": seed})
    methods = (BASELINE_METHOD, DEFAULT_METHOD)
    asked = {
        "data": output / "data",
        "out": output / "budget",
        "budgets": BUDGETS,
        "methods": methods,
        "seeds": (seed,),
        "settings": _settings(length),
    }
    _draw_pictures(output / "data", seed, console)
    jobs = min(num_cores(), len(BUDGETS) * len(methods))
    sweep = plan_budget(asked, ExecutorOptions(jobs=jobs, preload=LEAN_TRAINING))
    with hold_folder(sweep.out):
        write_plan(sweep.config, sweep.cells)
        _run_and_tell(console, sweep, output)


def _settings(iterations: int) -> dict[str, Any]:
    from ecs_med.networks.packaged import PACKAGED_ENCODER
    from ecs_med_datasets.phantom import CLASS_NAMES, PATIENT_PATTERN

    return {
        **SETTINGS,
        "encoder": PACKAGED_ENCODER,
        "iterations": iterations,
        "evaluate_every": -(-iterations // VALIDATIONS),
        "reading": {"patient": PATIENT_PATTERN, "class_names": CLASS_NAMES},
    }


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


def _draw_pictures(folder: Path, seed: int, console: "SweepConsole") -> None:
    """Draw the data set, unless it is there; a half-drawn one is drawn anew."""
    from ecs_med_datasets.phantom import write_phantom

    if folder.is_dir():
        return
    console.say(f"Drawing {NUM_IMAGES} pictures of synthetic endoscopy into {folder}")
    unfinished = folder.with_name(folder.name + ".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    write_phantom(unfinished, NUM_IMAGES, seed, SIZE)
    unfinished.replace(folder)


def _run_and_tell(console: "SweepConsole", sweep: "BudgetSweep", output: Path) -> None:
    """Train what is not trained yet, write the report of all runs, predict with one of them."""
    from ecs_med.config import DEFAULT_METHOD
    from ecs_med.runs import RunFolder
    from ecs_med_cli.commands.budget import outcome_rows, outcome_table

    for budget, number in sweep.num_labeled.items():
        console.say(f"Budget {budget}: {number} of the training pictures have a mask.")
    longest_first = sorted(sweep.cells, key=lambda cell: cell.method != DEFAULT_METHOD)
    result = console.run(longest_first, sweep.executor)
    console.raise_if_stopped(result, sweep.cells, "")
    console.raise_if_failed(result, sweep.cells)

    from ecs_med.reporting.sweep.report import write_budget_report

    console.say("Writing the report of all runs.")
    report = write_budget_report(sweep.out, result.done)
    (shown,) = [c for c in sweep.cells if (c.method, c.labeled) == (DEFAULT_METHOD, SHOWN)]
    console.say(f"Predicting the test pictures with {shown.method} at {shown.labeled}.")
    predictions = _predict(shown, output)
    console.console.rule("[bold]outcome[/bold]", align="left")
    console.show(outcome_table(outcome_rows(sweep.cells, result), sweep.num_labeled))
    console.say("One seed and two minutes: a demonstration, not a measurement.")
    console.say(f"What labels buy:    {report}")
    console.say(f"Report of that run: {RunFolder(shown.folder).report_file}")
    console.say(f"Predictions:        {predictions}")
    console.say("Next: ecs-med check FOLDER, with your own images.")


def _predict(cell: "Cell", output: Path) -> Path:
    with sparing_imports():
        from ecs_med.inference.predict import predict

    report = predict(
        [output / "data" / "test" / "images"],
        model=cell.folder,
        output=output / "predictions",
        overlay=True,
        skip_existing=True,
    )
    return report.output
