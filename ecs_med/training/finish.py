"""The end of a run: test once, pictures, manifest, report."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.masks.reading import read_labels
from ecs_med.data.prepare import slice_axis
from ecs_med.data.scans import Scan, read_scan
from ecs_med.files import write_json
from ecs_med.inference.evaluate import Evaluation, evaluate_cases
from ecs_med.inference.model import Model
from ecs_med.inference.segment import segment_scan
from ecs_med.reporting.run.gallery import GalleryItem, choose_cases, write_gallery
from ecs_med.reporting.run.report import write_report
from ecs_med.splits.ordering import digest
from ecs_med.training.data_plan import DataPlan
from ecs_med.training.manifest import Manifest
from ecs_med.types import Case

__all__ = ["finish_run"]

_NUM_SAMPLES = 4
"""Test cases that are drawn for every run alike, to be compared across runs."""


def finish_run(model: Model, plan: DataPlan, manifest: Manifest) -> None:
    """Score the chosen model on the test cases and write everything that remains.

    Args:
        model: The model chosen on validation, as loaded from the run folder.
        plan: The data.
        manifest: What the run has collected.
    """
    test = evaluate_cases(model, plan.split.test, surface=plan.images.kind == "volume")
    metrics: dict[str, Any] = {
        "best_iteration": manifest.progress["best_iteration"],
        "validation": manifest.progress["validation"],
        "test": test.scores.to_json(),
        "class_names": list(model.spec.class_names),
    }
    if "corrector" in manifest.progress:
        metrics["corrector"] = {"validation": manifest.progress["corrector"]}
    names = model.spec.class_names
    items, ranks = _gallery_items(model, plan, test)
    write_gallery(model.run, items, names, ranks=ranks)
    samples = [_item(model, case, {}) for case in _samples(plan.split.test)]
    write_gallery(
        model.run, samples, names, ranks={i.case_id: "" for i in samples}, folder_name="samples"
    )
    write_json(model.run / "test_cases.json", _case_counts(test))
    manifest.write(metrics)
    write_report(model.run)


def _samples(cases: Sequence[Case]) -> list[Case]:
    """A few test cases that are the same for every run on them, whatever it scores."""
    return sorted(cases, key=lambda case: digest(f"sample:{case.id}"))[:_NUM_SAMPLES]


def _case_counts(test: Evaluation) -> dict[str, Any]:
    """Confusion matrix of every test case, from which scores of any selection can be taken."""
    return {
        "class_names": list(test.scores.class_names),
        "cases": [
            {"case": c.case, "confusion": [list(r) for r in c.confusion]} for c in test.per_case
        ],
    }


def _gallery_items(
    model: Model, plan: DataPlan, test: Evaluation
) -> tuple[list[GalleryItem], dict[str, str]]:
    """The worst, median and best of all test cases, and which of these each one is."""
    scores = {
        case.case: {"foreground_dice": case.foreground_dice, "foreground_iou": case.foreground_iou}
        for case in test.per_case
        if case.foreground_dice is not None and case.foreground_iou is not None
    }
    chosen = choose_cases(scores.items())
    cases = {case.id: case for case in plan.split.test}
    return [_item(model, cases[case_id], scores[case_id]) for case_id in chosen], chosen


def _item(model: Model, case: Case, scores: dict[str, float]) -> GalleryItem:
    scan = read_scan(case.images)
    assert case.mask is not None
    reference = read_labels(case.images, case.mask, model.spec.labels)
    found = segment_scan(model, scan, certainty=model.has_corrector)
    index = None
    where: tuple[Any, ...] = (slice(None), slice(None))
    if scan.is_volume:
        axis = slice_axis(scan, model.spec.preparation.axis)
        shown = (reference > 0) & (reference < model.spec.num_classes)
        others = tuple(i for i in range(3) if i != axis)
        index = int(np.argmax(shown.sum(axis=others)))
        where = tuple(index if i == axis else slice(None) for i in range(3))

    def upright(plane: npt.NDArray[Any] | None) -> npt.NDArray[Any] | None:
        if plane is None:
            return None
        cut: npt.NDArray[Any] = plane[where]
        return np.rot90(cut).copy() if scan.is_volume else cut

    return GalleryItem(
        case_id=case.id,
        image=_picture(scan, where),
        reference=upright(reference),
        prediction=upright(found.labels),  # type: ignore[arg-type]
        correction=upright(found.correction),
        certainty=upright(found.certainty),
        scores=scores,
        slice_index=index,
    )


def _picture(scan: Scan, where: tuple[Any, ...]) -> npt.NDArray[np.uint8]:
    """The picture itself, or the shown slice of a volume's first channel as grey."""
    if not scan.is_volume:
        return np.ascontiguousarray(np.moveaxis(scan.array, 0, -1)).astype(np.uint8)
    plane = np.rot90(scan.array[0][where]).astype(np.float32)
    lower, upper = np.percentile(scan.array[0], (0.5, 99.5))
    grey = np.clip((plane - lower) / max(float(upper - lower), 1e-9), 0, 1) * 255
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)
