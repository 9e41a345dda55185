"""Validation and test, by the image.

The processor's time of scoring all validation or test cases from the cache, by the image, in turn
with the forward passes of the segmenter alone on the same images, eight at a time. Both networks of
ECS are scored on validation cases: its corrector costs forward passes of its own.
"""

from collections.abc import Sequence

import torch

from ecs_med.inference.evaluate import evaluate_cases
from ecs_med.inference.predictor import BATCH
from speed_suite.registry import Options
from speed_suite.results import Row, compared
from speed_suite.small_run import SmallRun, opened, phantom
from speed_suite.timing import in_turns


def measure(options: Options) -> Sequence[Row]:
    """Both parts of both methods."""
    rows = []
    with phantom() as folder:
        for name in ("supervised", "ecs"):
            run = opened(folder, name, options.size, options.batch)
            rows += [_row(name, run, part, options) for part in ("validation", "test")]
    return rows


def _row(name: str, run: SmallRun, part: str, options: Options) -> Row:
    cases = run.split.validation if part == "validation" else run.split.test
    prepared = run.stores.scored.prepared_case
    corrector = run.model.has_corrector and part == "validation"
    slices = torch.cat([prepared(case).slices for case in cases])

    def forward() -> None:
        with torch.inference_mode(), run.model.evaluating():
            for images in slices.split(BATCH):
                run.model.logits(images)

    seconds = in_turns(
        {
            "scored": lambda: evaluate_cases(
                run.model, cases, prepared=prepared, corrector=corrector
            ),
            "forward": forward,
        },
        repeats=options.repeats,
        most_seconds=options.seconds,
    )
    by_image = {key: [taken / len(cases) for taken in values] for key, values in seconds.items()}
    what = f"{part} of {name}{' with its corrector' if corrector else ''}, an image"
    return compared(what, by_image["scored"], "forward pass", by_image["forward"])
