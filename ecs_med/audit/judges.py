"""All masks through the models of the folds that left them out, one line each as they come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecs_med.acquisition.scores import Scores
from ecs_med.audit.judging import Judged, judge_mask
from ecs_med.audit.verdict import Verdict, verdict_of
from ecs_med.data.cases import PreparedCase, prepare_case
from ecs_med.data.checks.contents import files_digest
from ecs_med.errors import DataError, DeviceMemoryError, EcsMedError
from ecs_med.inference.model import Model
from ecs_med.inference.storing import load_model
from ecs_med.runs import RunFolder
from ecs_med.splits import Split
from ecs_med.types import Case

__all__ = ["FoldJudge", "Verdicts", "judge_all"]

_FORMAT = "ecs-med audit 1"


class FoldJudge:
    """The model of one fold, and the cases that it left out.

    Args:
        run: Finished run of the fold.
        fold: Its number, from 0.
        cases: All cases of the data set.
        device: Where the model runs.
    """

    def __init__(self, run: Path, fold: int, cases: Sequence[Case], device: str) -> None:
        files = RunFolder(run)
        self.fold = fold
        self.cases = Split.read(files.split_file, cases).test
        self.source = files_digest([files.weights_file, files.spec_file])
        self.model: Model = load_model(run, device)

    def files_of(self, case: Case) -> str:
        """Digest of what a verdict follows from; empty where a file cannot be read."""
        assert case.mask is not None
        image = files_digest(case.images, case.frame)
        mask = files_digest([case.mask], shared=True)
        return f"{self.source}-{image}-{mask}" if image and mask else ""

    def prepare(self, case: Case) -> PreparedCase:
        """Read image and mask; errors as of `prepare_case`."""
        return prepare_case(case, self.model.spec.preparation, self.model.spec.labels)

    def __call__(self, case: Case, files: str) -> Verdict | None:
        """Judge the mask of a case; `None` where it labels no pixel."""
        found = self.prepare(case)
        return verdict_of(judge_mask(self.model, found), found, case.id, files, self.fold)

    def again(self, case: Case, verdict: Verdict) -> tuple[PreparedCase, Judged]:
        """The same once more, with the map of doubt of its worst slice, for its picture."""
        found = self.prepare(case)
        return found, judge_mask(self.model, found, doubt_of=verdict.slice_index)


@dataclass(slots=True)
class Verdicts:
    """What was found.

    Attributes:
        found: By id of the case.
        unlabeled: Ids of masks without one labelled pixel.
        failures: Why a case could not be judged, by id.
    """

    found: dict[str, Verdict] = field(default_factory=dict)
    unlabeled: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


def judge_all(
    judges: Sequence[FoldJudge],
    path: Path,
    on_case: Callable[[int, int], None] | None = None,
    on_failure: Callable[[str], None] | None = None,
) -> Verdicts:
    """Judge every mask that was not judged before by the same model.

    Args:
        judges: One a fold.
        path: Of `scores.jsonl`.
        on_case: Told how many of how many are done.
        on_failure: Told why a case cannot be judged.

    Raises:
        DataError: If none can be judged.
        RunFolderError: If the file cannot be written.
    """
    verdicts, done = Verdicts(), 0
    total = sum(len(judge.cases) for judge in judges)
    with Scores.read(path, Verdict, _FORMAT, "folds").appending() as scores:
        for judge in judges:
            for case in judge.cases:
                _judge(judge, case, scores, verdicts, on_failure)
                done += 1
                if on_case is not None:
                    on_case(done, total)
    if not verdicts.found:
        first = next(iter(verdicts.failures.values()), "no mask labels a pixel")
        raise DataError(f"None of the {total} masks can be judged; the first one: {first}")
    return verdicts


def _judge(
    judge: FoldJudge,
    case: Case,
    scores: Scores[Verdict],
    verdicts: Verdicts,
    on_failure: Callable[[str], None] | None,
) -> None:
    files = judge.files_of(case)
    verdict = scores.of(case.id, files)
    if verdict is None:
        try:
            verdict = judge(case, files)
        except DeviceMemoryError:
            raise
        except (EcsMedError, OSError) as error:
            verdicts.failures[case.id] = str(error)
            if on_failure is not None:
                on_failure(str(error))
            return
        if verdict is None:
            verdicts.unlabeled.append(case.id)
            return
        scores.add(verdict)
    verdicts.found[case.id] = verdict
