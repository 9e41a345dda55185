r"""Rules of `ecs-med suggest` against choice at random, with hidden masks as the annotator.

For each seed a first model learns from `--start` labels drawn at random. Then every rule asks for
`--step` more with the model of its own last round, gets their masks, and trains anew from the first
weights on all of its labels and all unlabelled images; so do `--rounds` rounds. `coldstart` chooses
without a model, its first labels too. Pool, validation and test cases are the same for all;
seeds differ in the first labels, in what rules draw at random, and in the training.

Compared are the area under the curve of test scores over labels (trapezoids, divided by their
range, so that it is a mean score), paired by seed. Where a rule chose what another one chose with
the same seed, the run is the same and is not repeated. What is measured is kept after every run,
so that the same command goes on where it was stopped; one round is finished before the next.

    OMP_NUM_THREADS=1 python benchmarks/suggestions.py shared/data/kvasir-seg \
        --output benchmarks/results/suggestions_DATE --runs runs/suggestions
"""

import argparse
import json
import platform
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecs_med.acquisition.base import ACQUISITIONS, Acquisition, Need, Pool, choose
from ecs_med.acquisition.look import Look
from ecs_med.acquisition.lookers import looker_for
from ecs_med.analysis import compare_paired, summarize
from ecs_med.config import DEFAULT_METHOD
from ecs_med.data.cases import PreparedCase
from ecs_med.data.layout import open_data
from ecs_med.files import write_json, write_text
from ecs_med.inference.model import Model
from ecs_med.inference.storing import load_model
from ecs_med.reporting.table import PrintedTable
from ecs_med.runs import RunFolder
from ecs_med.splits import Role, Split
from ecs_med.splits.ordering import digest
from ecs_med.training.train import train
from ecs_med.types import Case
from ecs_med_benchmarks.machine import machine_in_words

RULES = ("random", "foreground", "entropy", "doubt", "clasp", "coldstart")
FIRST = ("random", "coldstart")
"""How the first labels are chosen; the other rules begin with those at random."""

Row = dict[str, Any]


def main() -> None:
    """Run what is missing, and write the table after every run."""
    options = _options()
    options.output.mkdir(parents=True, exist_ok=True)
    file = options.output / "suggestions.json"
    rows: list[Row] = json.loads(file.read_text())["rows"] if file.exists() else []
    experiment = Experiment(options)
    for seed, rule, labels in _cells(options):
        if _row(rows, seed, rule, labels) is not None:
            continue
        rows.append(experiment.run(rows, seed, rule, labels))
        head = {"made": datetime.now(UTC).isoformat(timespec="seconds"), **_conditions(options)}
        write_json(file, {**head, "rows": rows})
        write_text(options.output / "suggestions.md", _page(head, rows, options))
        sys.stdout.write(f"seed {seed} {rule} {labels}: {rows[-1]['miou']:.4f}\n")
        sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/suggestions"))
    parser.add_argument("--method", default=DEFAULT_METHOD)
    parser.add_argument("--pool", type=int, default=500, help="Cases that may be labelled.")
    parser.add_argument("--validation", type=int, default=50)
    parser.add_argument("--test", type=int, default=300)
    parser.add_argument("--start", type=int, default=25)
    parser.add_argument("--step", type=int, default=25)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rules", nargs="+", default=list(RULES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--side", type=int, default=96, help="Of images and crops, in pixels.")
    parser.add_argument("--batch", type=int, default=4)
    return parser.parse_args()


def _cells(options: argparse.Namespace) -> Iterator[tuple[int, str, int]]:
    """Seed, rule and number of labels: first labels, then round after round."""
    for rule in FIRST:
        for seed in options.seeds:
            yield seed, rule, options.start
    for number in range(1, options.rounds + 1):
        for seed in options.seeds:
            for rule in options.rules:
                yield seed, rule, options.start + number * options.step


def _row(rows: Sequence[Row], seed: int, rule: str, labels: int) -> Row | None:
    wanted = (seed, rule, labels)
    return next((r for r in rows if (r["seed"], r["rule"], r["labels"]) == wanted), None)


def _first(rule: str) -> str:
    """How the first labels of a rule are chosen."""
    return rule if rule in FIRST else "random"


