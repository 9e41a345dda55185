"""The end of a run: test once, pictures, the files that remain, report."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecs_med.data.cases import prepare_case
from ecs_med.data.readers import Scan
from ecs_med.inference.evaluate import Evaluation, evaluate_cases
from ecs_med.inference.model import Model
from ecs_med.inference.predictor import segment_case
from ecs_med.inference.some_slices import segment_slice
from ecs_med.inference.views import grey_slices, stored_index, upright_slices
from ecs_med.metrics import Scores
from ecs_med.reporting.run.gallery import GalleryItem, choose_cases, write_gallery
from ecs_med.reporting.run.report import write_report
from ecs_med.runs import (
    CaseCounts,
    CorrectorMetrics,
    LastModel,
    Manifest,
    Metrics,
    RunFolder,
    TestCases,
)
from ecs_med.splits.ordering import digest
from ecs_med.training.checkpoint import Progress
from ecs_med.training.data_plan import DataPlan
from ecs_med.training.scoring import score_unlabeled_slices
from ecs_med.training.stores import Stores
from ecs_med.types import Case

__all__ = ["Last", "finish_run"]

_NUM_SAMPLES = 4
"""Test cases that are drawn for every run alike, to be compared across runs."""


@dataclass(frozen=True, slots=True)
class Last:
    """The last model of a run, to be tested beside the chosen one.

    Attributes:
        model: As training left it.
        iteration: Iterations of the run.
        validation: Its scores on all validation cases; `None` where there are none.
    """

    model: Model
    iteration: int
    validation: Scores | None


def finish_run(
    model: Model,
    plan: DataPlan,
    stores: Stores,
    progress: Progress,
    manifest: Manifest,
    last: Last | None = None,
) -> Metrics:
    """Score the chosen model on the test cases and write everything that remains.

    Args:
        model: The model chosen on validation, as loaded from the run folder.
        plan: The data.
        stores: Prepared test cases.
        progress: Which model was chosen, with its scores on all validation cases.
        manifest: What the run says of itself.
        last: The last model, where it is scored too; nothing else than its scores is kept.

    Returns:
        What `metrics.json` holds, which is written last.
    """
    folder, names = RunFolder(model.run), model.spec.class_names
    cases = plan.split.test
    test = evaluate_cases(
        model,
        cases,
        surface=plan.images.kind == "volume",
        prepared=stores.scored.prepared_case,
    )
    items, ranks = _gallery_items(model, cases, test)
    write_gallery(model.run, items, names, ranks=ranks)
    samples = [_item(model, case, {}) for case in _samples(cases)]
    no_ranks = {item.case_id: "" for item in samples}
    write_gallery(model.run, samples, names, ranks=no_ranks, folder_name=folder.samples.name)
    counts = tuple(CaseCounts(case=c.case, confusion=c.confusion) for c in test.per_case)
    TestCases(class_names=names, cases=counts).write(folder.test_cases_file)
    metrics = Metrics(
        best_iteration=progress.best_iteration,
        validation=progress.validation,
        test=test.scores,
        class_names=names,
        corrector=CorrectorMetrics(validation=progress.corrector) if progress.corrector else None,
        last=_tested_last(last, plan, stores, test, progress.best_iteration) if last else None,
        absent_classes=test.absent_classes,
        unlabeled_slices=score_unlabeled_slices(
            model, plan.split.hidden, stores.scored.prepared_case
        ),
    )
    manifest.write(folder.manifest_file)
    write_report(model.run, metrics)
    # Last, since a run with scores is complete: what is missing before is done by `resume`.
    metrics.write(folder.metrics_file)
    return metrics


def _tested_last(
    last: Last, plan: DataPlan, stores: Stores, chosen: Evaluation, best_iteration: int
) -> LastModel:
    """Scores of the last model on the test cases: those of the chosen one, where it is that."""
    scores = chosen.scores
    if last.iteration != best_iteration:
        prepared = stores.scored.prepared_case
        surface = plan.images.kind == "volume"
        found = evaluate_cases(last.model, plan.split.test, surface=surface, prepared=prepared)
        scores = found.scores
    return LastModel(iteration=last.iteration, validation=last.validation, test=scores)


def _samples(cases: Sequence[Case]) -> list[Case]:
    """A few test cases that are the same for every run on them, whatever it scores."""
    return sorted(cases, key=lambda case: digest(f"sample:{case.id}"))[:_NUM_SAMPLES]


def _gallery_items(
    model: Model, cases: Sequence[Case], test: Evaluation
) -> tuple[list[GalleryItem], dict[str, str]]:
    """The worst, median and best of all test cases, and which of these each one is."""
    scores = {
        case.case: {"foreground_dice": case.foreground_dice, "foreground_iou": case.foreground_iou}
        for case in test.per_case
        if case.foreground_dice is not None and case.foreground_iou is not None
    }
    chosen = choose_cases(scores.items())
    by_id = {case.id: case for case in cases}
    return [_item(model, by_id[case_id], scores[case_id]) for case_id in chosen], chosen


def _item(model: Model, case: Case, scores: dict[str, float]) -> GalleryItem:
    """A picture, or the slice of a volume that shows most of what is looked for."""
    found = prepare_case(case, model.spec.preparation, model.spec.labels)
    assert found.scan is not None
    assert found.reference is not None
    if found.scan.affine is None:
        result = segment_case(model, found, certainty=model.has_corrector)
        return GalleryItem(
            case_id=case.id,
            image=_picture(found.scan),
            reference=found.reference,
            prediction=result.labels,
            correction=result.correction,
            certainty=result.certainty,
            scores=scores,
            corrects=model.spec.corrects,
        )
    slicing, affine = found.slicing, found.scan.affine
    axis = slicing.axis
    reference = upright_slices(found.reference, affine, axis)
    shown = (reference > 0) & (reference < model.spec.num_classes)
    place = int(np.argmax(shown.sum(axis=(1, 2))))
    index = stored_index(place, len(reference), affine, axis)
    number = slicing.across(index)
    result = segment_slice(model, found, number, certainty=model.has_corrector)
    correction, certainty = (
        None if plane is None else upright_slices(plane, affine, axis)[0]
        for plane in (result.correction, result.certainty)
    )
    [grey] = grey_slices(found.scan, axis, model.spec.preparation.window, [place])
    return GalleryItem(
        case_id=case.id,
        image=np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1),
        reference=reference[place],
        prediction=upright_slices(result.labels, affine, axis)[0],
        correction=correction,
        certainty=certainty,
        scores=scores,
        slice_index=index,
        corrects=model.spec.corrects,
    )


def _picture(scan: Scan) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(np.moveaxis(scan.array, 0, -1)).astype(np.uint8)
