"""A run folder as training leaves it, with plausible numbers, and a strict reader of its page."""

import json
import math
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from ecs_med.reporting.run.gallery import GalleryItem, write_gallery

CLASS_NAMES = ("background", "polyp", "instrument")
VOID_ELEMENTS = {"meta", "img", "br"}


def write_json_file(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def scores(dice, num_cases=50, names=CLASS_NAMES):
    """Scores whose last class does not occur where there are three."""
    iou = [0.955, round(dice / (2 - dice), 4), None][: len(names)]
    per_class = [0.977, dice, None][: len(names)]
    present = [value for value in iou if value is not None]
    return {
        "miou": sum(present) / len(present),
        "dice": (0.977 + dice) / 2,
        "iou_per_class": iou,
        "dice_per_class": per_class,
        "foreground_iou": iou[1],
        "foreground_dice": dice,
        "dice_per_case": dice - 0.034,
        "pixel_accuracy": 0.9587,
        "num_cases": num_cases,
        "class_names": list(names),
    }


def history_rows(num_iterations=1000, every=100, right_share=0.94, gain=0.02, ecs=True):
    random = np.random.default_rng(0)
    for iteration in range(10, num_iterations + 1, 10):
        done = iteration / num_iterations
        decay = (1 - done) ** 0.9
        losses = {"segmentation": 0.12 + 0.6 * math.exp(-5 * done) + 0.03 * random.random()}
        lr = {"segmenter": 0.01 * decay}
        if ecs:
            losses["correction"] = 0.35 + 0.9 * math.exp(-4 * done) + 0.05 * random.random()
            losses["judgement"] = 0.2 + 0.05 * random.random()
            losses["pseudo"] = 0.08 + 0.2 * math.exp(-3 * done) + 0.02 * random.random()
            lr["corrector"] = 1e-4 * decay
        yield {"kind": "train", "iteration": iteration, "losses": losses, "lr": lr}
        if iteration % every == 0:
            dice = 0.84 * (1 - math.exp(-4 * done)) - (0.02 if done > 0.92 else 0)
            row = {
                "kind": "validation",
                "iteration": iteration,
                "validation": scores(dice),
                "best": done <= 0.92,
            }
            if ecs:
                miou = 0.6 + 0.15 * done
                row["pseudo_labels"] = {
                    "num_cases": 16,
                    "miou": miou + gain,
                    "segmenter_miou": miou,
                    "right_share": right_share + 0.03 * done * (1 - right_share),
                    "correction_accuracy": 0.35 + 0.25 * done,
                    "mean_certainty": 0.7 + 0.2 * done,
                }
            yield row


def picture(seed, size=(48, 64)):
    """A pink, vignetted picture with a blob, and the blob's mask."""
    random = np.random.default_rng(seed)
    rows, columns = np.indices(size)
    height, width = size
    vignette = 1 - 0.7 * (((rows / height - 0.5) ** 2) + ((columns / width - 0.5) ** 2))
    base = np.stack([200 * vignette, 110 * vignette, 90 * vignette], axis=2)
    image = base + random.normal(0, 6, (*size, 3))
    centre = (height * random.uniform(0.35, 0.65), width * random.uniform(0.35, 0.65))
    mask = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < (height / 4) ** 2
    image[mask] += (30, 20, 10)
    return np.clip(image, 0, 255).astype(np.uint8), mask.astype(np.uint8)


def make_items(num_items=12, num_classes=3, corrector=True, slices=False):
    for seed in range(num_items):
        image, reference = picture(seed)
        prediction = np.roll(reference, seed, axis=1)
        correction = np.full_like(reference, num_classes)
        found = (prediction != reference) & (
            np.random.default_rng(seed).random(image.shape[:2]) < 0.8
        )
        correction[found] = reference[found]
        reference = reference.copy()
        reference[:3] = 255
        dice = 1 - seed / 16
        yield GalleryItem(
            case_id=f"test/images/{seed:03d}",
            image=image,
            reference=reference,
            prediction=prediction,
            correction=correction if corrector else None,
            certainty=np.full(image.shape[:2], 0.8, dtype=np.float32) if corrector else None,
            scores={"foreground_dice": dice},
            slice_index=seed if slices else None,
        )


def make_run(
    run: Path,
    *,
    method="ecs",
    names=CLASS_NAMES,
    right_share=0.94,
    gain=0.02,
    test=True,
    gallery=True,
    warnings=("Class 'instrument' has no labelled pixel.",),
):
    """Write a whole run folder and return it."""
    run.mkdir(parents=True, exist_ok=True)
    ecs = method == "ecs"
    write_json_file(
        run / "config.json",
        {
            "data": "data/kvasir-seg",
            "method": method,
            "labeled": "10%",
            "seed": 3,
            "iterations": 1000,
            "batch": 8,
            "crop": 256,
            "encoder": "tf_efficientnet_lite0",
            "segmenter_optimizer": {"name": "sgd", "lr": 0.01, "betas": [0.9, 0.99]},
            "reading": {"mask_values": None},
        },
    )
    members = {"labeled": 80, "unlabeled": 720, "validation": 50, "test": 50}
    cases = [
        {"id": f"{role}/{index:03d}", "patient": None, "role": role}
        for role, size in members.items()
        for index in range(size)
    ]
    write_json_file(
        run / "split.json", {"seed": 3, "labeled": "10%", "warnings": [], "cases": cases}
    )
    rows = history_rows(right_share=right_share, gain=gain, ecs=ecs)
    lines = [json.dumps(row) for row in rows]
    (run / "history.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    metrics = {"best_iteration": 900, "class_names": list(names)}
    metrics["validation"] = scores(0.8314, names=names)
    if test:
        metrics["test"] = scores(0.8172, names=names)
    write_json_file(run / "metrics.json", metrics)
    write_json_file(
        run / "manifest.json",
        {
            "versions": {"ecs-med": "0.1.0", "python": "3.11.7", "torch": "2.10.0"},
            "device": {"name": "CPU", "threads": 2},
            "precision": "fp32",
            "seconds": 1934.2,
            "images_per_second": 21.4,
            "peak_memory_mb": 2315.0,
            "git_commit": "0123abcd",
            "initialization": {
                "segmenter": "ImageNet weights of tf_efficientnet_lite0, packaged.",
                "corrector": "ImageNet weights; the map channels with He initialization.",
            },
            "data": {
                "name": "kvasir-seg",
                "root": "data/kvasir-seg",
                "layout": "folder",
                "num_cases": 900,
                **{f"num_{role}": size for role, size in members.items()},
            },
            "seed": 3,
            "started": "2025-01-01T10:00:00+00:00",
            "finished": "2025-01-01T10:32:14+00:00",
            "command": ["ecs-med", "train", "--labeled", "10%"],
            "warnings": list(warnings),
        },
    )
    if gallery:
        write_gallery(run, make_items(3, corrector=ecs), names)
    return run


class Page(HTMLParser):
    """Collects text, elements and ids; every element must be closed in order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.ids, self._open, self._text = [], [], [], []
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID_ELEMENTS:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> repeats an attribute"
        attrs = dict(attrs)
        self.elements.append((tag, attrs))
        if "id" in attrs:
            self.ids.append(attrs["id"])

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1] == tag, f"</{tag}> closes <{self._open[-1]}>"
        self._open.pop()

    def handle_data(self, data):
        if self._open and self._open[-1] != "style":
            self._text.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self._text).split())

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture
def write_run():
    """Function that writes a whole run folder."""
    return make_run


@pytest.fixture
def gallery_items():
    """Function that makes gallery items."""
    return make_items


@pytest.fixture
def read_page():
    """Function that parses HTML text strictly."""
    return Page


@pytest.fixture
def write_json():
    """Function that writes a JSON file."""
    return write_json_file


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("finished") / "run")


@pytest.fixture
def run(finished_run, tmp_path):
    """A finished ECS run, free to be damaged."""
    return shutil.copytree(finished_run, tmp_path / "run")
