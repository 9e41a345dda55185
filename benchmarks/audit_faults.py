"""How well an audit finds faults that were planted, and which of its measures does.

    OMP_NUM_THREADS=1 python benchmarks/audit_faults.py DATA -o benchmarks/results/audit_faults_DATE

Of a data set of pictures, `--masks` cases with masks are copied; in each share of the masks faults
of all kinds are planted, each as often as the others, and the audit is run on the copy as a user
would run it. DATA is only read. One small JSON file a share and seed is kept as it comes, so that
the same command goes on where it was stopped; runs of an audit that was stopped go on, too, where
`--work` names their folder. summary.json and summary.md are written anew after each.
"""

import argparse
import json
import shlex
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ecs_med.audit.audit import audit
from ecs_med.audit.ranking import MEASURES
from ecs_med.config import DEFAULT_METHOD, ReadingSettings
from ecs_med.data.checks.examination import diagnose
from ecs_med.data.layout import open_data
from ecs_med.data.masks.reading import read_labels
from ecs_med.files import write_json, write_text
from ecs_med.splits.ordering import digest
from ecs_med.sweep.executors import ExecutorOptions
from ecs_med_benchmarks.fault_ranking import mean_ranks, rank_faults
from ecs_med_benchmarks.machine import machine_in_words
from ecs_med_benchmarks.planted_faults import kinds_for, plant_all

COLUMNS = ("auroc", "auprc", "precision_at_k", "lift_at_10")
ALL = (*MEASURES, "ranks")
"""`ranks`: the mean of the ranks of the three."""


def main() -> None:
    """Run what is missing, and write the tables after every audit."""
    options = _options()
    options.output.mkdir(parents=True, exist_ok=True)
    given = _given(options)
    for seed in options.seeds:
        for share in options.shares:
            path = options.output / f"share-{share:g}-seed-{seed}.json"
            if not path.is_file():
                write_json(path, _cell(options, given, share, seed))
                sys.stdout.write(f"{path.name}\n")
                sys.stdout.flush()
            _summarize(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="Folder of copies and runs; else a temporary one")
    parser.add_argument("--masks", type=int, default=100)
    parser.add_argument("--shares", nargs="+", type=float, default=[0.05, 0.2])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--method", default=DEFAULT_METHOD)
    parser.add_argument("--iterations", type=int, default=250)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--encoder", default="auto")
    parser.add_argument("--encoder-weights", default="auto")
    parser.add_argument("--executor", default="inline")
    return parser.parse_args()


class _Given:
    """Masks as they are: the same cases for every share and seed, drawn by their names."""

    def __init__(self, data: Path, count: int) -> None:
        collection = open_data(data)
        scheme = diagnose(collection, ReadingSettings()).scheme
        if scheme is None:
            raise SystemExit(f"{data}: its masks cannot be understood; see ecs-med check.")
        masked = sorted(collection.cases, key=lambda case: digest(f"audit:{case.id}"))
        cases = [case for case in masked if case.mask is not None][:count]
        self.class_names = scheme.class_names
        self.images = {case.id.replace("/", "-"): case.images[0] for case in cases}
        self.masks = {
            case.id.replace("/", "-"): read_labels(case.images, case.mask, scheme)
            for case in cases
            if case.mask is not None
        }


def _given(options: argparse.Namespace) -> _Given:
    return _Given(options.data, options.masks)


def _cell(options: argparse.Namespace, given: _Given, share: float, seed: int) -> dict[str, Any]:
    masks, planted = plant_all(given.masks, share, seed, len(given.class_names))
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)) / f"share-{share:g}-seed-{seed}"
        data = work / "data"
        if not data.is_dir():
            _write(data, given.images, masks)
        report = audit(
            data,
            folds=options.folds,
            method=options.method,
            seed=seed,
            settings=_settings(options, given.class_names),
            count=1,
            output=work / "audit",
            executor=ExecutorOptions(name=options.executor),
        )
    rows = {
        Path(one.verdict.case).name: {
            **{measure: getattr(one.verdict, measure) for measure in MEASURES},
            "looks": one.verdict.kind,
            "planted": planted.get(Path(one.verdict.case).name),
        }
        for one in report.findings
    }
    return {
        "share": share,
        "seed": seed,
        "seconds": round(time.monotonic() - started, 1),
        "failures": report.failures,
        "measures": _measures(rows),
        "masks": rows,
        **_conditions(options, given),
    }


