"""A run on synthetic endoscopy that is opened and never trained to the end: its data, its model."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from ecs_med.config import TrainConfig
from ecs_med.data.batches import TrainingBatches, to_device
from ecs_med.inference.model import Model
from ecs_med.methods import Method
from ecs_med.splits import Split
from ecs_med.training.build import build_model
from ecs_med.training.opening import open_run
from ecs_med.training.stores import Stores, build_stores, strong_views, training_batches
from ecs_med.types import Batch
from ecs_med.views import StrongViews
from ecs_med_datasets.phantom import write_phantom

__all__ = ["SmallRun", "opened", "phantom", "settings_of"]

NUM_IMAGES = 120
SOURCE_SIZE = 256
"""Side of the pictures as files."""
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class SmallRun:
    """What a run is made of.

    Attributes:
        method: In training.
        model: On the same networks.
        split: Its cases.
        stores: Its prepared cases.
        batches: Of training.
        views: Makes strong views; `None`: the method learns from none.
        prepare_seconds: By the clock and by the processor, of preparing all its cases.
        num_prepared: How many these are.
    """

    method: Method
    model: Model
    split: Split
    stores: Stores
    batches: TrainingBatches
    views: StrongViews | None
    prepare_seconds: tuple[float, float]
    num_prepared: int

    def batch(self, number: int) -> Batch:
        """A batch as training hands it to the method."""
        return to_device(self.batches[number], CPU, self.model.normalization, self.views)


@contextmanager
def phantom(num_images: int = NUM_IMAGES) -> Iterator[Path]:
    """A folder with `data` in it, removed afterwards."""
    with TemporaryDirectory(prefix="ecs-med-bench-") as name:
        write_phantom(Path(name) / "data", num_images, size=SOURCE_SIZE)
        yield Path(name)


def settings_of(folder: Path, method: str, size: int, batch: int) -> dict[str, Any]:
    """Settings of a run on the phantom in `folder`."""
    return {
        "data": str(folder / "data"),
        "cache": str(folder / f"cache-{size}"),
        "run": str(folder / f"run-{method}"),
        "method": method,
        "labeled": "1/2",
        "max_size": size,
        "min_size": size,
        "crop": size,
        "batch": batch,
        "iterations": 10_000,
        "device": "cpu",
    }


def opened(folder: Path, method: str, size: int, batch: int) -> SmallRun:
    """Open a run; the first one of a size finds no cases prepared, the others do."""
    opening = open_run(TrainConfig.parse(settings_of(folder, method, size, batch)), resume=False)
    config, plan = opening.config, opening.plan
    wall, processor = time.perf_counter(), time.process_time()
    stores, _ = build_stores(plan, config, opening.preparation, lambda *_: None)
    seconds = (time.perf_counter() - wall, time.process_time() - processor)
    built, model = build_model(config, plan, opening.initializations, CPU)
    kept = [stores.labeled, stores.scored, *([stores.unlabeled] if stores.unlabeled else [])]
    return SmallRun(
        built,
        model,
        plan.split,
        stores,
        training_batches(stores, config, plan.images),
        strong_views(built, config, plan.images),
        seconds,
        sum(map(len, kept)),
    )
