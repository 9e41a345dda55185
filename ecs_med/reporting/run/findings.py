"""What a run means, in sentences: the verdict, what to bear in mind, the pseudo-labels."""

from collections.abc import Iterator
from typing import NamedTuple

from ecs_med.metrics import absent_sentence
from ecs_med.reporting.run.reading import RunRecord
from ecs_med.reporting.text import count, decimal, percent, plural
from ecs_med.runs import PseudoLabelHealth

__all__ = ["RIGHT_SHARE_LIMIT", "Health", "examine_health", "observations", "verdict"]

FEW_TEST_CASES = 10
GAP_LIMIT = 0.1
NO_OVERLAP = 0.005
RIGHT_SHARE_LIMIT = 0.999
"""A corrector that finds more than this share right leaves pseudo-labels as they were."""


def verdict(record: RunRecord) -> str:
    """The one sentence a reader takes away."""
    if record.metrics is None:
        return _unfinished(record)
    dice = record.metrics.test.foreground_dice
    if dice is None or len(record.metrics.absent_classes) == len(record.metrics.class_names) - 1:
        overlap = "there is no foreground to score"
    elif dice < NO_OVERLAP:
        overlap = "the segmentation misses what the expert marked (foreground Dice 0.00)"
    else:
        overlap = f"the segmentation overlaps the expert's by Dice {decimal(dice, 2)} (foreground)"
    size = plural(record.metrics.test.num_cases, f"test {record.unit}")
    return f"On {size} never used for training, {overlap}{_trained_with(record)}"


def _trained_with(record: RunRecord) -> str:
    if record.manifest is None:
        return "."
    data, unit = record.manifest.data, record.unit
    labeled = plural(data.num_labeled, f"labelled {unit}")
    if data.num_slices:
        labeled = f"{plural(data.num_slices, 'labelled slice')} of {plural(data.num_labeled, unit)}"
    if not data.num_unlabeled:
        return f", trained with {labeled}."
    unlabeled = plural(data.num_unlabeled, f"unlabelled {unit}")
    if record.manifest.method.uses_unlabeled:
        if data.num_slices:
            return f", trained with {labeled} and {unlabeled}."
        return f", trained with {count(data.num_labeled)} labelled and {unlabeled}."
    return f", trained with {labeled} only; {unlabeled} lay unused."


def _unfinished(record: RunRecord) -> str:
    history = record.history
    iterations = [row.iteration for row in history.train]
    iterations += [row.iteration for row in history.validation]
    if not iterations:
        return "Training has not begun to log, so there is nothing to judge yet."
    planned = record.config.iterations if record.config else None
    progress = f"iteration {count(max(iterations))}"
    progress += f" of {count(planned)}" if planned else ""
    sentence = f"Training has stopped or is still going on at {progress}: there is no test score."
    best = record.chosen_iteration
    scores = [row.validation for row in history.validation if row.iteration == best]
    if not scores or scores[0].foreground_dice is None:
        return sentence
    return (
        f"{sentence} Best validation so far: foreground Dice "
        f"{decimal(scores[0].foreground_dice, 2)} at iteration {count(best)}."
    )


def observations(record: RunRecord) -> tuple[str, ...]:
    """What the figures themselves ask a reader to bear in mind, one sentence each."""
    return (*_about_the_test(record), *_about_validation(record))


def _about_the_test(record: RunRecord) -> Iterator[str]:
    if record.metrics is None:
        return
    test, validation = record.metrics.test, record.metrics.validation
    if test.num_cases < FEW_TEST_CASES:
        size = plural(test.num_cases, record.unit)
        yield f"The test score rests on {size} only; single cases move it a lot."
    absent, names = record.metrics.absent_classes, record.metrics.class_names
    told = absent_sentence(absent, names, f"the {plural(test.num_cases, f'test {record.unit}')}")
    if told is not None:
        yield told
    dice = test.foreground_dice
    if dice is None or len(absent) == len(names) - 1:
        return
    if dice < NO_OVERLAP:
        yield (
            "The model finds next to no foreground: train longer, label more, or check that the "
            "masks are understood as they are meant."
        )
    expected = validation.foreground_dice if validation else None
    if expected is not None and expected - dice > GAP_LIMIT:
        yield (
            f"The test Dice ({decimal(dice)}) lies well below the validation Dice "
            f"({decimal(expected)}): the two sets differ, or the validation set is too small."
        )


def _about_validation(record: RunRecord) -> Iterator[str]:
    metrics, manifest, unit = record.metrics, record.manifest, record.unit
    if metrics and metrics.validation and manifest and not manifest.data.num_validation:
        yield (
            f"There were no validation {unit}s: the scores called validation are those of the "
            f"labelled training {unit}s themselves, and so too good."
        )
    scored = [row for row in record.history.validation if row.validation.miou is not None]
    if metrics and len(scored) > 2 and scored[-1].iteration == metrics.best_iteration:
        yield (
            "The last validation was the best one, so training may have ended too early; "
            "more iterations may score higher."
        )


class Health(NamedTuple):
    """How the pseudo-labels of a run did, in sentences; empty where none were logged."""

    reading: str = ""
    warnings: tuple[str, ...] = ()


def examine_health(record: RunRecord) -> Health:
    """Judge the pseudo-labels at the chosen iteration, or at the last one logged before it."""
    found = record.history.pseudo_labels_at(record.chosen_iteration)
    if found is None:
        return Health()
    iteration, scores = found
    where = f"At iteration {count(iteration)}"
    warnings = []
    if scores.right_share is not None and scores.right_share > RIGHT_SHARE_LIMIT:
        warnings.append(
            f"{where}, the corrector found {percent(scores.right_share, 2)} of the pixels right: "
            "it hardly corrects, and the pseudo-labels are the segmenter's own output."
        )
    if scores.gain is not None and scores.gain < 0:
        rows = [row.pseudo_labels for row in record.history.validation if row.pseudo_labels]
        num_harmed = sum((other.gain or 0) < 0 for other in rows)
        warnings.append(
            f"{where}, the corrections harm: the pseudo-labels score mIoU "
            f"{decimal(scores.miou)}, the segmenter alone {decimal(scores.segmenter_miou)} "
            f"(they harm in {num_harmed} of {plural(len(rows), 'validation')})."
        )
    return Health(f"{where}, {_activity(scores)} {_benefit(scores)}", tuple(warnings))


def _activity(scores: PseudoLabelHealth) -> str:
    if scores.right_share is None:
        return "the share of pixels marked as wrong was not logged."
    cases = plural(scores.num_cases, "unlabelled case")
    sentence = (
        f"the corrector marked {percent(1 - scores.right_share)} of the pixels of {cases} as wrong"
    )
    if scores.correction_accuracy is not None:
        sentence += f" and mended {percent(scores.correction_accuracy)} of the segmenter's errors"
    return f"{sentence}."


def _benefit(scores: PseudoLabelHealth) -> str:
    if scores.gain is None:
        return "There are no hidden masks to score the pseudo-labels against."
    effect = "help" if scores.gain > 0 else "do not help"
    return (
        f"Against the hidden masks the pseudo-labels score mIoU {decimal(scores.miou)}, the "
        f"segmenter alone {decimal(scores.segmenter_miou)}: the corrections {effect} "
        f"({scores.gain:+.3f})."
    )
