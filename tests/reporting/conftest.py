"""A run folder as training leaves it, with plausible numbers, and a strict reader of its page."""

import math
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from sweep_folders import METHODS

from ecs_med.config import TrainConfig
from ecs_med.metrics import Calibration, Detection, ErrorDetection, PixelGroup, Scores
from ecs_med.reporting.run.gallery import GalleryItem, write_gallery
from ecs_med.runs import (
    CorrectorMetrics,
    CorrectorScores,
    DataFacts,
    InitialWeights,
    Manifest,
    Metrics,
    PseudoLabelHealth,
    RunFolder,
    TrainRow,
    ValidationRow,
)
from ecs_med.splits import Split
from ecs_med.types import Case

CLASS_NAMES = ("background", "polyp", "instrument")
VOID_ELEMENTS = {"meta", "img", "br"}


def scores(dice, num_cases=50, names=CLASS_NAMES):
    """Scores whose last class does not occur where there are three."""
    iou = (0.955, round(dice / (2 - dice), 4), None)[: len(names)]
    present = [value for value in iou if value is not None]
    return Scores(
        miou=sum(present) / len(present),
        dice=(0.977 + dice) / 2,
        iou_per_class=iou,
        dice_per_class=(0.977, dice, None)[: len(names)],
        foreground_iou=iou[1],
        foreground_dice=dice,
        dice_per_case=dice - 0.034,
        pixel_accuracy=0.9587,
        num_cases=num_cases,
        class_names=tuple(names),
    )


def train_row(iteration, losses, lr=(), signals=()):
    return TrainRow(
        iteration=iteration,
        losses=dict(losses),
        lr=dict(lr),
        images_per_second=20.0,
        signals=dict(signals),
    )


def history_rows(num_iterations=1000, every=100, right_share=0.94, gain=0.02, corrector=True):
    random = np.random.default_rng(0)
    for iteration in range(10, num_iterations + 1, 10):
        done = iteration / num_iterations
        decay = (1 - done) ** 0.9
        losses = {"segmentation": 0.12 + 0.6 * math.exp(-5 * done) + 0.03 * random.random()}
        lr = {"segmenter": 0.01 * decay}
        if corrector:
            losses["correction"] = 0.35 + 0.9 * math.exp(-4 * done) + 0.05 * random.random()
            losses["judgement"] = 0.2 + 0.05 * random.random()
            losses["pseudo"] = 0.08 + 0.2 * math.exp(-3 * done) + 0.02 * random.random()
            lr["corrector"] = 1e-4 * decay
        yield train_row(iteration, losses, lr)
        if iteration % every == 0:
            dice = 0.84 * (1 - math.exp(-4 * done)) - (0.02 if done > 0.92 else 0)
            yield ValidationRow(
                iteration=iteration,
                validation=scores(dice),
                best=done <= 0.92,
                corrector=corrector_scores(done) if corrector else None,
                pseudo_labels=health(done, right_share, gain) if corrector else None,
            )


def health(done, right_share, gain):
    miou = 0.6 + 0.15 * done
    return PseudoLabelHealth(
        num_cases=16,
        miou=miou + gain,
        segmenter_miou=miou,
        right_share=right_share + 0.03 * done * (1 - right_share),
        correction_accuracy=0.35 + 0.25 * done,
        mean_certainty=0.7 + 0.2 * done,
        detection=detection(0.61 + 0.1 * done, 0.55),
    )


def corrector_scores(done, lead=0.06):
    """Of a corrector that is ahead of the segmenter's confidence by `lead`."""
    confidence = 0.62 + 0.08 * done
    return CorrectorScores(
        miou=0.3 + 0.2 * done,
        iou_per_class=(0.3, 0.4, None, 0.95),
        num_cases=50,
        detection=detection(confidence + lead, confidence),
    )


def detection(own, plain):
    """AUROC on foreground pixels as given, higher on all pixels; a class that does not occur."""

    def detector(auroc, precision):
        return Detection(auroc=auroc, average_precision=precision)

    def group(num_pixels, wrong, shift):
        detectors = {
            "corrector": detector(own + shift, 0.3 + own / 4),
            "confidence": detector(plain + shift, 0.3 + plain / 4),
        }
        return PixelGroup(num_pixels=num_pixels, wrong_share=wrong, **detectors)

    nothing = {"num_pixels": 0, "wrong_share": None}
    unknown = {name: detector(None, None) for name in ("corrector", "confidence")}
    foreground = group(312_450, 0.2104, 0.0)
    return ErrorDetection(
        all_pixels=group(3_276_800, 0.0413, 0.22),
        foreground=foreground,
        per_class=(group(2_964_350, 0.0235, 0.18), foreground, PixelGroup(**nothing, **unknown)),
        calibration=calibration(0.12),
        confidence_calibration=calibration(0.2),
    )


