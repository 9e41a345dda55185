"""What a run says of itself: what ran, on what, for how long, and with how much energy."""

import importlib.metadata
import platform
import re
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import torch

from ecs_med.config import TrainConfig
from ecs_med.devices import describe_device
from ecs_med.distributed import world_size
from ecs_med.methods import Method, method_class
from ecs_med.networks import Initialization
from ecs_med.networks.correctors import corrector_kind
from ecs_med.runs import DataFacts, InitialWeights, Manifest, Origin
from ecs_med.training.augmentation import augmentation_sentence
from ecs_med.training.checkpoint import Progress
from ecs_med.training.data_plan import DataPlan
from ecs_med.training.listener import RunPlan
from ecs_med.training.schedule import Schedule
from ecs_med.training.stores import Stores

__all__ = ["Clock", "EnergyMeter", "RunNotes", "now"]

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
_MILLIJOULES_PER_WATT_HOUR = 3.6e6


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


class EnergyMeter:
    """Reads the energy counter of an NVIDIA GPU, which covers everything that runs on it.

    The counter needs the package `nvidia-ml-py` and a GPU of the Volta generation or later; without
    them there is no figure, and never an error.

    Args:
        device: Where the run trains.
        before_wh: What the run has used before it was resumed; `None` if that was not counted.
    """

    def __init__(self, device: torch.device, before_wh: float | None = 0.0) -> None:
        self._device = device
        self._before_wh = before_wh
        self._first = _read_counter(device)

    def watt_hours(self) -> float | None:
        """Energy since the meter was made and before, in Wh; `None` where it is not counted."""
        last = _read_counter(self._device)
        if self._first is None or last is None or self._before_wh is None:
            return None
        return self._before_wh + (last - self._first) / _MILLIJOULES_PER_WATT_HOUR


def _corrector_in_words(
    method: type[Method], initialization: Initialization, origin: Origin | None
) -> str | None:
    if not method.uses_corrector():
        return None
    kind = corrector_kind(method.corrector_kind)
    if kind.has_encoder:
        return initialization.sentence()
    taken = origin is not None and origin.spec.corrector == method.corrector_kind
    source = f"the weights of the run {origin.run}" if origin and taken else "random weights"
    return f"{kind.words} with {source}"


class RunNotes:
    """Collects what a run has to say of itself, until it is written as `manifest.json`.

    Args:
        config: Resolved settings.
        plan: The data.
        initializations: Of segmenter and corrector.
        schedule: Of the validations.
        origin: The run that it begins with.
    """

    def __init__(
        self,
        config: TrainConfig,
        plan: DataPlan,
        initializations: tuple[Initialization, Initialization],
        schedule: Schedule,
        origin: Origin | None = None,
    ) -> None:
        method, split = method_class(config.method), plan.split
        self.warnings: list[str] = []
        self._num_streams = 1
        self._config = config
        self._schedule = schedule
        self._augmentation = augmentation_sentence(
            config.augmentation, plan.images.up, method.strong_views
        )
        self._method = method.facts()
        self._initialization = InitialWeights(
            segmenter=initializations[0].sentence(),
            corrector=_corrector_in_words(method, initializations[1], origin),
        )
        self._data = DataFacts(
            name=plan.collection.name,
            root=plan.collection.root,
            layout=plan.collection.layout,
            unit="volume" if plan.images.kind == "volume" else "image",
            num_cases=len(plan.collection.cases),
            num_labeled=len(split.labeled),
            num_slices=split.num_slices,
            num_unlabeled=len(split.unlabeled),
            num_validation=len(split.validation),
            num_test=len(split.test),
            notes=split.notes,
        )

    def prepared(self, stores: Stores) -> None:
        """Take in what became of the data once they were prepared."""
        self._num_streams = stores.num_streams
        self._data = self._data.model_copy(update={"notes": (*self._data.notes, *stores.notes)})

    def warn(self, sentence: str) -> bool:
        """Keep a warning for the report; whether it is a new one."""
        is_new = sentence not in self.warnings
        if is_new:
            self.warnings.append(sentence)
        return is_new

    def plan(self, iteration: int, workers: int, *, is_compiled: bool) -> RunPlan:
        """What is about to happen, for whoever listens.

        Args:
            iteration: That the run begins with.
            workers: Processes that prepare batches.
            is_compiled: Whether PyTorch compiles the networks.
        """
        data, config = self._data, self._config
        assert config.iterations is not None
        slices = f" ({data.num_slices} slices of them)" if data.num_slices else ""
        return RunPlan(
            data=f"{data.root} ({data.layout}, {data.num_cases} cases)",
            cases=(
                f"{data.num_labeled} labelled{slices}, {data.num_unlabeled} unlabelled, "
                f"{data.num_validation} validation, {data.num_test} test"
            ),
            method=f"{config.method}, seed {config.seed}",
            encoder=config.encoder,
            initialization=self._initialization.segmenter,
            device=(
                f"{config.device}, {config.precision}, batch {config.batch}, crop {config.crop}, "
                f"{_sides(config)}{f', batches by {workers} processes' if workers else ''}"
                f"{', compiled in the first steps: a minute or more' if is_compiled else ''}"
            ),
            augmentation=self._augmentation,
            validation=self._schedule.sentence(),
            run=str(config.run),
            iterations=config.iterations,
            iteration=iteration,
        )

    def manifest(self, progress: Progress, device: torch.device) -> Manifest:
        """Everything, at the end of training.

        Args:
            progress: With the seconds and the energy of all of it.
            device: Where it trained.
        """
        config = self._config
        assert config.iterations is not None
        assert config.batch is not None
        energy = progress.energy_wh
        images = config.iterations * config.batch * self._num_streams
        return Manifest(
            method=self._method,
            data=self._data,
            versions={"python": platform.python_version(), **_versions()},
            device=describe_device(device),
            processes=world_size(),
            precision=config.precision,
            git_commit=_git_commit(),
            initialization=self._initialization,
            validation=self._schedule.sentence(),
            augmentation=self._augmentation,
            transform=progress.transform,
            seed=config.seed,
            command=(Path(sys.argv[0]).name, *sys.argv[1:]),
            warnings=tuple(self.warnings),
            started=progress.started,
            finished=now(),
            seconds=round(progress.seconds, 3),
            validation_seconds=round(progress.validation_seconds, 3),
            images_per_second=round(images / progress.seconds, 3),
            peak_memory_mb=_peak_memory_mb(device),
            energy_wh=None if energy is None else round(energy, 3),
        )


def now() -> str:
    """The time, ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _read_counter(device: torch.device) -> int | None:
    """Millijoules since the driver was loaded."""
    if device.type != "cuda":
        return None
    try:
        import pynvml

        pynvml.nvmlInit()
        uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid.encode())
        return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))
    except Exception:  # A missing package, an older GPU, a driver without the call.
        return None


def _sides(config: TrainConfig) -> str:
    bounds = [f"at least {config.min_size}"] if config.min_size else []
    bounds += [f"at most {config.max_size}"] if config.max_size else []
    pixels = f"pixels of {config.spacing:.3g} mm, " if isinstance(config.spacing, float) else ""
    field = (
        ", without what lies outside the field of view" if config.field_of_view == "auto" else ""
    )
    return f"{pixels}longer side {' and '.join(bounds) or 'as it is'}{field}"


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
    root = Path(__file__).parents[2]
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
