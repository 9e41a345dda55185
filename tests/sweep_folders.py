"""Writes sweeps as they lie on disk, from known learning curves plus noise, without training."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ecs_med.config import TrainConfig
from ecs_med.metrics import Scores
from ecs_med.runs import (
    CaseCounts,
    DataFacts,
    Failure,
    Gallery,
    GalleryEntry,
    InitialWeights,
    Manifest,
    MethodFacts,
    Metrics,
    PseudoLabelHealth,
    RunFolder,
    TestCases,
    TrainRow,
    ValidationRow,
)
from ecs_med.splits import Split
from ecs_med.types import Case

METHODS = {
    facts.name: facts
    for facts in (
        MethodFacts(
            name="supervised",
            title="supervised training (labelled images only)",
            short_name="supervised",
            uses_corrector=False,
            uses_unlabeled=False,
        ),
        MethodFacts(
            name="ecs",
            title="Error-Correcting Supervision (ECS)",
            short_name="ECS",
            uses_corrector=True,
            uses_unlabeled=True,
            settings=("corrector_encoder",),
        ),
        MethodFacts(
            name="s4gan",
            title="s4GAN (Mittal et al. 2019)",
            short_name="s4GAN",
            uses_corrector=False,
            uses_unlabeled=True,
        ),
    )
}
"""What the runs of made-up sweeps say of their methods."""

POOL = 800
"""Training cases; a budget is a share of them."""

SHARES = {"1/16": 50, "1/8": 100, "1/4": 200, "1/2": 400, "all": 800}
TWO_CLASSES = ("background", "polyp")
FOUR_CLASSES = ("background", "left ventricle", "myocardium", "right ventricle")


@dataclass(frozen=True)
class SweepSpec:
    """What a made-up sweep is like."""

    methods: Sequence[str] = ("supervised", "ecs")
    budgets: Sequence[str] = tuple(SHARES)
    seeds: Sequence[int] = (0, 1, 2)
    class_names: Sequence[str] = TWO_CLASSES
    gain: float = 0.04
    noise: float = 0.008
    num_test: int = 40
    num_samples: int = 3
    settings: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, MethodFacts] = field(default_factory=lambda: METHODS)


def expected_miou(method: str, num_labeled: int, gain: float) -> float:
    """An inverse power law; ECS gains most where labels are few."""
    score = 0.90 - 1.6 * num_labeled**-0.5
    return score if method == "supervised" else score + gain * (50 / num_labeled) ** 0.5


def write_sweep(out: Path, spec: SweepSpec = SweepSpec()) -> list[Path]:
    """Write all run folders of a sweep below `out/runs` and return them."""
    folders = []
    for seed in spec.seeds:
        shared = np.random.default_rng(seed).normal(0, spec.noise)
        for labeled in spec.budgets:
            for method in spec.methods:
                name = f"{method}-{labeled.replace('/', '-')}-s{seed}"
                entropy = [seed, SHARES[labeled], len(method)]
                noise = shared + np.random.default_rng(entropy).normal(0, spec.noise)
                miou = expected_miou(method, SHARES[labeled], spec.gain) + float(noise)
                folder = out / "runs" / name
                write_run(folder, spec, method=method, labeled=labeled, seed=seed, miou=miou)
                folders.append(folder)
    return folders


def write_run(
    folder: Path, spec: SweepSpec, *, method: str, labeled: str, seed: int, miou: float
) -> None:
    """Write one finished run folder whose test score is near `miou`."""
    folder.mkdir(parents=True)
    run, names = RunFolder(folder), tuple(spec.class_names)
    confusions = _confusions(miou, len(names), spec.num_test, seed)
    scores = _scores(confusions, names)
    settings = {"iterations": 400, "batch": 8, "crop": 96, "encoder": "tf_efficientnet_lite0"}
    grid = {"data": "kvasir-like", "method": method, "labeled": labeled, "seed": seed}
    run.write_config(TrainConfig.parse({**grid, **settings, **spec.settings}))
    write_split(run.split_file, SHARES[labeled], labeled, seed, spec.num_test)
    Metrics(best_iteration=360, validation=None, test=scores, class_names=names).write(
        run.metrics_file
    )
    cases = tuple(
        CaseCounts(case=f"test/{i:04d}", confusion=tuple(map(tuple, matrix.tolist())))
        for i, matrix in enumerate(confusions)
    )
    TestCases(class_names=names, cases=cases).write(run.test_cases_file)
    manifest(spec.facts[method], SHARES[labeled], seed, spec.num_test).write(run.manifest_file)
    _write_history(run.history_file, spec.facts[method], scores)
    if spec.num_samples:
        _write_samples(run.samples, spec, spec.facts[method], scores)


def fail(folder: Path, sentence: str = "The loss became NaN; lower the learning rate.") -> None:
    """Turn a finished run folder into that of a failed run."""
    for name in ("metrics.json", "manifest.json", "test_cases.json"):
        (folder / name).unlink()
    shutil.rmtree(folder / "samples", ignore_errors=True)
    failure = Failure(sentence=sentence, exit_code=2, time="2026-01-02T03:04:05+00:00")
    failure.write(folder / "failure.json")


def change_json(path: Path, **values: Any) -> None:
    """Overwrite keys of a JSON object on disk."""
    content = {**json.loads(path.read_text(encoding="utf-8")), **values}
    path.write_text(json.dumps(content), encoding="utf-8")


def _confusions(
    miou: float, num_classes: int, num_cases: int, seed: int
) -> list[npt.NDArray[np.int64]]:
    """Matrices whose classes all have the wanted IoU on the whole, spread over cases."""
    generator = np.random.default_rng([seed, num_cases])
    found = []
    for _ in range(num_cases):
        iou = float(np.clip(miou + generator.normal(0, 0.08), 0.05, 0.98))
        hits = 2 * iou / (1 + iou)
        matrix = np.full((num_classes, num_classes), (1 - hits) / max(1, num_classes - 1))
        np.fill_diagonal(matrix, hits)
        found.append(np.rint(1000 * matrix).astype(np.int64))
    return found


def _scores(confusions: Sequence[npt.NDArray[np.int64]], class_names: tuple[str, ...]) -> Scores:
    total = np.sum(confusions, axis=0)
    hits = np.diag(total)
    iou = hits / (total.sum(0) + total.sum(1) - hits)
    dice = 2 * hits / (total.sum(0) + total.sum(1))
    return Scores(
        miou=float(iou.mean()),
        dice=float(dice.mean()),
        iou_per_class=tuple(iou.tolist()),
        dice_per_class=tuple(dice.tolist()),
        foreground_iou=float(iou[1:].mean()),
        foreground_dice=float(dice[1:].mean()),
        pixel_accuracy=float(hits.sum() / total.sum()),
        num_cases=len(confusions),
        class_names=class_names,
    )


def write_split(path: Path, num_labeled: int, labeled: str, seed: int, num_test: int) -> None:
    """Write a split of `POOL` training cases, drawn by the seed."""
    order = np.random.default_rng(seed).permutation(POOL)
    drawn = set(order[:num_labeled].tolist())
    roles = {f"train/{i:04d}": "labeled" if i in drawn else "unlabeled" for i in range(POOL)}
    roles |= {f"{role}/{i:04d}": role for role in ("validation", "test") for i in range(num_test)}
    cases = [Case(id=id_, images=(Path("image.png"),), mask=Path("mask.png")) for id_ in roles]
    notes = ["The data set gives its own test cases."]
    Split.from_roles(cases, roles, seed=seed, asked=labeled, notes=notes).write(path)


def manifest(method: MethodFacts, num_labeled: int, seed: int, num_test: int) -> Manifest:
    """Of a run on one core."""
    return Manifest(
        method=method,
        data=DataFacts(
            name="kvasir-like",
            root=Path("kvasir-like"),
            layout="folder",
            unit="image",
            num_cases=POOL + 2 * num_test,
            num_labeled=num_labeled,
            num_unlabeled=POOL - num_labeled,
            num_validation=num_test,
            num_test=num_test,
        ),
        versions={"python": "3.11.7", "ecs-med": "0.1.0", "torch": "2.15.0"},
        device={"type": "cpu", "threads": 1},
        processes=1,
        precision="fp32",
        git_commit="0123abcd",
        initialization=InitialWeights(segmenter="ImageNet weights."),
        validation="On all validation cases, every 40 iterations.",
        seed=seed,
        command=("ecs-med", "train"),
        warnings=("All images are labelled.",) if num_labeled == POOL else (),
        started=f"2026-01-0{1 + seed % 9}T08:00:00+00:00",
        finished=f"2026-01-0{1 + seed % 9}T09:00:00+00:00",
        seconds=300.5 + 700 * method.uses_corrector + seed,
        validation_seconds=20.5,
        images_per_second=6.1,
        peak_memory_mb=1200 + 500 * method.uses_corrector,
    )


def health(iteration: int, miou: float) -> PseudoLabelHealth:
    """Of pseudo-labels a point better than the segmenter."""
    return PseudoLabelHealth(
        num_cases=24,
        miou=miou + 0.01,
        segmenter_miou=miou,
        right_share=0.95,
        mean_certainty=0.9,
        correction_accuracy=0.3 + iteration / 4000,
    )


def _write_history(path: Path, method: MethodFacts, scores: Scores) -> None:
    lines = []
    for iteration in range(10, 401, 10):
        losses, lr = {"pseudo": 0.1}, {"segmenter": 0.01}
        lines.append(
            TrainRow(iteration=iteration, losses=losses, lr=lr, images_per_second=6.1).to_line()
        )
        if iteration % 40 == 0:
            row = ValidationRow(
                iteration=iteration,
                validation=scores,
                pseudo_labels=health(iteration, scores.miou) if method.uses_corrector else None,
            )
            lines.append(row.to_line())
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_samples(folder: Path, spec: SweepSpec, method: MethodFacts, scores: Scores) -> None:
    folder.mkdir()
    entries = []
    for index in range(spec.num_samples):
        panels = {}
        names = ("image", "reference", "prediction", *(["corrector"] * method.uses_corrector))
        for name in names:
            panels[name] = f"{index:03d}-{name}.png"
            Image.fromarray(_panel(index, name, 1 - scores.miou)).save(folder / panels[name])
        entries.append(
            GalleryEntry(
                case_id=f"test/{index:04d}",
                slice_index=None,
                rank="",
                score=scores.miou,
                scores={"foreground_dice": scores.miou},
                panels=panels,
            )
        )
    gallery = Gallery(
        class_names=scores.class_names,
        class_colors=(None, "#56b4e9", "#e69f00", "#009e73")[: len(scores.class_names)],
        num_candidates=spec.num_samples,
        ranked_over_all=False,
        items=tuple(entries),
    )
    gallery.write(folder / "gallery.json")


def _panel(index: int, name: str, error: float) -> npt.NDArray[np.uint8]:
    """A pink picture, over which the expert's blob or a shifted one lies."""
    rows, columns = np.mgrid[0:96, 0:128]
    picture = np.stack([190 - rows // 2, 100 - rows // 4, 80 + columns // 8], axis=2)
    shift = 60 * error if name == "prediction" else 0
    inside = (rows - 48) ** 2 + (columns - 50 - 10 * index - shift) ** 2 < (20 + 2 * index) ** 2
    if name != "image":
        picture[inside] = (picture[inside] + np.array([86, 180, 233])) // 2
    return np.clip(picture, 0, 255).astype(np.uint8)
