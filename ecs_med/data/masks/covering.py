"""Masks that cover some of the classes alone: what they leave out is unknown, not background."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.errors import DataError, MaskValueError
from ecs_med.types import IGNORE_INDEX, UNLABELED_INDEX

__all__ = ["only_annotated"]


def only_annotated(
    labels: npt.NDArray[np.uint8],
    annotated: Sequence[str],
    scheme: LabelScheme,
    mask: Path,
    *,
    keep_unlabeled: bool = False,
) -> npt.NDArray[np.uint8]:
    """Labels of a mask in which these classes alone were looked for.

    What it stores as background may be any of the other classes, so that it is not annotated. With
    all foreground classes covered it is background.

    Args:
        labels: Class indices, any shape.
        annotated: Names of foreground classes, case ignored; none: all of the mask is unknown.
        scheme: The classes.
        mask: Its file, for messages.
        keep_unlabeled: Whether unknown pixels are `UNLABELED_INDEX` instead of `IGNORE_INDEX`.

    Raises:
        DataError: If a name is no foreground class.
        MaskValueError: If the mask shows a class that it is said not to cover.
    """
    places = {name.lower(): index for index, name in enumerate(scheme.class_names)}
    covered = {places.get(name.strip().lower(), 0) for name in annotated}
    if 0 in covered:
        strange = next(name for name in annotated if not places.get(name.strip().lower()))
        raise DataError(
            f"{mask}: is said to cover '{strange}', which is none of the classes "
            f"{', '.join(scheme.class_names[1:])}; correct the column `annotated` of the list, or "
            "name the classes with `class_names`."
        )
    others = set(range(1, scheme.num_classes)) - covered
    for index in sorted(others):
        if (labels == index).any():
            raise MaskValueError(
                f"{mask}: shows {scheme.class_names[index]}, which the column `annotated` of the "
                "list leaves out; add it there, or correct the mask."
            )
    if not others:
        return labels
    unknown = np.uint8(UNLABELED_INDEX if keep_unlabeled else IGNORE_INDEX)
    return np.where(labels == 0, unknown, labels)
