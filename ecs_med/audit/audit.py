"""Audit the masks of a data set: train a run a fold, judge what each left out, write it down."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from ecs_med.acquisition.report import FAILURES, patient_group, relative_files
from ecs_med.audit.folds import NUM_AUDIT_FOLDS, AuditPlan, plan_audit
from ecs_med.audit.judges import FoldJudge, Verdicts, judge_all
from ecs_med.audit.pictures import draw_judged
from ecs_med.audit.ranking import fitting_cases, ranked
from ecs_med.audit.report import PAGE, TABLE, AuditReport, Finding, write_report
from ecs_med.audit.words import sentence
from ecs_med.config import DEFAULT_METHOD
from ecs_med.errors import DataError, EcsMedError, SettingsError, TrainingInterrupted
from ecs_med.runs.decisions import DecisionFile, MaskDecision, some
from ecs_med.runs.lock import LOCK_NAME, hold_folder
from ecs_med.runs.outputs import claim_folder, mark_files
from ecs_med.sweep.executors import ExecutorOptions
from ecs_med.sweep.executors.base import Stop
from ecs_med.sweep.sweep import SweepResult, run_sweep
from ecs_med.types import Case

__all__ = ["audit", "claim_audit", "refuse_no_masks", "report_audit"]

SCORES = "scores.jsonl"
_POOR = 0.6
"""Median Dice of all masks below which their models are no judges; in a first trial it was 0.72."""
FOLDERS = ("runs", "logs", "slurm")

OnCase = Callable[[int, int], None]
OnFailure = Callable[[str], None]


def audit(
    data: Path | str,
    *,
    folds: int = NUM_AUDIT_FOLDS,
    method: str = DEFAULT_METHOD,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    count: int = 100,
    decisions: Path | str | None = None,
    output: Path | str = "audit",
    executor: ExecutorOptions | str = "inline",
    stop: Stop | None = None,
) -> AuditReport:
    """Say which of the given masks look wrong.

    Every mask is judged by a model that was trained without it. Called again for the same `output`
    it does only what is missing.

    Args:
        data: Folder or list file.
        folds: Runs; each leaves out one of so many parts of the cases that have masks.
        method: Training method of the runs.
        seed: Of the parts, and of the runs.
        settings: Fields of `TrainConfig` that the runs share.
        count: Masks that the page shows with pictures.
        decisions: `decisions.json` of an earlier audit.
        output: Folder of `audit.csv`, `audit.html`, `scores.jsonl` and the runs.
        executor: Where the runs run, as in `ecs_med.budget`.
        stop: To ask the runs to stop from another thread.

    Raises:
        EcsMedError: If something that is asked for cannot be, or a run failed.
        TrainingInterrupted: If it was stopped, with everything saved.
    """
    refuse_no_masks(count)
    data, output = Path(data), Path(output)
    options = ExecutorOptions(name=executor) if isinstance(executor, str) else executor
    before = None if decisions is None else DecisionFile.read(Path(decisions))
    plan = plan_audit(
        data, output, folds=folds, method=method, seed=seed, settings=settings, options=options
    )
    with hold_folder(output):
        whole = claim_audit(output)
        result = run_sweep(plan.cells, plan.executor, lambda *_: None, stop or Stop())
        _refuse_incomplete(result, plan)
        return report_audit(plan, before, count=count, whole=whole)


def refuse_no_masks(count: int) -> None:
    """Say before any training that a page has to show something.

    Raises:
        SettingsError: If `count` is less than one.
    """
    if count < 1:
        raise SettingsError(f"`count` is {count}; show at least one mask.")


def claim_audit(output: Path) -> bool:
    """Mark the folder as ours; whether all of it is."""
    return claim_folder(output, {TABLE, PAGE, FAILURES, SCORES, LOCK_NAME, *FOLDERS})


def _refuse_incomplete(result: SweepResult, plan: AuditPlan) -> None:
    if result.exit_code == TrainingInterrupted.exit_code:
        raise TrainingInterrupted(
            f"Stopped with {len(result.done)} of {len(plan.cells)} folds trained, everything is "
            f"saved in {plan.out}; the same call goes on."
        )
    if result.failures:
        label, why = result.failures[0]
        raise DataError(f"{len(result.failures)} folds failed, the first one ({label}): {why}")


def report_audit(
    plan: AuditPlan,
    before: DecisionFile | None = None,
    *,
    count: int = 100,
    whole: bool = True,
    on_case: OnCase | None = None,
    on_failure: OnFailure | None = None,
) -> AuditReport:
    """Judge all masks by the finished runs of a plan, and write table and page.

    Args:
        plan: Whose runs are done; those that are not are passed over with their cases.
        before: What was decided in an earlier audit.
        count: Masks that the page shows with pictures.
        whole: Whether all of the folder is ours.
        on_case: Told how many of how many masks are judged.
        on_failure: Told why a mask cannot be judged.

    Raises:
        DataError: If no mask can be judged.
        RunFolderError: If a file cannot be written.
    """
    held, notes = _decided(plan, before)
    judges = plan.judges()
    verdicts = judge_all(judges, plan.out / SCORES, on_case, on_failure)
    findings = _findings(plan, verdicts, held, judges[0].model.spec.class_names)
    shown = [one for one in findings if one.decision is None][:count]
    report = AuditReport(
        data=plan.data,
        output=plan.out,
        method=plan.method,
        folds=len(plan.cells),
        findings=findings,
        class_names=judges[0].model.spec.class_names,
        identity=plan.identity,
        known=tuple(one.to_json() for one in held.values()),
        notes=(*notes, *_notes(plan, verdicts, len(judges))),
        failures=verdicts.failures,
    )
    written = write_report(report, _pictures(judges, shown))
    if not whole:
        mark_files([*written, plan.out / SCORES])
    return report


def _decided(
    plan: AuditPlan, before: DecisionFile | None
) -> tuple[dict[str, MaskDecision], list[str]]:
    """Decisions that hold, and what is said of the others."""
    if before is None:
        return {}, []
    held, void, unknown = before.divided(plan.contents)
    notes = []
    if void:
        notes.append(
            f"Masks that were changed since somebody decided on them, and are open again: "
            f"{some(void)}."
        )
    if unknown:
        notes.append(f"Decisions on cases that are not in these data: {some(unknown)}.")
    return held, notes


def _findings(
    plan: AuditPlan,
    verdicts: Verdicts,
    held: Mapping[str, MaskDecision],
    class_names: Sequence[str],
) -> tuple[Finding, ...]:
    order = ranked(verdicts.found.values())
    fits = fitting_cases(order)
    cases = {case.id: case for case in plan.cases}
    found = [
        Finding(
            rank=rank,
            verdict=verdict,
            sentence=sentence(verdict, class_names, fits.get(verdict.case)),
            patient=patient_group(cases[verdict.case]),
            files=_files(cases[verdict.case], plan.data),
            mask=plan.contents[verdict.case].mask or "",
            labels=plan.contents[verdict.case].labels,
            decision=held[verdict.case].decision if verdict.case in held else None,
        )
        for rank, verdict in enumerate(order, start=1)
    ]
    return tuple(sorted(found, key=lambda one: one.decision is not None))


def _files(case: Case, data: Path) -> tuple[str, ...]:
    """Image and mask; see `relative_files`."""
    assert case.mask is not None
    images = relative_files(case, data)
    return (*images, *relative_files(Case(case.id, (case.mask,)), data)) if images else ()


def _pictures(judges: Sequence[FoldJudge], shown: Sequence[Finding]) -> dict[str, dict[str, str]]:
    """Pictures of the masks that are shown; what can no longer be read has none."""
    by_fold = {judge.fold: judge for judge in judges}
    pictures = {}
    for one in shown:
        judge = by_fold[one.verdict.fold]
        case = next(case for case in judge.cases if case.id == one.verdict.case)
        try:
            found, judged = judge.again(case, one.verdict)
        except (EcsMedError, OSError):
            continue
        num_classes = judge.model.spec.num_classes
        pictures[case.id] = draw_judged(found, judged, one.verdict.slice_index, num_classes)
    return pictures


def _notes(plan: AuditPlan, verdicts: Verdicts, num_judges: int) -> list[str]:
    notes = list(plan.warnings)
    if num_judges < len(plan.cells):
        notes.append(
            f"{len(plan.cells) - num_judges} of {len(plan.cells)} folds were not trained; their "
            "masks are not judged."
        )
    middle = median(one.dice for one in verdicts.found.values())
    if middle < _POOR:
        notes.append(
            f"Half of the masks have a Dice below {middle:.2f} with what is expected: these models "
            "segment poorly, and the order says more of what they cannot do than of the masks; "
            "train longer, or add masks."
        )
    if verdicts.unlabeled:
        notes.append(f"Masks that label no pixel, and are not judged: {some(verdicts.unlabeled)}.")
    return notes