class Experiment:
    """The cases, what they are for, and runs on them."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        everyone = open_data(options.data).cases
        parts = _parted(everyone, (options.validation, options.test, options.pool))
        self._everyone = everyone
        self._held: dict[str, Role] = {case.id: "validation" for case in parts[0]}
        self._held |= {case.id: "test" for case in parts[1]}
        self.pool = sorted(parts[2], key=lambda case: case.id)
        self._prepared: dict[tuple[str, Need], PreparedCase] = {}

    def run(self, rows: Sequence[Row], seed: int, rule: str, labels: int) -> Row:
        """Choose, train, and say what came of it."""
        labeled = self._labeled(rows, seed, rule, labels)
        for row in rows:
            if row["seed"] == seed and set(row["labeled"]) == set(labeled):
                return {**row, "rule": rule, "labeled": labeled, "as": row["rule"]}
        folder = self._train(labeled, seed, rule, labels)
        metrics, manifest = folder.read_metrics(), folder.read_manifest()
        return {
            "seed": seed,
            "rule": rule,
            "labels": labels,
            "miou": metrics.test.miou,
            "foreground_dice": metrics.test.foreground_dice,
            "validation_miou": metrics.validation.miou if metrics.validation else None,
            "seconds": round(manifest.seconds, 1),
            "git_commit": manifest.git_commit,
            "labeled": labeled,
        }

    def _labeled(self, rows: Sequence[Row], seed: int, rule: str, labels: int) -> list[str]:
        first = labels == self._options.start
        before: list[str] = []
        kind, model = ACQUISITIONS.get(rule), None
        if not first:
            last = labels - self._options.step
            row = _row(rows, seed, rule if last > self._options.start else _first(rule), last)
            assert row is not None
            before = row["labeled"]
            if kind.needs in ("model", "corrector"):
                # Trained again where only what was measured of it is there.
                run = self._train(before, seed, row.get("as", row["rule"]), last)
                model = load_model(run.path, "cpu")
        left = [case for case in self.pool if case.id not in set(before)]
        asked = Pool(
            left,
            [self._look(case, kind.needs, model) for case in left],
            labels - len(before),
            seed,
            model.spec.class_names if model else (),
            len(before),
        )
        return [*before, *self._chosen(kind, asked)]

    @staticmethod
    def _chosen(kind: type[Acquisition], pool: Pool) -> list[str]:
        return [pool.cases[index].id for index in choose(kind(pool))]

    def _look(self, case: Case, need: Need, model: Model | None) -> Look:
        if need == "nothing":
            return Look(case=case.id, files="")
        looker = _looker(need, model.run if model else None)
        key = (case.id, need)
        # All models prepare alike, so that a picture is decoded once.
        if key not in self._prepared:
            self._prepared[key] = looker.prepare(case.without_mask())
        return looker.see(self._prepared[key], case.id, "")

    def _folder(self, seed: int, rule: str, labels: int) -> RunFolder:
        return RunFolder(self._options.runs / f"{rule}-{labels}-s{seed}")

    def _train(self, labeled: Sequence[str], seed: int, rule: str, labels: int) -> RunFolder:
        folder = self._folder(seed, rule, labels)
        roles: dict[str, Role] = {case.id: "unused" for case in self._everyone}
        roles |= {case.id: "unlabeled" for case in self.pool} | self._held
        roles |= dict.fromkeys(labeled, "labeled")
        split = folder.path.with_name(f"{folder.path.name}.json")
        split.parent.mkdir(parents=True, exist_ok=True)
        Split.from_roles(self._everyone, roles, seed=seed, asked=str(labels)).write(split)
        side = self._options.side
        if not folder.is_finished:
            settings = {
                "data": self._options.data,
                "method": self._options.method,
                "labeled": str(split),
                "seed": seed,
                "run": folder.path,
                "iterations": self._options.iterations,
                "batch": self._options.batch,
                **dict.fromkeys(("crop", "max_size", "min_size"), side),
                "device": "cpu",
            }
            train(settings, resume=bool(folder.checkpoint_files()))
        return folder


def _parted(cases: Sequence[Case], counts: Sequence[int]) -> list[list[Case]]:
    """Cases with masks in parts of so many, or of a few more, so that no patient is parted."""
    patients: dict[str, list[Case]] = {}
    for case in cases:
        if case.mask is not None:
            patients.setdefault(case.patient or case.id, []).append(case)
    order = iter(sorted(patients, key=lambda patient: digest(f"suggestions:{patient}")))
    parts: list[list[Case]] = []
    for count in counts:
        part: list[Case] = []
        while len(part) < count and (patient := next(order, None)) is not None:
            part += patients[patient]
        parts.append(part)
    return parts


@cache
def _looker(need: Need, run: Path | None) -> Any:
    model = None if run is None else load_model(run, "cpu")
    return looker_for(need, model, torch.device("cpu"))


def _conditions(options: argparse.Namespace) -> dict[str, Any]:
    paths = {str(options.data): "DATA", str(options.output): "OUT", str(options.runs): "RUNS"}
    words = ["benchmarks/suggestions.py", *(paths.get(word, word) for word in sys.argv[1:])]
    return {
        "command": " ".join(["python", *map(shlex.quote, words)]),
        "machine": machine_in_words(),
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "settings": {
            name: value
            for name, value in vars(options).items()
            if name not in ("data", "output", "runs")
        },
    }


def areas(rows: Sequence[Row], rule: str, start: int, labels: Sequence[int]) -> dict[int, float]:
    """Mean score under the curve of a rule by seed, of the seeds that have all of its points.

    Args:
        rows: What was measured.
        rule: Which rule; but for `coldstart` its first point is that of the labels at random.
        start: Labels of the first point.
        labels: Those of the others, ascending.
    """
    found = {}
    for seed in sorted({row["seed"] for row in rows}):
        curve = [_row(rows, seed, _first(rule), start)]
        curve += [_row(rows, seed, rule, number) for number in labels]
        scores = [row["miou"] for row in curve if row is not None]
        if len(scores) == len(curve) > 1:
            area = np.trapezoid(scores, [start, *labels])
            found[seed] = float(area / (labels[-1] - start))
    return found


def _page(head: Row, rows: Sequence[Row], options: argparse.Namespace) -> str:
    # A round is compared once all rules and seeds have it.
    cells = len(options.rules) * len(options.seeds)
    counts = Counter(row["labels"] for row in rows)
    numbers = sorted(n for n, count in counts.items() if n != options.start and count >= cells)
    rules = [rule for rule in RULES if any(row["rule"] == rule for row in rows)]
    lines = [_scores_of(rows, rule, [options.start, *numbers]) for rule in rules]
    header = ("rule", *(f"{number} labels" for number in (options.start, *numbers)))
    return "\n".join(
        [
            "# Which image next: rules against choice at random",
            "",
            f"Test mIoU in percent, mean and standard deviation over seeds; {options.method}, "
            f"{options.iterations} steps from the first weights each round, images of "
            f"{options.side} pixels, {options.pool} cases to choose from, {options.test} to test "
            f"on. {head['machine']}; {head['made']}; `{head['command']}`.",
            "",
            PrintedTable(header, tuple(lines)).to_markdown(),
            "",
            *_compared(rows, rules, numbers, options.start),
            "",
        ]
    )


def _scores_of(rows: Sequence[Row], rule: str, numbers: Sequence[int]) -> tuple[str, ...]:
    cells = [rule]
    for number in numbers:
        scores = [100 * r["miou"] for r in rows if (r["rule"], r["labels"]) == (rule, number)]
        if not scores:
            cells.append("as random" if number == numbers[0] else "-")
            continue
        found = summarize(scores)
        spread = "" if found.sd is None else f" ± {found.sd:.1f}"
        cells.append(f"{found.mean:.1f}{spread} ({len(scores)})")
    return tuple(cells)


def _compared(
    rows: Sequence[Row], rules: Sequence[str], numbers: Sequence[int], start: int
) -> list[str]:
    """Differences of areas, and of the first labels, in sentences."""
    sentences = []
    for base in ("random", "foreground"):
        theirs = areas(rows, base, start, numbers) if numbers else {}
        for rule in rules:
            ours = areas(rows, rule, start, numbers) if numbers and rule != base else {}
            if base == "foreground" and rule == "random":
                continue
            sentences += _sentence(f"area, {rule} over {base}", ours, theirs)
    first = {rule: _scores_at(rows, rule, start) for rule in FIRST}
    sentences += _sentence(
        f"mIoU at {start} labels, coldstart over random", first["coldstart"], first["random"]
    )
    return sentences


def _scores_at(rows: Sequence[Row], rule: str, start: int) -> dict[int, float]:
    return {r["seed"]: r["miou"] for r in rows if (r["rule"], r["labels"]) == (rule, start)}


def _sentence(what: str, ours: dict[int, float], theirs: dict[int, float]) -> list[str]:
    seeds = sorted(ours.keys() & theirs.keys())
    if len(seeds) < 2:
        return []
    found = compare_paired([ours[s] for s in seeds], [theirs[s] for s in seeds])
    assert found.lower is not None
    assert found.upper is not None
    return [
        f"- {what}: {100 * found.difference:+.2f} points (95 % interval {100 * found.lower:+.2f} "
        f"to {100 * found.upper:+.2f}, p {found.p_value:.2f}, {len(seeds)} seeds)"
    ]


if __name__ == "__main__":
    main()
