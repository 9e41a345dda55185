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

SETTINGS = (
    "method",
    "labeled",
    "seed",
    "iterations",
    "batch",
    "crop",
    "max_size",
    "encoder",
    "corrector_encoder",
    "precision",
    "device",
    "augmentation",
    "optimizers",
)
SCORES = ("miou", "foreground_iou", "foreground_dice", "dice_per_case", "num_cases")


def read_run(folder: Path) -> dict[str, Any]:
    """What one run folder says."""
    config, metrics, manifest = (
        json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("config", "metrics", "manifest")
    )
    return {
        "run": folder.name,
        "settings": {name: config[name] for name in SETTINGS},
        "data": {k: v for k, v in manifest["data"].items() if k.startswith(("name", "num_"))},
        "initialization": manifest["initialization"]["segmenter"],
        "best_iteration": metrics["best_iteration"],
        "validation": {name: metrics["validation"][name] for name in SCORES},
        "test": {name: metrics["test"][name] for name in SCORES},
        "seconds": manifest["seconds"],
        "peak_memory_mb": manifest["peak_memory_mb"],
        "git_commit": manifest["git_commit"],
        "date": manifest["finished"][:10],
        "versions": manifest["versions"],
        "threads": manifest["device"].get("threads"),
    }


def table(runs: list[dict[str, Any]]) -> list[str]:
    """Mean and deviation of runs that differ in the seed alone, and every run below."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        groups[json.dumps({**run["settings"], "seed": None}, sort_keys=True)].append(run)
    repeated = [members for members in groups.values() if len(members) > 1]
    lines = []
    if repeated:
        lines += [
            "| method | optimisers | seeds | test mIoU | test foreground IoU "
            "| test foreground Dice |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
    for members in repeated:
        cells = [spread([m["test"][name] for m in members]) for name in SCORES[:3]]
        settings = members[0]["settings"]
        head = f"{settings['method']} | {optimizers(settings)} | {len(members)}"
        lines.append(f"| {head} | {' | '.join(cells)} |")
    lines += [
        *([""] if repeated else []),
        "| run | best iteration | validation mIoU | test mIoU | test foreground IoU | seconds |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for run in runs:
        lines.append(
            f"| {run['run']} | {run['best_iteration']} | {run['validation']['miou']:.4f} | "
            f"{run['test']['miou']:.4f} | {run['test']['foreground_iou']:.4f} | "
            f"{run['seconds']:.0f} |"
        )
    return lines


def optimizers(settings: dict[str, Any]) -> str:
    """Name and learning rate of the optimisers that a run has used."""
    return ", ".join("{name} {lr:g}".format(**used) for used in settings["optimizers"].values())


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
    machine = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
    }
    content = {"title": options.title, "note": options.note, "machine": machine, "runs": runs}
    text = json.dumps(content, indent=2) + "\n"
    options.output.with_suffix(".json").write_text(text, encoding="utf-8")
    lines = [f"# {options.title}", "", *([options.note, ""] if options.note else [])]
    lines += [
        f"Machine: {machine['processor']}, {machine['cores']} cores. "
        f"Date: {max(run['date'] for run in runs)}. "
        f"torch {runs[0]['versions']['torch']}, MONAI {runs[0]['versions']['monai']}.",
        "",
        *table(runs),
        "",
    ]
    options.output.with_suffix(".md").write_text("\n".join(lines), encoding="utf-8")


def processor() -> str:
    """The processor's name, where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
