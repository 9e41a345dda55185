"""What a prediction gave, and the file that keeps what failed."""

from pathlib import Path
from typing import Any

from pydantic import Field

from ecs_med.errors import SomeInputsFailed
from ecs_med.files import RESULT_REMEDY, make_folder, write_json
from ecs_med.inference.videos import VideoOutcome
from ecs_med.records import Record
from ecs_med.runs.outputs import mark_files

__all__ = ["PredictionReport", "write_failures"]

FAILURES_FILE = "failures.json"


class PredictionReport(Record):
    """What a prediction gave."""

    model: Path
    """Run folder of the model."""
    output: Path
    """Folder of the results."""
    labels: dict[int, str]
    """Class name by the value that stands for it in the outputs."""
    written: dict[Path, Path] = Field(default_factory=dict)
    """Label map by input, of several formats the first; of a video the table."""
    files: dict[Path, tuple[Path, ...]] = Field(default_factory=dict)
    """All files that were written, by input: every format, overlay and certainty."""
    videos: dict[Path, VideoOutcome] = Field(default_factory=dict)
    """How far each video went; a damaged one is among `failures`, too."""
    skipped: dict[Path, Path] = Field(default_factory=dict)
    """Label map by input that had been there."""
    failures: dict[Path, str] = Field(default_factory=dict)
    """Sentence by input that could not be segmented."""
    passed_over: dict[Path, str] = Field(default_factory=dict)
    """Why a file or folder among the inputs is not segmented: results of ecs-med, masks beside
    images, formats that are not read."""
    notes: tuple[str, ...] = ()
    """What a person should know of the model and the inputs, one sentence each."""

    def to_json(self) -> dict[str, Any]:
        """As of `Record`; names of files that are no UTF-8 come as JSON can hold them."""
        # Pydantic refuses them as keys.
        by_path = ("written", "skipped", "failures", "passed_over")
        left_out = {*by_path, "files", "videos"}
        content: dict[str, Any] = self.model_dump(mode="json", exclude=left_out)
        content["videos"] = {str(path): one.model_dump() for path, one in self.videos.items()}
        content["files"] = {
            str(path): [str(file) for file in files] for path, files in self.files.items()
        }
        for name in by_path:
            content[name] = {str(path): str(what) for path, what in getattr(self, name).items()}
        return content

    def raise_failures(self) -> None:
        """Raise if an input failed.

        Raises:
            SomeInputsFailed: One sentence that says how many, and where the reasons are.
        """
        if self.failures:
            total = len(self.written) + len(self.skipped) + len(self.failures)
            raise SomeInputsFailed(
                f"{len(self.failures)} of {total} inputs failed; "
                f"{self.output / FAILURES_FILE} says why, the others are done."
            )


def write_failures(report: PredictionReport) -> None:
    """Write `failures.json` into the folder of the results, or remove the one before."""
    path = report.output / FAILURES_FILE
    if not report.failures:
        path.unlink(missing_ok=True)
        return
    make_folder(report.output)
    write_json(path, report.to_json()["failures"], remedy=RESULT_REMEDY)
    mark_files([path])