def _settings(options: argparse.Namespace, class_names: Sequence[str]) -> dict[str, Any]:
    return {
        "iterations": options.iterations,
        "evaluate_every": max(1, options.iterations // 5),
        "batch": options.batch,
        "crop": options.side,
        "max_size": options.side,
        "min_size": options.side,
        "encoder": options.encoder,
        "encoder_weights": options.encoder_weights,
        "device": "cpu",
        "reading": {
            "class_names": list(class_names),
            "mask_values": list(range(len(class_names))),
            "void_values": [255],
        },
    }


def _write(data: Path, images: Mapping[str, Path], masks: Mapping[str, np.ndarray]) -> None:
    """A data set as a user would bring one; whole or not at all."""
    unfinished = data.with_name("data.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    for name in ("images", "masks"):
        (unfinished / name).mkdir(parents=True)
    for name, path in images.items():
        shutil.copyfile(path, unfinished / "images" / f"{name}{path.suffix}")
        Image.fromarray(masks[name]).save(unfinished / "masks" / f"{name}.png")
    unfinished.replace(data)


def _measures(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each measure as a detector, over all kinds and of each kind against the masks as they are."""
    wrong = [row["planted"] is not None for row in rows.values()]
    values = {
        measure: [float(row[measure]) for row in rows.values()]
        for measure in MEASURES
        if all(row[measure] is not None for row in rows.values())
    }
    values["ranks"] = mean_ranks(values)
    found = {}
    for measure, quality in values.items():
        own = rank_faults(quality, wrong).to_json()
        found[measure] = {**own, "auroc_by_kind": _by_kind(quality, list(rows.values()))}
    return found


def _by_kind(
    quality: Sequence[float], rows: Sequence[Mapping[str, Any]]
) -> dict[str, float | None]:
    clean = [q for q, row in zip(quality, rows, strict=True) if row["planted"] is None]
    kinds = dict.fromkeys(row["planted"] for row in rows if row["planted"] is not None)
    return {
        kind: rank_faults(
            [q for q, row in zip(quality, rows, strict=True) if row["planted"] == kind] + clean,
            [True] * sum(row["planted"] == kind for row in rows) + [False] * len(clean),
        ).auroc
        for kind in sorted(kinds)
    }


def _conditions(options: argparse.Namespace, given: _Given) -> dict[str, Any]:
    asked = {k: v for k, v in vars(options).items() if k not in ("data", "output", "work")}
    return {
        "data": options.data.name,
        "classes": list(given.class_names),
        "settings": asked,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine_in_words(),
    }


def _summarize(options: argparse.Namespace) -> None:
    """Means over seeds and their standard deviations, as JSON and as a page."""
    cells = [json.loads(p.read_text("utf-8")) for p in sorted(options.output.glob("share-*.json"))]
    shares = sorted({cell["share"] for cell in cells})
    summary = {
        f"{share:g}": {
            measure: _over_seeds([c["measures"][measure] for c in cells if c["share"] == share])
            for measure in ALL
            if all(measure in c["measures"] for c in cells if c["share"] == share)
        }
        for share in shares
    }
    write_json(options.output / "summary.json", {"shares": summary, "guesses": _guesses(cells)})
    write_text(options.output / "summary.md", _page(cells, summary))


def _over_seeds(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    kinds = sorted({kind for one in found for kind in one["auroc_by_kind"]})
    return {
        **{column: _mean_and_sd([one[column] for one in found]) for column in COLUMNS},
        "auroc_by_kind": {
            kind: _mean_and_sd([one["auroc_by_kind"].get(kind) for one in found]) for kind in kinds
        },
    }


def _mean_and_sd(values: Sequence[float | None]) -> dict[str, float | int | None]:
    known = [value for value in values if value is not None]
    return {
        "mean": statistics.fmean(known) if known else None,
        "sd": statistics.stdev(known) if len(known) > 1 else None,
        "seeds": len(known),
    }


def _guesses(cells: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """How often which kind was guessed, by what was planted."""
    table: dict[str, Counter[str]] = {}
    for row in (row for cell in cells for row in cell["masks"].values()):
        table.setdefault(row["planted"] or "nothing", Counter())[row["looks"]] += 1
    return {planted: dict(sorted(looks.items())) for planted, looks in sorted(table.items())}


def _page(cells: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> str:
    settings = cells[0]["settings"]
    number = len(cells[0]["masks"])
    kinds = ", ".join(kinds_for(len(cells[0]["classes"])))
    lines = [
        f"# Planted faults in {number} masks of {cells[0]['data']}",
        "",
        f"Kinds: {kinds}. {settings['folds']} folds of {settings['method']}, "
        f"{settings['iterations']} steps at {settings['side']} px. Mean ± standard deviation over "
        "seeds. Chance is 0.5 for AUROC, the share for AUPRC and precision, 1 for the lift. ranks "
        "is the mean rank of the three measures.",
        "",
        "| planted | sorted by | AUROC | AUPRC | precision at k | lift at 10 % | seeds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for share, measures in summary.items():
        for measure, found in measures.items():
            shown = " | ".join(_number(found[column]) for column in COLUMNS)
            seeds = found["auroc"]["seeds"]
            lines.append(f"| {100 * float(share):g} % | {measure} | {shown} | {seeds} |")
    lines += ["", "AUROC of each kind against the masks that were left as they are:", ""]
    every = sorted({k for m in summary.values() for f in m.values() for k in f["auroc_by_kind"]})
    lines += [f"| planted | sorted by | {' | '.join(every)} |", "| --- " * (len(every) + 2) + "|"]
    for share, measures in summary.items():
        for measure, found in measures.items():
            cell = (_number(found["auroc_by_kind"].get(kind)) for kind in every)
            lines.append(f"| {100 * float(share):g} % | {measure} | {' | '.join(cell)} |")
    guesses = _guesses(cells)
    looks = sorted({look for row in guesses.values() for look in row})
    lines += ["", "Kind that was guessed (columns) by kind that was planted, all shares and seeds:"]
    lines += ["", f"| planted | {' | '.join(looks)} |", "| --- " * (len(looks) + 1) + "|"]
    for planted, row in guesses.items():
        lines.append(f"| {planted} | {' | '.join(str(row.get(look, 0)) for look in looks)} |")
    seconds = [cell["seconds"] for cell in cells]
    lines += [
        "",
        f"Each audit took {statistics.fmean(seconds) / 60:.1f} minutes on {cells[0]['machine']}.",
        "",
        f"    python benchmarks/audit_faults.py DATA -o OUT {_typed(settings)}",
    ]
    return "\n".join(lines) + "\n"


def _typed(settings: Mapping[str, Any]) -> str:
    words = []
    for name, value in settings.items():
        values = value if isinstance(value, list) else [value]
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return shlex.join(words)


def _number(found: Mapping[str, float | None] | None) -> str:
    if found is None or found["mean"] is None:
        return "-"
    spread = "" if found["sd"] is None else f" ± {found['sd']:.3f}"
    return f"{found['mean']:.3f}{spread}"


if __name__ == "__main__":
    main()
