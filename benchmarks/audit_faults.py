"""How well an audit finds faults that were planted, and which of its measures does.

    OMP_NUM_THREADS=1 python benchmarks/audit_faults.py DATA -o benchmarks/results/audit_faults_DATE

Of a data set of pictures, `--masks` cases with masks are copied; in each share of the masks faults
of all kinds are planted, each as often as the others, and the audit is run on the copy as a user
would run it, with `--unlabeled` further images without their masks. Few faults say little of a
kind: so the models of the folds judge every mask that they have not seen with each kind of fault
in turn, too, against the masks as they are. DATA is only read. One small JSON file a share and seed
is kept as it comes, so that the same command goes on where it was stopped; runs of an audit that
was stopped go on, too, where `--work` names their folder. summary.json and summary.md are written
anew after each.
"""

import argparse
import csv
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ecs_med.audit.audit import audit
from ecs_med.audit.faults import components
from ecs_med.audit.folds import AuditPlan, plan_audit
from ecs_med.audit.judging import judge_mask
from ecs_med.audit.ranking import MEASURES, mean_ranks
from ecs_med.audit.verdict import Verdict, verdict_of
from ecs_med.config import DEFAULT_METHOD, ReadingSettings
from ecs_med.data.checks.examination import diagnose
from ecs_med.data.layout import open_data
from ecs_med.data.masks.reading import read_labels
from ecs_med.files import write_json
from ecs_med.runs import RunFolder
from ecs_med.splits.ordering import digest
from ecs_med.sweep.executors import ExecutorOptions
from ecs_med_benchmarks.audit_page import write_summary
from ecs_med_benchmarks.fault_ranking import rank_faults
from ecs_med_benchmarks.machine import machine_in_words
from ecs_med_benchmarks.planted_faults import (
    PLANTED_KINDS,
    PlantedKind,
    kinds_for,
    plant,
    plant_all,
)


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
            write_summary(options.output)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="Folder of copies and runs; else a temporary one")
    parser.add_argument("--masks", type=int, default=100)
    parser.add_argument("--unlabeled", type=int, default=300)
    parser.add_argument("--kinds", nargs="+", choices=PLANTED_KINDS, help="Else all that fit.")
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

    def __init__(self, data: Path, count: int, unlabeled: int) -> None:
        collection = open_data(data)
        scheme = diagnose(collection, ReadingSettings()).scheme
        if scheme is None:
            raise SystemExit(f"{data}: its masks cannot be understood; see ecs-med check.")
        masked = sorted(collection.cases, key=lambda case: digest(f"audit:{case.id}"))
        cases = [case for case in masked if case.mask is not None][:count]
        others = [case for case in masked if case not in cases][:unlabeled]
        self.class_names = scheme.class_names
        named = {case.id.replace("/", "-"): case for case in (*cases, *others)}
        self.images = {name: case.images[0] for name, case in named.items()}
        self.patients = {name: case.patient or "" for name, case in named.items()}
        self.masks = {
            case.id.replace("/", "-"): read_labels(case.images, case.mask, scheme)
            for case in cases
            if case.mask is not None
        }


def _given(options: argparse.Namespace) -> _Given:
    return _Given(options.data, options.masks, options.unlabeled)


def _cell(options: argparse.Namespace, given: _Given, share: float, seed: int) -> dict[str, Any]:
    kinds = options.kinds or kinds_for(len(given.class_names))
    masks, planted = plant_all(given.masks, share, seed, len(given.class_names), kinds)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)) / f"share-{share:g}-seed-{seed}"
        data = work / "data"
        if not data.is_dir():
            _write(data, given, masks)
        cases = data / "cases.csv"
        asked: dict[str, Any] = {
            "folds": options.folds,
            "method": options.method,
            "seed": seed,
            "settings": _settings(options, given.class_names),
        }
        executor = ExecutorOptions(name=options.executor)
        report = audit(cases, **asked, count=1, output=work / "audit", executor=executor)
        seconds = time.monotonic() - started
        plan = plan_audit(cases, work / "audit", **asked)
        clean = [name for name in given.masks if name not in planted]
        in_turn = _in_turn(plan, {name: given.masks[name] for name in clean}, seed, kinds)
        dice = [_test_dice(cell.folder) for cell in plan.cells]
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
        "seconds": round(seconds, 1),
        "test_dice": dice,
        "failures": report.failures,
        "measures": _measures(rows),
        "in_turn": in_turn,
        "masks": rows,
        **_conditions(options, given),
    }


def _test_dice(run: Path) -> float | None:
    """Mean Dice of a fold's model on the masks that it left out, some of which are wrong."""
    return RunFolder(run).read_metrics().test.dice_per_case


def _in_turn(
    plan: AuditPlan, masks: Mapping[str, np.ndarray], seed: int, kinds: Sequence[PlantedKind]
) -> dict[str, Any]:
    """Every mask that is as it was, with each kind of fault in turn, by the model without it."""
    generator = np.random.default_rng(seed)
    found: dict[str, list[Verdict]] = {"nothing": []}
    for judge in plan.judges():
        num_classes = judge.model.spec.num_classes
        for case in judge.cases:
            name = Path(case.id).name
            if name not in masks:
                continue
            prepared = judge.prepare(case)
            others = [labels for other, labels in masks.items() if other != name]
            for kind in ("nothing", *kinds):
                labels = masks[name]
                if kind != "nothing":
                    if not components(labels):
                        continue
                    labels = plant(labels, kind, generator, others, num_classes)
                wrong = replace(prepared, reference=labels)
                judged = judge_mask(judge.model, wrong)
                verdict = verdict_of(judged, wrong, case.id, "", judge.fold)
                if verdict is not None:
                    found.setdefault(kind, []).append(verdict)
    rows = [
        {**{m: getattr(one, m) for m in MEASURES}, "planted": None if k == "nothing" else k}
        for k, verdicts in found.items()
        for one in verdicts
    ]
    guesses = {k: dict(Counter(one.kind for one in verdicts)) for k, verdicts in found.items()}
    return {"measures": _measures(dict(enumerate(rows))), "guesses": guesses}


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


def _write(data: Path, given: _Given, masks: Mapping[str, np.ndarray]) -> None:
    """A data set as a user would bring one, with its patients; whole or not at all."""
    unfinished = data.with_name("data.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    for name in ("images", "masks"):
        (unfinished / name).mkdir(parents=True)
    known = any(given.patients.values())
    rows: list[tuple[str, ...]] = [("image", "mask", "patient")[: 3 if known else 2]]
    for name, path in given.images.items():
        image = f"images/{name}{path.suffix}"
        mask = f"masks/{name}.png" if name in masks else ""
        shutil.copyfile(path, unfinished / image)
        if mask:
            Image.fromarray(masks[name]).save(unfinished / mask)
        rows.append((image, mask, given.patients[name])[: len(rows[0])])
    with (unfinished / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    unfinished.replace(data)


def _measures(rows: Mapping[Any, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
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
        "data": (options.data.parent if options.data.is_file() else options.data).name,
        "classes": list(given.class_names),
        "settings": asked,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine_in_words(),
    }


if __name__ == "__main__":
    main()
