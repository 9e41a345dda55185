"""Gather the scores of run folders into one JSON file and a Markdown table.

    python benchmarks/collect_runs.py RUN [RUN ...] --title TEXT -o benchmarks/results/NAME

writes NAME.json (every run with its settings, scores, seconds and versions) and NAME.md (mean and
standard deviation over the seeds of each method). Nothing is typed in by hand.
"""

import argparse
import json
import os
import platform
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

from ecs_med.reporting.table import PrintedTable
from ecs_med.reporting.text import decimal
from ecs_med.runs import RunFolder
from ecs_med_benchmarks.machine import processor

SCORES = {"miou", "foreground_iou", "foreground_dice", "dice_per_case", "num_cases"}
SHOWN = ("miou", "foreground_iou", "foreground_dice")


def read_run(folder: Path) -> dict[str, Any]:
    """What one run folder says."""
    run = RunFolder(folder)
    config, metrics, manifest = run.read_config(), run.read_metrics(), run.read_manifest()
    return {
        "run": folder.name,
        "settings": config.model_dump(mode="json", exclude=config.fields_affecting("place")),
        "data": manifest.data.model_dump(mode="json", exclude={"root", "notes"}),
        "initialization": manifest.initialization.segmenter,
        "best_iteration": metrics.best_iteration,
        "validation": metrics.validation and metrics.validation.model_dump(include=SCORES),
        "test": metrics.test.model_dump(include=SCORES),
        "seconds": manifest.seconds,
        "peak_memory_mb": manifest.peak_memory_mb,
        "git_commit": manifest.git_commit,
        "date": manifest.finished[:10],
        "versions": manifest.versions,
        "threads": manifest.device.get("threads"),
    }


def tables(runs: list[dict[str, Any]]) -> list[str]:
    """Mean and deviation of runs that differ in the seed alone, and every run below."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        groups[json.dumps({**run["settings"], "seed": None}, sort_keys=True)].append(run)
    names = ("test mIoU", "test foreground IoU", "test foreground Dice")
    repeated = PrintedTable(
        ("method", "optimisers", "seeds", *names),
        tuple(
            (
                members[0]["settings"]["method"],
                optimizers(members[0]["settings"]),
                str(len(members)),
                *(spread([member["test"][name] for member in members]) for name in SHOWN),
            )
            for members in groups.values()
            if len(members) > 1
        ),
    )
    single = PrintedTable(
        ("run", "best iteration", "validation mIoU", *names[:2], "seconds"),
        tuple(
            (
                run["run"],
                str(run["best_iteration"]),
                decimal((run["validation"] or {}).get("miou"), 4),
                decimal(run["test"]["miou"], 4),
                decimal(run["test"]["foreground_iou"], 4),
                f"{run['seconds']:.0f}",
            )
            for run in runs
        ),
    )
    return [table.to_markdown() for table in (repeated, single) if table.rows]


def optimizers(settings: dict[str, Any]) -> str:
    """Name and learning rate of the optimisers that a run has used."""
    return ", ".join("{name} {lr:g}".format(**each) for each in settings["optimizers"].values())


def spread(values: list[float]) -> str:
    """Mean, and the standard deviation of several values in brackets."""
    return f"{statistics.mean(values):.4f} ({statistics.stdev(values):.4f})"


def main() -> None:
    """Read the runs, write both files."""
    parser = argparse.ArgumentParser(description="Scores of run folders as JSON and Markdown.")
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--title", required=True)
    parser.add_argument("--note", default="")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    runs = [read_run(folder) for folder in options.runs]
    system = platform.platform(terse=True)
    machine = {"processor": processor(), "cores": os.cpu_count(), "system": system}
    content = {"title": options.title, "note": options.note, "machine": machine, "runs": runs}
    text = json.dumps(content, indent=2) + "\n"
    options.output.with_suffix(".json").write_text(text, encoding="utf-8")
    where = (
        f"Machine: {machine['processor']}, {machine['cores']} cores. "
        f"Date: {max(run['date'] for run in runs)}. "
        f"torch {runs[0]['versions']['torch']}, MONAI {runs[0]['versions']['monai']}."
    )
    parts = [f"# {options.title}", options.note, where, "\n".join(tables(runs))]
    page = "\n\n".join(part for part in parts if part)
    options.output.with_suffix(".md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
