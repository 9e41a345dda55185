"""A run folder: where its files lie, and how far the run in it is."""

from dataclasses import dataclass
from pathlib import Path

from ecs_med.config import TrainConfig
from ecs_med.errors import RunFolderError
from ecs_med.files import write_json
from ecs_med.runs.records import Manifest, Metrics, Origin, TestCases
from ecs_med.runs.spec import ModelSpec

__all__ = ["RunFolder"]


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run.

    Attributes:
        path: The folder; it need not exist.
    """

    path: Path

    @property
    def config_file(self) -> Path:
        """Every setting, resolved."""
        return self.path / "config.json"

    @property
    def split_file(self) -> Path:
        """The role of every case."""
        return self.path / "split.json"

    @property
    def history_file(self) -> Path:
        """Each logged step, one a line."""
        return self.path / "history.jsonl"

    @property
    def manifest_file(self) -> Path:
        """What ran, on what, for how long."""
        return self.path / "manifest.json"

    @property
    def metrics_file(self) -> Path:
        """Scores; written last."""
        return self.path / "metrics.json"

    @property
    def test_cases_file(self) -> Path:
        """The confusion matrix of every test case."""
        return self.path / "test_cases.json"

    @property
    def spec_file(self) -> Path:
        """Everything about the model but its weights."""
        return self.path / "model.json"

    @property
    def weights_file(self) -> Path:
        """The weights of the model."""
        return self.path / "model.safetensors"

    @property
    def origin_file(self) -> Path:
        """The run that this one began with."""
        return self.path / "start.json"

    @property
    def failure_file(self) -> Path:
        """Why a run of a sweep has no scores."""
        return self.path / "failure.json"

    @property
    def report_file(self) -> Path:
        """The report, one page."""
        return self.path / "report.html"

    @property
    def checkpoints(self) -> Path:
        """Folder of what `resume` needs."""
        return self.path / "checkpoints"

    @property
    def gallery(self) -> Path:
        """Folder of pictures of test cases."""
        return self.path / "gallery"

    @property
    def samples(self) -> Path:
        """Folder of pictures of cases that are the same for every run on them."""
        return self.path / "samples"

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

    def create(self) -> None:
        """Make the folder.

        Raises:
            RunFolderError: If it cannot be made.
        """
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(
                f"{self.path}: cannot be made ({error.strerror}); choose another run folder."
            ) from error

    def read_config(self) -> TrainConfig:
        """The settings.

        Raises:
            SettingsError: If the file is missing or damaged.
        """
        return TrainConfig.from_file(self.config_file)

    def write_config(self, config: TrainConfig) -> None:
        """Keep the settings."""
        write_json(self.config_file, config.model_dump(mode="json"))

    def read_manifest(self) -> Manifest:
        """`manifest.json`; errors as `Record.read`."""
        return Manifest.read(self.manifest_file)

    def read_metrics(self) -> Metrics:
        """`metrics.json`; errors as `Record.read`."""
        return Metrics.read(self.metrics_file)

    def read_test_cases(self) -> TestCases:
        """`test_cases.json`; errors as `Record.read`."""
        return TestCases.read(self.test_cases_file)

    def read_spec(self) -> ModelSpec:
        """`model.json`; errors as `Record.read`."""
        return ModelSpec.read(self.spec_file)

    def read_origin(self) -> Origin | None:
        """`start.json`, `None` where the run began with no other one.

        Raises:
            RunFolderError: If it is damaged.
        """
        return Origin.read(self.origin_file) if self.origin_file.is_file() else None
