"""Whether images have an up: by their kind, their layout and their colours."""

import threading
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from ecs_med.config import AugmentationSettings, TrainConfig
from ecs_med.data.checks.facts import gather_facts
from ecs_med.errors import SettingsError, TrainingInterrupted
from ecs_med.runs import RunFolder
from ecs_med.training.augmentation import (
    augmentation_sentence,
    decided_augmentation,
    images_with_up,
)
from ecs_med.training.listener import NullListener, RunPlan
from ecs_med.training.train import train
from ecs_med.types import Case, CaseCollection
from ecs_med_datasets.benchmark_layouts import CamVidLayout, CityscapesLayout
from ecs_med_datasets.pascal_voc import PascalVocLayout

Build = Callable[..., TrainConfig]


def picture(path: Path, colored: float, size: int = 80) -> Case:
    """A grey gradient, of which a share of the columns is red."""
    pixels = np.tile(np.linspace(20, 200, size).astype(np.uint8)[:, None, None], (1, size, 3))
    pixels[:, : round(colored * size)] = (180, 60, 50)
    Image.fromarray(pixels).save(path)
    return Case(path.stem, (path,))


def up_of(*cases: Case, is_upright: bool = False) -> str | None:
    facts = [gather_facts(case, None) for case in cases]
    found = CaseCollection("x", Path(), "folder", cases, is_upright=is_upright)
    return images_with_up(found, facts)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_grey_pictures_have_an_up_and_those_in_colour_none(tmp_path: Path, suffix: str) -> None:
    grey = picture(tmp_path / f"grey.{suffix}", 0)
    doppler = picture(tmp_path / f"doppler.{suffix}", 0.06)
    polyp = picture(tmp_path / f"polyp.{suffix}", 0.6)
    assert up_of(grey) == up_of(doppler) == "grey"
    assert up_of(polyp) is None
    assert up_of(polyp, grey) is None
    assert up_of(polyp, grey, doppler) == "grey"
    one_channel = tmp_path / "one.png"
    Image.fromarray(np.full((9, 9), 90, np.uint8)).save(one_channel)
    assert up_of(Case("one", (one_channel,))) == "grey"


def test_photographs_have_an_up(tmp_path: Path) -> None:
    assert up_of(picture(tmp_path / "street.png", 1), is_upright=True) == "photograph"
    for layout in (CamVidLayout, CityscapesLayout, PascalVocLayout):
        assert layout.is_upright


def test_a_known_layout_says_so(tmp_path: Path) -> None:
    for part in ("train", "trainannot"):
        (tmp_path / part).mkdir()
        picture(tmp_path / part / "0001TP_006690.png", 1)
    from ecs_med.data.layout import open_data

    assert open_data(tmp_path).is_upright


def test_volumes_have_an_up(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.random.default_rng(0).random((8, 8, 4)), np.eye(4)), path)
    assert up_of(Case("a", (path,))) == "volume"


def test_a_file_that_cannot_be_read_has_no_say(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"")
    broken = Case("broken", (tmp_path / "broken.png",))
    assert up_of(broken, picture(tmp_path / "a.png", 1)) is None
    assert up_of(broken, picture(tmp_path / "b.png", 0)) == "grey"


def test_what_is_done_is_said_with_its_reason() -> None:
    usual = AugmentationSettings()
    assert augmentation_sentence(decided_augmentation(usual, "grey"), "grey") == (
        "mirrored left and right (grey pictures have an up, as X-ray and ultrasound)"
    )
    asked = AugmentationSettings(flip=False, flip_vertical=False, rotate=False, jitter=0.2)
    assert augmentation_sentence(asked, None) == (
        "neither mirrored nor turned (as asked, though colour pictures are taken to have no up); "
        "jitter 0.2"
    )
    strong = AugmentationSettings.parse(
        {"rotate": True, "strong": {"cutmix": 1, "blur_share": 0, "zoom": (0.5, 1)}}
    )
    assert augmentation_sentence(decided_augmentation(strong, "volume"), "volume", 2) == (
        "mirrored left and right of the body, turned by quarters (as asked, though slices of "
        "volumes have an up); 2 strong views of unlabelled images (jitter 0.5 in 80%, grey in "
        "20%, CutMix in 100%, windows of 0.5 to 1)"
    )


class Recorder(NullListener):
    """Remembers the plan."""

    plan: RunPlan

    def started(self, plan: RunPlan) -> None:
        self.plan = plan


def test_a_run_says_what_it_does_to_its_images(settings: Build) -> None:
    recorder = Recorder()
    run = RunFolder(train(settings(method="fixmatch"), recorder))
    expected = (
        "mirrored left and right, top and bottom, turned by quarters (colour pictures are taken to "
        "have no up); a strong view of unlabelled images (jitter 0.5 in 80%, grey in 20%, blur in "
        "50%, CutMix in 50%)"
    )
    assert recorder.plan.augmentation == expected
    assert run.read_manifest().augmentation == expected
    assert expected in run.report_file.read_text()
    kept = run.read_config().augmentation
    assert (kept.flip_vertical, kept.rotate) == (True, True)


def test_a_run_goes_on_as_it_was_decided(settings: Build) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(TrainingInterrupted):
        train(settings(method="supervised"), stop=stop)
    refused = settings(method="supervised", augmentation={"rotate": False})
    with pytest.raises(SettingsError, match=r"with `augmentation\.rotate` True, not False"):
        train(refused, resume=True)
    train(settings(method="supervised", augmentation={"rotate": "auto"}), resume=True)
