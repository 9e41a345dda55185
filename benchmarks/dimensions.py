"""Slices, slices with neighbours and patches of volumes beside each other, at equal seconds.

    python benchmarks/dimensions.py --data FOLDER -o benchmarks/results/dimensions_DATE

Every row (dimensions and method) trains as many steps as take the CPU seconds of `--steps` steps of
the first row, slices with `supervised`; a step of each row is timed once, on real batches. Slices
are brought to 64 pixels and cropped there; patches have 48 voxels at most and volumes the size that
they have. Runs that are finished are not repeated, so that a second start goes on; OUT.json holds
what is known so far, OUT.md the table of it.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ecs_med
from ecs_med.config import DEFAULT_METHOD, TrainConfig
from ecs_med.reporting.table import PrintedTable
from ecs_med.runs import RunFolder
from ecs_med_benchmarks.few_labels.seconds import measure_method, steps_in_time
from ecs_med_benchmarks.machine import machine_in_words

SLICES = {"max_size": 64, "min_size": 64, "crop": 64, "batch": 8}
ROWS: Mapping[str, Mapping[str, Any]] = {
    "2": {"dims": "2", **SLICES},
    "2.5": {"dims": "2.5", **SLICES},
    "3": {"dims": "3", "crop": 48, "batch": 2},
}
"""Settings by `dims`."""
METHODS = ("supervised", DEFAULT_METHOD)


def config_of(options: argparse.Namespace, dims: str, method: str, **more: Any) -> TrainConfig:
    """Settings of a run of a row."""
    shared = {"data": options.data, "labeled": options.labeled, "device": "cpu", "method": method}
    return TrainConfig.parse({**shared, **ROWS[dims], "iterations": options.steps, **more})


def step_seconds(options: argparse.Namespace, known: dict[str, float]) -> None:
    """Time a step of each row that was not timed yet."""
    for dims in options.dims:
        for method in options.methods:
            name = f"{dims} {method}"
            if name not in known:
                config = config_of(options, dims, method)
                found = measure_method("dimensions", config, method, repeats=options.repeats)
                known[name] = found.seconds


def run_of(
    options: argparse.Namespace, dims: str, method: str, seed: int, steps: int
) -> dict[str, Any]:
    """Train one run, unless it is finished, and read what it says."""
    folder = RunFolder(options.runs / f"d{dims}-{method}-s{seed}-{steps}")
    if not folder.is_finished:
        config = config_of(options, dims, method, iterations=steps, seed=seed, run=folder.path)
        ecs_med.train(config, resume=bool(folder.checkpoint_files()))
    metrics, manifest = folder.read_metrics(), folder.read_manifest()
    return {
        "dims": dims,
        "method": method,
        "seed": seed,
        "steps": steps,
        "foreground_dice": metrics.test.foreground_dice,
        "miou": metrics.test.miou,
        "seconds": manifest.seconds,
        "settings": folder.read_config().model_dump(
            mode="json", exclude=TrainConfig.fields_affecting("place")
        ),
        "versions": manifest.versions,
        "git_commit": manifest.git_commit,
    }


def table(content: Mapping[str, Any]) -> str:
    """The runs as Markdown, a line a row with mean and deviation over its seeds."""
    rows = []
    for name, seconds in content["step_seconds"].items():
        dims, method = name.split(" ")
        runs = [r for r in content["runs"] if (r["dims"], r["method"]) == (dims, method)]
        if not runs:
            continue
        dice = [run["foreground_dice"] for run in runs]
        spread = f" ± {100 * statistics.stdev(dice):.1f}" if len(dice) > 1 else ""
        shown = f"{100 * statistics.mean(dice):.1f}{spread}"
        cells = (dims, method, str(len(runs)), str(runs[0]["steps"]), f"{seconds:.2f}", shown)
        rows.append(cells)
    head = ("dims", "method", "seeds", "steps", "CPU s a step", "test foreground Dice, %")
    return "\n".join(
        [
            "# Volumes in 2, 2.5 and 3 dimensions at equal seconds",
            "",
            f"{content['machine']}; {content['date']}; `{content['command']}`.",
            f"Labelled: {content['labeled']}. Slices of 64 pixels in batches of 8, patches of 48 "
            "voxels at most in batches of 2.",
            "",
            PrintedTable(head, tuple(rows)).to_markdown(),
            "",
        ]
    )


def main() -> None:
    """Time, train, write after every run."""
    parser = argparse.ArgumentParser(description="2-D, 2.5-D and 3-D at equal seconds.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True, help="Without suffix.")
    parser.add_argument("--runs", type=Path, default=Path("runs/dimensions"))
    parser.add_argument("--labeled", default="10%")
    parser.add_argument("--steps", type=int, default=300, help="Of the first row.")
    parser.add_argument("--repeats", type=int, default=3, help="Of each timed step.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--dims", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    options = parser.parse_args()
    path = options.output.with_name(options.output.name + ".json")
    content: dict[str, Any] = {"step_seconds": {}, "runs": []}
    if path.is_file():
        content = json.loads(path.read_text(encoding="utf-8"))
    step_seconds(options, content["step_seconds"])
    first = next(iter(content["step_seconds"].values()))
    content |= {
        "machine": machine_in_words(),
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(["python", *sys.argv]),
        "labeled": options.labeled,
    }
    for seed in options.seeds:
        for dims in options.dims:
            for method in options.methods:
                seconds = content["step_seconds"][f"{dims} {method}"]
                steps = steps_in_time(options.steps, seconds / first)
                found = run_of(options, dims, method, seed, steps)
                key = (dims, method, seed)
                others = [r for r in content["runs"] if (r["dims"], r["method"], r["seed"]) != key]
                content["runs"] = [*others, found]
                path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
                options.output.with_name(options.output.name + ".md").write_text(
                    table(content), encoding="utf-8"
                )


if __name__ == "__main__":
    main()
