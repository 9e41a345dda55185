"""What a caller of `train` can hand in: handlers, a transform, a stop token."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from monai.handlers import StatsHandler
from monai.transforms import (
    Compose,
    DeleteItemsd,
    RandAdjustContrastd,
    RandAffined,
    RandGaussianNoised,
    Resized,
    Rotate90d,
)
from safetensors.torch import load_file

from ecs_med.config import TrainConfig
from ecs_med.data.augment import apply_own_transform
from ecs_med.errors import SettingsError, TrainingInterrupted
from ecs_med.methods.ecs import Ecs
from ecs_med.runs import RunFolder
from ecs_med.training.listener import NullListener
from ecs_med.training.train import train
from ecs_med.types import IGNORE_INDEX

Build = Callable[..., TrainConfig]


class Losses:
    """A handler in the manner of MONAI's."""

    def __init__(self) -> None:
        self.totals: list[float] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        output: Any = engine.state.output
        assert set(output) == {"loss", "losses", "signals"}
        self.totals.append(output["loss"].item())


def own_transform() -> Compose:
    return Compose(
        [
            RandAffined(
                ["image", "labels", "valid"],
                prob=1.0,
                rotate_range=0.3,
                mode=["bilinear", "nearest", "nearest"],
                padding_mode="zeros",
                allow_missing_keys=True,
            ),
            RandGaussianNoised("image", prob=0.5, std=0.05),
        ]
    )


def weights(run: Path) -> dict[str, bytes]:
    return {k: v.numpy().tobytes() for k, v in load_file(run / "model.safetensors").items()}


def test_handlers_see_every_iteration(settings: Build) -> None:
    own = Losses()
    monais = StatsHandler(iteration_log=False, epoch_log=False, output_transform=lambda _: None)
    train(settings(), handlers=[own, monais])
    assert len(own.totals) == 4
    assert all(np.isfinite(own.totals))


def test_what_is_no_handler_is_refused(settings: Build) -> None:
    with pytest.raises(SettingsError, match="`handlers`: str cannot be attached"):
        train(settings(), handlers=["loss"])
    assert not settings().run.exists()


def test_a_transform_changes_training_and_is_written_down(settings: Build, tmp_path: Path) -> None:
    plain = train(settings(run=tmp_path / "plain"))
    first = train(settings(run=tmp_path / "first"), transform=own_transform())
    second = train(settings(run=tmp_path / "second", workers=2), transform=own_transform())
    assert weights(first) == weights(second) != weights(plain)
    manifest = RunFolder(first).read_manifest()
    assert manifest.transform == "Compose(RandAffined, RandGaussianNoised)"
    assert RunFolder(plain).read_manifest().transform is None


def test_a_run_with_a_transform_resumes_to_the_last_bit(
    settings: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = train(settings(run=tmp_path / "undisturbed"), transform=own_transform())
    real, count = Ecs.step, 0

    def mortal(self: Ecs, *arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        return real(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Ecs, "step", mortal)
        with pytest.raises(KeyboardInterrupt):
            train(settings(), transform=own_transform())
    with pytest.raises(SettingsError, match=r"`transform` Compose\(.*\), not None"):
        train(settings(), resume=True)
    run = train(settings(), resume=True, transform=own_transform())
    assert weights(run) == weights(undisturbed)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (DeleteItemsd("valid"), "drops the key 'valid'"),
        (Resized(["image"], (40, 40)), r"gives 'valid' the shape \(1, 32, 32\) where its image"),
        (Resized(["valid"], (40, 40)), r"gives 'valid' the shape \(1, 40, 40\) where its image"),
        (
            RandAffined(["image", "valid", "labels"], prob=1, rotate_range=1, mode="bilinear"),
            "interpolates 'labels'",
        ),
    ],
    ids=["drops", "image alone", "valid alone", "interpolates"],
)
def test_a_transform_that_breaks_a_sample_is_refused(
    settings: Build, transform: Any, message: str
) -> None:
    with pytest.raises(SettingsError, match=f"`transform`: {message}"):
        train(settings(), transform=transform)
    assert not settings().run.exists()


def test_a_transform_moves_labels_with_their_image() -> None:
    labels = torch.randint(0, 2, (1, 6, 4), dtype=torch.uint8)
    sample = {"image": labels.float().repeat(3, 1, 1), "labels": labels}
    sample["valid"] = torch.ones(1, 6, 4, dtype=torch.uint8)
    sample["valid"][0, 0] = 0
    found = apply_own_transform(Rotate90d(["image", "labels", "valid"]), sample, seed=1)
    assert found["image"].shape == (3, 4, 6)
    valid = found["valid"] == 1
    assert torch.equal(found["image"][:1][valid], found["labels"][valid].float())
    assert (found["labels"][~valid] == IGNORE_INDEX).all()


def test_the_seed_alone_decides_what_a_transform_draws() -> None:
    sample = {"image": torch.rand(3, 8, 8), "valid": torch.ones(1, 8, 8, dtype=torch.uint8)}
    transform = RandAdjustContrastd("image", prob=1.0)
    first, other, again = (
        apply_own_transform(transform, sample, seed)["image"] for seed in (5, 6, 5)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


class StopAfter(NullListener):
    """Sets an event after an iteration."""

    def __init__(self, event: threading.Event, iteration: int) -> None:
        self.event = event
        self.iteration = iteration

    def trained(self, row: Any) -> None:
        if row.iteration == self.iteration:
            self.event.set()


def test_a_stop_token_ends_a_run_in_any_thread_resumably(settings: Build, tmp_path: Path) -> None:
    undisturbed = train(settings(run=tmp_path / "undisturbed"))
    event, caught = threading.Event(), []

    def work() -> None:
        try:
            train(settings(), StopAfter(event, 3), stop=event)
        except TrainingInterrupted as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert "Stopped by the stop token after iteration 3, everything is saved" in str(caught[0])
    assert caught[0].exit_code == 75
    run = RunFolder(tmp_path / "run")
    assert run.checkpoint_files()[0].name == "iteration-00000003.safetensors"
    assert not run.is_finished
    assert weights(train(settings(), resume=True)) == weights(undisturbed)