def calibration(slope):
    """Most pixels are called right with certainty; the three lowest parts are empty."""
    centers = [(index + 0.5) / 15 for index in range(15)]
    return Calibration(
        predicted=tuple(None if i < 3 else c for i, c in enumerate(centers)),
        observed=tuple(None if i < 3 else c - slope * c * (1 - c) for i, c in enumerate(centers)),
        num_pixels=tuple(0 if i < 3 else 4**i // 50 for i in range(15)),
        expected_error=slope / 5,
    )


def picture(seed, size=(48, 64)):
    """A pink, vignetted picture with a blob, and the blob's mask."""
    random = np.random.default_rng(seed)
    rows, columns = np.indices(size)
    height, width = size
    vignette = 1 - 0.7 * (((rows / height - 0.5) ** 2) + ((columns / width - 0.5) ** 2))
    base = np.stack([200 * vignette, 110 * vignette, 90 * vignette], axis=2)
    image = base + random.normal(0, 6, (*size, 3))
    center = (height * random.uniform(0.35, 0.65), width * random.uniform(0.35, 0.65))
    mask = (rows - center[0]) ** 2 + (columns - center[1]) ** 2 < (height / 4) ** 2
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
    facts=None,
    unit="image",
    names=CLASS_NAMES,
    right_share=0.94,
    gain=0.02,
    lead=0.06,
    gallery=True,
    warnings=("Class 'instrument' has no labelled pixel.",),
):
    """Write a whole run folder and return it."""
    facts = facts or METHODS[method]
    run.mkdir(parents=True, exist_ok=True)
    folder = RunFolder(run)
    settings = {"iterations": 1000, "batch": 8, "crop": 256, "encoder": "tf_efficientnet_lite0"}
    grid = {"data": "data/kvasir-seg", "method": facts.name, "labeled": "10%", "seed": 3}
    folder.write_config(TrainConfig.parse({**grid, **settings}))
    members = {"labeled": 80, "unlabeled": 720, "validation": 50, "test": 50}
    roles = {f"{role}/{i:03d}": role for role, size in members.items() for i in range(size)}
    cases = [Case(id=id_, images=(Path("image.png"),), mask=Path("mask.png")) for id_ in roles]
    Split.from_roles(cases, roles, seed=3, asked="10%").write(folder.split_file)
    rows = history_rows(right_share=right_share, gain=gain, corrector=facts.uses_corrector)
    add_rows(run, rows)
    chosen = CorrectorMetrics(validation=corrector_scores(0.9, lead))
    Metrics(
        best_iteration=900,
        validation=scores(0.8314, names=names),
        test=scores(0.8172, names=names),
        class_names=tuple(names),
        corrector=chosen if facts.uses_corrector else None,
    ).write(folder.metrics_file)
    manifest(facts, unit, members, warnings).write(folder.manifest_file)
    if gallery:
        write_gallery(run, make_items(3, corrector=facts.uses_corrector), names)
    return run


def add_rows(run, rows):
    history = RunFolder(run).history_file
    with history.open("a", encoding="utf-8") as file:
        file.writelines(f"{row.to_line()}\n" for row in rows)


def manifest(facts, unit, members, warnings):
    return Manifest(
        method=facts,
        data=DataFacts(
            name="kvasir-seg",
            root=Path("data/kvasir-seg"),
            layout="folder",
            unit=unit,
            num_cases=900,
            **{f"num_{role}": size for role, size in members.items()},
        ),
        versions={"ecs-med": "0.1.0", "python": "3.11.7", "torch": "2.10.0"},
        device={"name": "CPU", "threads": 2},
        processes=1,
        precision="fp32",
        git_commit="0123abcd",
        initialization=InitialWeights(
            segmenter="ImageNet weights of tf_efficientnet_lite0, packaged.",
            corrector="ImageNet weights; the map channels with He initialization.",
        ),
        validation="On all 50 validation images, every 100 iterations.",
        seed=3,
        command=("ecs-med", "train", "--labeled", "10%"),
        warnings=tuple(warnings),
        started="2025-01-01T10:00:00+00:00",
        finished="2025-01-01T10:32:14+00:00",
        seconds=1934.2,
        validation_seconds=61.5,
        images_per_second=21.4,
        peak_memory_mb=2315,
    )


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
def log():
    """Function that adds training steps to the history of a run: `log(run, iteration, ...)`."""
    return lambda run, *values, **named: add_rows(run, [train_row(*values, **named)])


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("finished") / "run")


@pytest.fixture
def run(finished_run, tmp_path):
    """A finished ECS run, free to be damaged."""
    return shutil.copytree(finished_run, tmp_path / "run")
