"""What the masks show, for draws that are guided by it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from ecs_med.config import ReadingSettings
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.reading import read_labels, understand_masks
from ecs_med.errors import DataError
from ecs_med.types import Case, CaseCollection

__all__ = ["class_pixels"]

_THREADS = 4


def class_pixels(
    collection: CaseCollection, reading: ReadingSettings
) -> dict[str, tuple[int, ...]]:
    """Pixels of each class in every training case that has a mask, in and outside the budget.

    This is read before the budget is drawn and given to the draw alone; nothing of it reaches
    training.

    Args:
        collection: What the layout found.
        reading: How masks are understood.

    Returns:
        Counts by case id, background first, void left out.

    Raises:
        DataError: If a mask cannot be read.
    """
    cases = [case for case in collection.cases if case.mask is not None]
    masks = [case.mask for case in cases if case.mask is not None]
    scheme, problems = understand_masks(masks, reading, collection.labels)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise DataError(errors[0].sentence())
    with ThreadPoolExecutor(_THREADS) as pool:
        counts = pool.map(partial(_count, scheme=scheme), cases)
    return dict(zip((case.id for case in cases), counts, strict=True))


def _count(case: Case, scheme: LabelScheme) -> tuple[int, ...]:
    assert case.mask is not None
    labels = read_labels(case.images, case.mask, scheme)
    counts: Sequence[int] = np.bincount(labels.ravel(), minlength=256).tolist()
    return tuple(counts[: scheme.num_classes])
