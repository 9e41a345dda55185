"""`manifest.json` and `metrics.json`: what ran, on what, for how long, and what came out."""

import importlib.metadata
import platform
import re
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

import ecs_med
from ecs_med.config import TrainConfig
from ecs_med.devices import describe_device
from ecs_med.distributed import world_size
from ecs_med.files import write_json
from ecs_med.methods import method_class
from ecs_med.networks import Initialization
from ecs_med.training.data_plan import DataPlan
from ecs_med.training.energy import EnergyMeter

__all__ = ["Clock", "Manifest", "start_manifest"]

_PACKAGES = (
    "ecs-med",
    "torch",
    "monai",
    "pytorch-ignite",
    "segmentation-models-pytorch",
    "timm",
    "nibabel",
    "numpy",
    "pillow",
)


class Clock:
    """Seconds of a run, over all its resumptions."""

    def __init__(self) -> None:
        self._before = 0.0
        self._started = time.monotonic()

    def add(self, seconds: float) -> None:
        """Count `seconds` that were spent before resuming."""
        self._before += seconds

    def seconds(self) -> float:
        """All seconds so far."""
        return self._before + time.monotonic() - self._started


class Manifest:
    """Collects what a run has to say about itself.

    Args:
        folder: Run folder.
        content: What is known at the start.
        config: Resolved settings.
    """

    def __init__(self, folder: Path, content: dict[str, Any], config: TrainConfig) -> None:
        self.folder = folder
        self.content = content
        self.config = config
        self.metrics: dict[str, Any] = {}
        self.progress: Mapping[str, Any] = {}

    def warn(self, sentence: str) -> None:
        """Keep a warning for the report."""
        if not self.has_warned(sentence):
            self.content["warnings"].append(sentence)

    def has_warned(self, sentence: str) -> bool:
        """Whether the warning is already kept."""
        return sentence in self.content["warnings"]

    def plan(self, iteration: int) -> dict[str, Any]:
        """What is about to happen, for whoever listens."""
        data, config = self.content["data"], self.config
        return {
            "data": f"{data['root']} ({data['layout']}, {data['num_cases']} cases)",
            "cases": (
                f"{data['num_labeled']} labelled, {data['num_unlabeled']} unlabelled, "
                f"{data['num_validation']} validation, {data['num_test']} test"
            ),
            "method": f"{config.method}, seed {config.seed}",
            "encoder": config.encoder,
            "initialization": self.content["initialization"]["segmenter"],
            "device": (
                f"{config.device}, {config.precision}, batch {config.batch}, crop {config.crop}, "
                f"{_sides(config)}"
            ),
            "run": str(self.folder),
            "iterations": config.iterations,
            "iteration": iteration,
        }

    def stop_clock(self, clock: Clock, energy: EnergyMeter, device: torch.device) -> None:
        """Note duration, speed, peak memory and energy of training."""
        config = self.config
        assert config.iterations is not None
        assert config.batch is not None
        with_unlabeled = method_class(config.method).uses_unlabeled
        streams = 2 if with_unlabeled and self.content["data"]["num_unlabeled"] else 1
        seconds = clock.seconds()
        self.content |= {
            "seconds": round(seconds, 3),
            "images_per_second": round(config.iterations * config.batch * streams / seconds, 3),
            "peak_memory_mb": _peak_memory_mb(device),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        watt_hours = energy.watt_hours()
        if watt_hours is not None:
            self.content["energy_wh"] = round(watt_hours, 3)

    def write(self, metrics: dict[str, Any]) -> None:
        """Write `manifest.json`, then `metrics.json`, which marks the run as complete."""
        self.metrics = metrics
        write_json(self.folder / "manifest.json", self.content)
        write_json(self.folder / "metrics.json", metrics)


def start_manifest(
    folder: Path,
    config: TrainConfig,
    plan: DataPlan,
    initializations: tuple[Initialization, Initialization],
) -> Manifest:
    """What is known before training."""
    split = plan.split
    with_corrector = method_class(config.method).uses_corrector()
    content = {
        "versions": {"python": platform.python_version(), **_versions()},
        "device": describe_device(torch.device(config.device)),
        "processes": world_size(),
        "precision": config.precision,
        "git_commit": _git_commit(),
        "initialization": {
            "segmenter": initializations[0].sentence(),
            "corrector": initializations[1].sentence() if with_corrector else None,
        },
        "data": {
            "name": plan.collection.name,
            "root": str(plan.collection.root),
            "layout": plan.collection.layout,
            "unit": "volume" if plan.images.kind == "volume" else "image",
            "num_cases": len(plan.collection.cases),
            "num_labeled": len(split.labeled),
            "num_unlabeled": len(split.unlabeled),
            "num_validation": len(split.validation),
            "num_test": len(split.test),
            "notes": list(split.notes),
        },
        "seed": config.seed,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "warnings": [],
    }
    return Manifest(folder, content, config)


def _sides(config: TrainConfig) -> str:
    bounds = [f"at least {config.min_size}"] if config.min_size else []
    bounds += [f"at most {config.max_size}"] if config.max_size else []
    return f"longer side {' and '.join(bounds) or 'as it is'}"


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


def _peak_memory_mb(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device) // 2**20)
    status = Path("/proc/self/status")
    if status.is_file():
        # Linux keeps in ru_maxrss what the process that started this one had at its peak.
        found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), flags=re.MULTILINE)
        if found:
            return int(found[1]) // 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak // (2**20 if sys.platform == "darwin" else 2**10))


def _git_commit() -> str | None:
    """Commit of the source tree that ecs-med runs from, `None` for an installed copy."""
    root = Path(ecs_med.__file__).parents[1]
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
