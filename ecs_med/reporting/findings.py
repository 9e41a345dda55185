"""What a run means, in sentences: the verdict, the health of the pseudo-labels, what to watch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ecs_med.reporting.history import number, series
from ecs_med.reporting.reading import RunRecord, inner
from ecs_med.reporting.wording import count, decimal, percent, plural

__all__ = ["Health", "case_unit", "chosen_iteration", "examine_health", "observations", "verdict"]

RIGHT_SHARE_LIMIT = 0.999
"""A corrector that finds more than this share right leaves pseudo-labels as they were."""
FEW_TEST_CASES = 10
GAP_LIMIT = 0.1


def case_unit(record: RunRecord) -> str:
    """What a case is called: `image`, or `volume` where its slices are shown."""
    unit = inner(record.manifest, "data").get("unit")
    if unit in ("image", "volume"):
        return str(unit)
    items = record.gallery.get("items")
    entries = items if isinstance(items, list) else []
    if any(isinstance(e, Mapping) and e.get("slice_index") is not None for e in entries):
        return "volume"
    return "image"


def chosen_iteration(record: RunRecord) -> int | None:
    """Iteration whose weights the run keeps: as scored, else the best validated so far."""
    best = number(record.metrics.get("best_iteration"))
    if best is not None:
        return int(best)
    flagged = [row["iteration"] for row in record.history.validation if row.get("best") is True]
    return int(flagged[-1]) if flagged else None


def verdict(record: RunRecord) -> str:
    """The one sentence a reader takes away."""
    unit = case_unit(record)
    test, validation = inner(record.metrics, "test"), inner(record.metrics, "validation")
    if number(test.get("num_cases")):
        opening = f"On {plural(test.get('num_cases'), f'test {unit}')} never used for training, "
        return opening + _overlap(test) + _trained_with(record, unit)
    if validation:
        opening = f"On {plural(validation.get('num_cases'), f'validation {unit}')}, "
        closing = (
            f" No test {unit}s were set aside, and the validation {unit}s also chose the model, "
            "so expect less on new ones."
        )
        return opening + _overlap(validation) + _trained_with(record, unit) + closing
    return _unfinished(record)


def _overlap(scores: Mapping[str, Any]) -> str:
    dice = number(scores.get("foreground_dice"))
    if dice is None:
        return "there is no foreground to score"
    return f"the segmentation overlaps the expert's by Dice {decimal(dice, 2)} (foreground)"


def _trained_with(record: RunRecord, unit: str) -> str:
    data = inner(record.manifest, "data")
    labeled, unlabeled = number(data.get("num_labeled")), number(data.get("num_unlabeled"))
    if labeled is None:
        return "."
    if not unlabeled:
        return f", trained with {plural(labeled, f'labelled {unit}')}."
    if record.config.get("method") == "supervised":
        return (
            f", trained with {plural(labeled, f'labelled {unit}')} only; "
            f"{plural(unlabeled, f'unlabelled {unit}')} lay unused."
        )
    return (
        f", trained with {count(labeled)} labelled and {plural(unlabeled, f'unlabelled {unit}')}."
    )


def _unfinished(record: RunRecord) -> str:
    rows = (*record.history.train, *record.history.validation)
    if not rows:
        return "Training has not begun to log, so there is nothing to judge yet."
    last = max(int(row["iteration"]) for row in rows)
    planned = number(record.config.get("iterations"))
    progress = f"iteration {count(last)}" + (f" of {count(planned)}" if planned else "")
    sentence = f"Training has stopped or is still going on at {progress}: there is no test score."
    best = chosen_iteration(record)
    scores = [row for row in record.history.validation if row["iteration"] == best]
    dice = inner(scores[0], "validation").get("foreground_dice") if scores else None
    if number(dice) is None:
        return sentence
    return (
        f"{sentence} Best validation so far: foreground Dice {decimal(dice, 2)} at iteration "
        f"{count(best)}."
    )


@dataclass(frozen=True, slots=True)
class Health:
    """How the pseudo-labels of a run did.

    Attributes:
        rows: Validation rows that carry `pseudo_labels`; empty where the method has none.
        reading: What the figures say, in sentences; empty without rows.
        warnings: What is wrong, one sentence each.
    """

    rows: tuple[Mapping[str, Any], ...] = ()
    reading: str = ""
    warnings: tuple[str, ...] = ()


def examine_health(record: RunRecord) -> Health:
    """Judge the pseudo-labels at the chosen iteration, or at the last one logged before it."""
    rows = tuple(row for row in record.history.validation if inner(row, "pseudo_labels"))
    if not rows:
        return Health()
    chosen = chosen_iteration(record)
    until = [row for row in rows if chosen is None or row["iteration"] <= chosen] or [rows[0]]
    scores = inner(until[-1], "pseudo_labels")
    where = f"At iteration {count(until[-1]['iteration'])}"
    reading = f"{where}, {_activity(scores)} {_benefit(scores)}"
    warnings = []
    right, gain = number(scores.get("right_share")), _gain(scores)
    if right is not None and right > RIGHT_SHARE_LIMIT:
        warnings.append(
            f"{where}, the corrector found {percent(right, 2)} of the pixels right: it hardly "
            "corrects, and the pseudo-labels are the segmenter's own output."
        )
    if gain is not None and gain < 0:
        num_harmed = sum((_gain(inner(row, "pseudo_labels")) or 0) < 0 for row in rows)
        warnings.append(
            f"{where}, the corrections harm: the pseudo-labels score mIoU "
            f"{decimal(scores.get('miou'))}, the segmenter alone "
            f"{decimal(scores.get('segmenter_miou'))} (they harm in {num_harmed} of "
            f"{plural(len(rows), 'validation')})."
        )
    return Health(rows, reading, tuple(warnings))


def _activity(scores: Mapping[str, Any]) -> str:
    right, accuracy = number(scores.get("right_share")), number(scores.get("correction_accuracy"))
    if right is None:
        return "the share of changed pixels was not logged."
    cases = number(scores.get("num_cases"))
    where = f" of {plural(cases, 'unlabelled case')}" if cases else ""
    mended = (
        "" if accuracy is None else f" and mended {percent(accuracy)} of the segmenter's errors"
    )
    return f"the corrector changed {percent(1 - right)} of the pixels{where}{mended}."


def _benefit(scores: Mapping[str, Any]) -> str:
    gain = _gain(scores)
    if gain is None:
        return "There are no hidden masks to score the pseudo-labels against."
    effect = "help" if gain > 0 else "do not help"
    return (
        f"Against the hidden masks the pseudo-labels score mIoU {decimal(scores.get('miou'))}, the "
        f"segmenter alone {decimal(scores.get('segmenter_miou'))}: the corrections {effect} "
        f"({gain:+.3f})."
    )


def _gain(scores: Mapping[str, Any]) -> float | None:
    pseudo, segmenter = number(scores.get("miou")), number(scores.get("segmenter_miou"))
    return None if pseudo is None or segmenter is None else pseudo - segmenter


def observations(record: RunRecord) -> tuple[str, ...]:
    """What the figures themselves ask a reader to bear in mind, one sentence each."""
    found = []
    unit = case_unit(record)
    test, validation = inner(record.metrics, "test"), inner(record.metrics, "validation")
    num_cases = number(test.get("num_cases"))
    if num_cases and num_cases < FEW_TEST_CASES:
        found.append(
            f"The test score rests on {plural(num_cases, unit)} only; single cases move it a lot."
        )
    on_test, on_validation = (
        number(test.get("foreground_dice")),
        number(validation.get("foreground_dice")),
    )
    if on_test is not None and on_validation is not None and on_validation - on_test > GAP_LIMIT:
        found.append(
            f"The test Dice ({decimal(on_test)}) lies well below the validation Dice "
            f"({decimal(on_validation)}): the two sets differ, or the validation set is too small."
        )
    if validation and number(inner(record.manifest, "data").get("num_validation")) == 0:
        found.append(
            f"There were no validation {unit}s: the scores called validation are those of the "
            f"labelled training {unit}s themselves, and so too good."
        )
    scored = series(record.history.validation, "validation", "miou")
    if record.metrics and len(scored) > 2 and scored.iterations[-1] == chosen_iteration(record):
        found.append(
            "The last validation was the best one, so training may have ended too early; "
            "more iterations may score higher."
        )
    return tuple(found)
