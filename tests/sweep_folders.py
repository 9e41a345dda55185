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
    confusions = _confusions(miou, len(spec.class_names), spec.num_test, seed)
    scores = _scores(confusions, spec.class_names)
    config = TrainConfig.parse(
        {
            "data": "kvasir-like",
            "method": method,
            "labeled": labeled,
            "seed": seed,
            "iterations": 400,
            "batch": 8,
            "crop": 96,
            "encoder": "tf_efficientnet_lite0",
            **spec.settings,
        }
    )
    _write(folder / "config.json", config.model_dump(mode="json"))
    _write_split(folder, SHARES[labeled], labeled, seed, spec.num_test)
    _write(
        folder / "metrics.json",
        {"best_iteration": 360, "class_names": list(spec.class_names), "test": scores},
    )
    cases = [{"case": f"test/{i:04d}", "confusion": c.tolist()} for i, c in enumerate(confusions)]
    _write(
        folder / "test_cases.json", {"class_names": list(spec.class_names), "cases": cases}, None
    )
    _write(folder / "manifest.json", _manifest(method, SHARES[labeled], seed, spec.num_test))
    _write_history(folder, method, miou)
    if spec.num_samples:
        _write_samples(folder, method, spec, miou)


def fail(folder: Path, sentence: str = "The loss became NaN; lower the learning rate.") -> None:
    """Turn a finished run folder into that of a failed run."""
    for name in ("metrics.json", "manifest.json", "test_cases.json"):
        (folder / name).unlink()
    shutil.rmtree(folder / "samples", ignore_errors=True)
    _write(
        folder / "failure.json",
        {"sentence": sentence, "exit_code": 2, "time": "2026-01-02T03:04:05+00:00"},
    )


def change_json(path: Path, **values: Any) -> None:
    """Overwrite keys of a JSON object on disk."""
    _write(path, {**json.loads(path.read_text(encoding="utf-8")), **values})


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


def _scores(
    confusions: Sequence[npt.NDArray[np.int64]], class_names: Sequence[str]
) -> dict[str, Any]:
    total = np.sum(confusions, axis=0)
    hits = np.diag(total)
    iou = hits / (total.sum(0) + total.sum(1) - hits)
    dice = 2 * hits / (total.sum(0) + total.sum(1))
    return {
        "miou": float(iou.mean()),
        "dice": float(dice.mean()),
        "iou_per_class": iou.tolist(),
        "dice_per_class": dice.tolist(),
        "foreground_iou": float(iou[1:].mean()),
        "foreground_dice": float(dice[1:].mean()),
        "num_cases": len(confusions),
        "class_names": list(class_names),
    }


def _write_split(folder: Path, num_labeled: int, labeled: str, seed: int, num_test: int) -> None:
    order = np.random.default_rng(seed).permutation(POOL)
    drawn = set(order[:num_labeled].tolist())
    cases = [
        {"id": f"train/{i:04d}", "patient": None, "role": "labeled" if i in drawn else "unlabeled"}
        for i in range(POOL)
    ]
    cases += [
        {"id": f"{role}/{i:04d}", "patient": None, "role": role}
        for role in ("validation", "test")
        for i in range(num_test)
    ]
    document = {
        "format": "ecs-med split",
        "version": 1,
        "seed": seed,
        "labeled": labeled,
        "notes": ["The data set gives its own test cases."],
        "warnings": [],
        "cases": cases,
    }
    _write(folder / "split.json", document, None)


def _manifest(method: str, num_labeled: int, seed: int, num_test: int) -> dict[str, Any]:
    return {
        "versions": {"python": "3.11.7", "ecs-med": "0.1.0", "torch": "2.15.0"},
        "device": {"type": "cpu", "threads": 1},
        "precision": "fp32",
        "git_commit": "0123abcd",
        "data": {
            "name": "kvasir-like",
            "layout": "folder",
            "unit": "image",
            "num_labeled": num_labeled,
            "num_unlabeled": POOL - num_labeled,
            "num_validation": num_test,
            "num_test": num_test,
        },
        "seed": seed,
        "started": f"2026-01-0{1 + seed % 9}T08:00:00+00:00",
        "finished": f"2026-01-0{1 + seed % 9}T09:00:00+00:00",
        "warnings": ["All images are labelled."] if num_labeled == POOL else [],
        "seconds": 300.5 + 700 * (method == "ecs") + seed,
        "images_per_second": 6.1,
        "peak_memory_mb": 1200 + 500 * (method == "ecs"),
    }


def _write_history(folder: Path, method: str, miou: float) -> None:
    lines = []
    for iteration in range(10, 401, 10):
        row: dict[str, Any] = {"kind": "train", "iteration": iteration, "losses": {"pseudo": 0.1}}
        lines.append(json.dumps(row))
        if iteration % 40 == 0:
            row = {"kind": "validation", "iteration": iteration, "validation": {"miou": miou}}
            if method == "ecs":
                row["pseudo_labels"] = {
                    "num_cases": 24,
                    "miou": miou + 0.01,
                    "segmenter_miou": miou,
                    "right_share": 0.95,
                    "mean_certainty": 0.9,
                    "correction_accuracy": 0.3 + iteration / 4000,
                }
            lines.append(json.dumps(row))
    (folder / "history.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_samples(folder: Path, method: str, spec: SweepSpec, miou: float) -> None:
    samples = folder / "samples"
    samples.mkdir()
    entries = []
    for index in range(spec.num_samples):
        panels = {}
        for name in ("image", "reference", "prediction", *(["corrector"] * (method == "ecs"))):
            panels[name] = f"{index:03d}-{name}.png"
            Image.fromarray(_panel(index, name, 1 - miou)).save(samples / panels[name])
        entries.append(
            {
                "case_id": f"test/{index:04d}",
                "slice_index": None,
                "rank": "",
                "score": miou,
                "scores": {"foreground_dice": miou},
                "panels": panels,
            }
        )
    content = {"version": 1, "class_names": list(spec.class_names), "items": entries}
    content["class_colors"] = [None, "#56b4e9", "#e69f00", "#009e73"][: len(spec.class_names)]
    _write(samples / "gallery.json", content)


def _panel(index: int, name: str, error: float) -> npt.NDArray[np.uint8]:
    """A pink picture, over which the expert's blob or a shifted one lies."""
    rows, columns = np.mgrid[0:96, 0:128]
    picture = np.stack([190 - rows // 2, 100 - rows // 4, 80 + columns // 8], axis=2)
    shift = 60 * error if name == "prediction" else 0
    inside = (rows - 48) ** 2 + (columns - 50 - 10 * index - shift) ** 2 < (20 + 2 * index) ** 2
    if name != "image":
        picture[inside] = (picture[inside] + np.array([86, 180, 233])) // 2
    return np.clip(picture, 0, 255).astype(np.uint8)


def _write(path: Path, content: Mapping[str, Any], indent: int | None = 1) -> None:
    path.write_text(json.dumps(content, indent=indent), encoding="utf-8")
