"""What a run means, in sentences: the verdict, and what to bear in mind."""

from collections.abc import Iterator, Mapping
from typing import Any

from ecs_med.reporting.run.history import number, series
from ecs_med.reporting.run.reading import RunRecord, inner
from ecs_med.reporting.text import count, decimal, plural

__all__ = ["case_unit", "chosen_iteration", "observations", "verdict"]

FEW_TEST_CASES = 10
GAP_LIMIT = 0.1
NO_OVERLAP = 0.005


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
    if dice < NO_OVERLAP:
        return "the segmentation misses what the expert marked (foreground Dice 0.00)"
    return f"the segmentation overlaps the expert's by Dice {decimal(dice, 2)} (foreground)"


def _trained_with(record: RunRecord, unit: str) -> str:
    data = inner(record.manifest, "data")
    labeled, unlabeled = number(data.get("num_labeled")), number(data.get("num_unlabeled"))
    if labeled is None:
        return "."
    if not unlabeled:
        return f", trained with {plural(labeled, f'labelled {unit}')}."
    if record.config.get("method") in ("supervised", "corrector"):
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


def observations(record: RunRecord) -> tuple[str, ...]:
    """What the figures themselves ask a reader to bear in mind, one sentence each."""
    return (*_about_the_test(record), *_about_validation(record))


def _about_the_test(record: RunRecord) -> Iterator[str]:
    unit = case_unit(record)
    test, validation = inner(record.metrics, "test"), inner(record.metrics, "validation")
    num_cases = number(test.get("num_cases"))
    if num_cases and num_cases < FEW_TEST_CASES:
        yield f"The test score rests on {plural(num_cases, unit)} only; single cases move it a lot."
    dice, expected = number(test.get("foreground_dice")), number(validation.get("foreground_dice"))
    if dice is None:
        return
    if dice < NO_OVERLAP:
        yield (
            "The model finds next to no foreground: train longer, label more, or check that the "
            "masks are understood as they are meant."
        )
    if expected is not None and expected - dice > GAP_LIMIT:
        yield (
            f"The test Dice ({decimal(dice)}) lies well below the validation Dice "
            f"({decimal(expected)}): the two sets differ, or the validation set is too small."
        )


def _about_validation(record: RunRecord) -> Iterator[str]:
    unit = case_unit(record)
    validation = inner(record.metrics, "validation")
    if validation and number(inner(record.manifest, "data").get("num_validation")) == 0:
        yield (
            f"There were no validation {unit}s: the scores called validation are those of the "
            f"labelled training {unit}s themselves, and so too good."
        )
    scored = series(record.history.validation, "validation", "miou")
    if record.metrics and len(scored) > 2 and scored.iterations[-1] == chosen_iteration(record):
        yield (
            "The last validation was the best one, so training may have ended too early; "
            "more iterations may score higher."
        )
