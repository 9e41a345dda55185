"""The folders of a run and of a sweep: where their files lie, and how far a run is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ecs_med.config import TrainConfig, read_settings
from ecs_med.errors import SettingsError
from ecs_med.files import make_folder, write_json
from ecs_med.runs.contents import DataContents
from ecs_med.runs.former import config_of_former
from ecs_med.runs.outputs import claim_folder
from ecs_med.runs.records import Manifest, Metrics
from ecs_med.runs.spec import ModelSpec, Origin, SweepPlan

__all__ = ["REPORT_FOLDERS", "RunFolder", "SweepFolder"]

REPORT_FOLDERS = ("figures", "tables")
"""What lies beside the page of a report on several runs."""


class _Folder(Protocol):
    @property
    def path(self) -> Path: ...


class _Inside:
    """A file or folder that has a fixed name inside of its folder."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, folder: _Folder, owner: type[_Folder]) -> Path:
        return folder.path / self.name


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run.

    Attributes:
        path: The folder; it need not exist.
    """

    path: Path

    config_file = _Inside("config.json")
    """Every setting, resolved."""
    split_file = _Inside("split.json")
    """The role of every case."""
    data_file = _Inside("data.json")
    """What images and masks held when the run began."""
    history_file = _Inside("history.jsonl")
    """Each logged step, one a line."""
    manifest_file = _Inside("manifest.json")
    """What ran, on what, for how long."""
    metrics_file = _Inside("metrics.json")
    """Scores; written last."""
    test_cases_file = _Inside("test_cases.json")
    """The confusion matrix of every test case."""
    spec_file = _Inside("model.json")
    """Everything about the model but its weights."""
    weights_file = _Inside("model.safetensors")
    """The weights of the model."""
    graphs_file = _Inside("graphs.safetensors")
    """The model as ONNX graphs, for prediction with them; it may go."""
    origin_file = _Inside("start.json")
    """The run that this one began with."""
    failure_file = _Inside("failure.json")
    """Why a run of a sweep has no scores."""
    report_file = _Inside("report.html")
    """The report, one page."""
    checkpoints = _Inside("checkpoints")
    """Folder of what `resume` needs."""
    gallery = _Inside("gallery")
    """Folder of pictures of test cases."""
    samples = _Inside("samples")
    """Folder of pictures of cases that are the same for every run on them."""

    @property
    def is_run(self) -> bool:
        """Whether anything here was written by a run."""
        files = (self.config_file, self.split_file, self.metrics_file, self.failure_file)
        return any(file.exists() for file in (*files, self.manifest_file, self.history_file))

    @property
    def is_finished(self) -> bool:
        """Whether the run is complete."""
        return self.metrics_file.is_file()

    def checkpoint_files(self) -> list[Path]:
        """Checkpoints, the newest first; nothing is said of whether they are whole."""
        return sorted(self.checkpoints.glob("iteration-*.safetensors"), reverse=True)

    def progress(self) -> tuple[int, int] | None:
        """Iterations done and of the whole run, where it is not finished.

        `None` also for a model without the files of its training, which may have been copied.
        """
        if self.is_finished or not self.config_file.is_file():
            return None
        try:
            total = self.read_config().iterations or 0
        except SettingsError:
            return None
        saved = [path.stem.removeprefix("iteration-") for path in self.checkpoint_files()]
        done = max((int(number) for number in saved if number.isdecimal()), default=0)
        return done, total

    def create(self) -> None:
        """Make the folder, and mark it as ours; errors as `make_folder`."""
        make_folder(self.checkpoints)
        claim_folder(self.path, {*own_names(type(self)), "tensorboard"})

    def read_config(self) -> TrainConfig:
        """`config.json`; errors as `TrainConfig.from_file`."""
        values = self.read_settings()
        try:
            return TrainConfig.parse(values)
        except SettingsError as error:
            raise SettingsError(f"{self.config_file}: {error}") from None

    def read_settings(self) -> dict[str, Any]:
        """What `config.json` holds, as this version says it; errors as `read_settings`."""
        return config_of_former(read_settings(self.config_file))

    def write_config(self, config: TrainConfig) -> None:
        """Keep the settings."""
        write_json(self.config_file, config.model_dump(mode="json"))

    def read_manifest(self) -> Manifest:
        """`manifest.json`; errors as `Record.read`."""
        return Manifest.read(self.manifest_file)

    def read_metrics(self) -> Metrics:
        """`metrics.json`; errors as `Record.read`."""
        return Metrics.read(self.metrics_file)

    def read_contents(self) -> DataContents | None:
        """`data.json`, `None` where the run kept none; errors as `Record.read`."""
        return DataContents.read(self.data_file) if self.data_file.is_file() else None

    def read_spec(self) -> ModelSpec:
        """`model.json`; errors as `Record.read`."""
        return ModelSpec.read(self.spec_file)

    def read_origin(self) -> Origin | None:
        """`start.json`, `None` where the run began with no other one; errors as `Record.read`."""
        return Origin.read(self.origin_file) if self.origin_file.is_file() else None


@dataclass(frozen=True, slots=True)
class SweepFolder:
    """The files of one sweep.

    Attributes:
        path: The folder; it need not exist.
    """

    path: Path

    plan_file = _Inside("sweep.json")
    """What is planned."""
    runs = _Inside("runs")
    """Folder of the run folders."""
    logs = _Inside("logs")
    """Folder of what the runs print, outside of their folders, which may be cleared."""
    report_file = _Inside("budget.html")
    """What labels buy, one page."""

    def read_plan(self) -> SweepPlan | None:
        """The plan, `None` where there is none; errors as `Record.read`."""
        return SweepPlan.read(self.plan_file) if self.plan_file.exists() else None

    def create(self) -> None:
        """Make the folder, and mark it as ours; errors as `make_folder`."""
        make_folder(self.path)
        claim_folder(self.path, {*own_names(type(self)), *REPORT_FOLDERS})


def own_names(folder: type[RunFolder] | type[SweepFolder]) -> list[str]:
    """Names of all files and folders that have a fixed place in a run or a sweep."""
    return [entry.name for entry in vars(folder).values() if isinstance(entry, _Inside)]
