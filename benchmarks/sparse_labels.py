"""What labelled slices are worth: a few of many volumes against whole volumes of as many slices.

Slices first: `--slices` of each volume of the `--labeled` share. Then whole volumes, as many as
come nearest to that number of slices. Both by seed and method, with everything else alike: 2-D
slices, the same validation and test volumes of a seed. What is scored is the test volumes.

What is measured is kept after every run, so that the same command goes on where it was stopped.

    OMP_NUM_THREADS=1 python benchmarks/sparse_labels.py shared/data/hippocampus --output DIR
"""

import argparse
import json
import platform
import shlex
import statistics
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from ecs_med.config import BASELINE_METHOD, DEFAULT_METHOD
from ecs_med.data.layout import open_data
from ecs_med.data.readers import read_header
from ecs_med.devices import describe_device
from ecs_med.files import write_json, write_text
from ecs_med.runs import RunFolder
from ecs_med.splits import Split
from ecs_med.training.train import train

KINDS = ("slices", "volumes")


def main() -> None:
    """Run what is missing, and write the table after every run."""
    options = _options()
    options.output.mkdir(parents=True, exist_ok=True)
    file = options.output / "sparse_labels.json"
    rows: list[dict[str, Any]] = json.loads(file.read_text())["rows"] if file.exists() else []
    for cell in _cells(options):
        if any(all(row[key] == value for key, value in cell.items()) for row in rows):
            continue
        asked = _slices(options) if cell["kind"] == "slices" else _volumes(options, rows, cell)
        rows.append({**cell, **_run(options, cell, asked)})
        head = {"made": datetime.now(UTC).isoformat(timespec="seconds"), **_conditions(options)}
        write_json(file, {**head, "rows": rows})
        write_text(options.output / "sparse_labels.md", _page(head, rows))
        sys.stdout.write(f"{rows[-1]}\n")
        sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--labeled", default="10%")
    parser.add_argument("--slices", type=int, default=3)
    parser.add_argument("--choice", default="even")
    parser.add_argument("--methods", nargs="+", default=[BASELINE_METHOD, DEFAULT_METHOD])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--crop", type=int, default=64)
    parser.add_argument("--encoder", default="auto")
    parser.add_argument("--encoder-weights", default="auto")
    return parser.parse_args()


def _cells(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for seed in options.seeds:
        for method in options.methods:
            for kind in KINDS:
                yield {"kind": kind, "method": method, "seed": seed}


def _slices(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "labeled": options.labeled,
        "unit": "slice",
        "slices_per_volume": options.slices,
        "slice_choice": options.choice,
    }


def _volumes(
    options: argparse.Namespace, rows: list[dict[str, Any]], cell: dict[str, Any]
) -> dict[str, Any]:
    """As many whole volumes as come nearest to the slices of the same method and seed."""
    twin = {**cell, "kind": "slices"}
    [found] = [r for r in rows if all(r[key] == value for key, value in twin.items())]
    cases = open_data(options.data).cases
    sizes = [min(read_header(case.images).shape[2:] or (1,)) for case in cases]
    return {"labeled": str(max(1, round(found["num_slices"] / statistics.fmean(sizes))))}


def _run(
    options: argparse.Namespace, cell: dict[str, Any], asked: dict[str, Any]
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        made = train(
            {
                **asked,
                "data": options.data,
                "method": cell["method"],
                "seed": cell["seed"],
                "iterations": options.iterations,
                "evaluate_every": options.iterations,
                "batch": options.batch,
                "crop": options.crop,
                "max_size": options.crop,
                "min_size": options.crop,
                "encoder": options.encoder,
                "encoder_weights": options.encoder_weights,
                "run": Path(folder) / "run",
                "device": "cpu",
            }
        )
        run = RunFolder(made)
        metrics, manifest = run.read_metrics(), run.read_manifest()
        split = Split.read(run.split_file, open_data(options.data).cases)
        whole = sum(read_header(case.images).shape[2] for case in split.labeled)
        beside = metrics.unlabeled_slices
        return {
            "num_volumes": len(split.labeled),
            "num_slices": split.num_slices or whole,
            "test_miou": metrics.test.miou,
            "test_foreground_dice": metrics.test.foreground_dice,
            "unlabeled_slices_foreground_dice": beside.foreground_dice if beside else None,
            "seconds": round(manifest.seconds, 1),
        }


def _conditions(options: argparse.Namespace) -> dict[str, Any]:
    asked = {key: value for key, value in vars(options).items() if key not in ("data", "output")}
    return {
        "data": options.data.name,
        "settings": asked,
        "command": shlex.join(["python", "benchmarks/sparse_labels.py", "DATA", *_typed()]),
        "machine": {**describe_device(torch.device("cpu")), "processor": platform.machine()},
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }


def _typed() -> list[str]:
    """What was typed, without folders of this machine."""
    words = sys.argv[2:]
    place = words.index("--output") if "--output" in words else len(words)
    return [*words[:place], *words[place + 2 :]]


def _page(head: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    lines = [
        f"# Slices or volumes: {head['data']}",
        "",
        "Means over seeds; test volumes of a seed are the same for all. Dice is of the foreground.",
        "",
        "| method | labelled | volumes | slices | test Dice | test mIoU | Dice beside | seeds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for method in dict.fromkeys(row["method"] for row in rows):
        for kind in KINDS:
            of_cell = [r for r in rows if (r["method"], r["kind"]) == (method, kind)]
            if of_cell:
                lines.append(_line(method, kind, of_cell))
    lines += [
        "",
        "`Dice beside`: on the unlabelled slices of labelled volumes.",
        "",
        *(f"- {key}: {value}" for key, value in head.items() if key != "data"),
    ]
    return "\n".join(lines) + "\n"


def _line(method: str, kind: str, rows: list[dict[str, Any]]) -> str:
    def mean(key: str, digits: int = 3) -> str:
        known = [row[key] for row in rows if row[key] is not None]
        if not known:
            return "-"
        spread = f" ± {statistics.stdev(known):.{digits}f}" if len(known) > 1 and digits else ""
        return f"{statistics.fmean(known):.{digits}f}{spread}"

    what = "some slices" if kind == "slices" else "whole volumes"
    counts = (mean(key, 0) for key in ("num_volumes", "num_slices"))
    keys = ("test_foreground_dice", "test_miou", "unlabeled_slices_foreground_dice")
    cells = (*counts, *map(mean, keys), str(len(rows)))
    return f"| {method} | {what} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
