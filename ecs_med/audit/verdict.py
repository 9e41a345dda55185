"""What is kept of a mask once it was judged: a few numbers, one line of `scores.jsonl`."""

from collections.abc import Sequence
from statistics import fmean
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ecs_med.acquisition.pictures import upright
from ecs_med.acquisition.scores import CaseLine
from ecs_med.audit.faults import Fault, FaultKind, find_fault, mask_dice
from ecs_med.audit.judging import Judged
from ecs_med.data.cases import PreparedCase
from ecs_med.data.layers import layer_of
from ecs_med.records import Record

__all__ = ["SIDE", "ClassVerdict", "Verdict", "shape_of", "verdict_of"]

SIDE = 32
"""Of the small masks by which swapped ones are looked for."""

Labels = npt.NDArray[np.uint8]


class ClassVerdict(Record):
    """Scores of one class of a case that is given or expected there."""

    index: int
    """Of the class, from 1."""
    given: int
    """Pixels of it in the given mask, on the prepared grid."""
    expected: int
    """Pixels of it in the expected mask, where anything is given."""
    dice: float
    """Of given and expected mask, 0..1."""
    softmin: float
    """Of p(given label) over the pixels that are given or expected as it, 0..1."""
    corrector: float | None = None
    """The same of the corrector's P(right) of the given mask; `None` without a corrector."""


class Verdict(CaseLine):
    """One case after its mask was judged by a model that was trained without it."""

    remedy: ClassVar[str] = "remove the file to judge the masks again"

    fold: int
    """Whose model judged, from 0."""
    overlap: float
    """Soft Dice of the given mask and the probabilities of what the model draws, mean over the
    foreground classes that occur in either, or over all where none does; 0..1."""
    softmin: float
    """Softmin of p(given label) over all pixels that have one, 0..1; p is of what the model draws,
    with its corrections."""
    corrector: float | None = None
    """The same of the corrector's P(right) of the given mask; `None` without a corrector."""
    dice: float
    """Of given and expected mask, mean over the foreground classes that occur in either; 1 where
    none does."""
    classes: tuple[ClassVerdict, ...] = ()
    """Of each foreground class that is given or expected."""
    num_slices: int = 1
    """Prepared slices, 1 of a picture."""
    slice_index: int = 0
    """The labelled slice with the lowest softmin."""
    layer: int | None = None
    """Layer of the file that it lies in, from 0 along the axis of slices; `None` of a picture."""
    kind: FaultKind = "none"
    """What the fault in this slice seems to be."""
    index: int = 0
    """Class that it concerns; 0 where there is none."""
    other: int = 0
    """Class that is expected in its place."""
    given: float = 0.0
    """Share of the slice that is drawn of what is concerned, 0..1."""
    expected: float = 0.0
    """Share of the slice that is expected of it, 0..1."""
    center: tuple[float, float] = (0.5, 0.5)
    """Row and column of its middle as a person sees the slice, shares of height and width."""
    shape: str = ""
    """Foreground of the given mask of this slice, brought to 32 x 32, as hexadecimal bits."""
    expected_shape: str = ""
    """Foreground of the expected mask, likewise."""


def verdict_of(
    judged: Judged, case: PreparedCase, name: str, files: str, fold: int
) -> Verdict | None:
    """Keep what was said of a mask.

    Args:
        judged: What was said.
        case: The prepared case.
        name: Its id.
        files: Digest of its files.
        fold: Whose model judged.

    Returns:
        `None` where no pixel has a given label.
    """
    total = judged.segmenter.of_case
    if total is None:
        return None
    slices = judged.segmenter.of_slices
    worst = min((score, i) for i, score in enumerate(slices) if score is not None)[1]
    num_classes = len(judged.segmenter.of_classes)
    given, expected = (upright(case, maps[worst]) for maps in (judged.given, judged.expected))
    fault: Fault = find_fault(given, expected, num_classes)
    classes = _classes(judged, num_classes)
    known = given < num_classes
    return Verdict(
        case=name,
        files=files,
        fold=fold,
        overlap=_kept(_mean_overlap(judged, classes)),
        softmin=_kept(total),
        corrector=None if judged.corrector is None else _kept(judged.corrector.of_case or 0.0),
        dice=_kept(sum(one.dice for one in classes) / len(classes)) if classes else 1.0,
        classes=classes,
        num_slices=len(slices),
        slice_index=worst,
        layer=layer_of(case, worst) if len(slices) > 1 else None,
        kind=fault.kind,
        index=fault.index,
        other=fault.other,
        given=_kept(fault.given),
        expected=_kept(fault.expected),
        center=(_kept(fault.center[0]), _kept(fault.center[1])),
        shape=shape_of(known & (given > 0)),
        expected_shape=shape_of(known & (expected > 0)),
    )


def _mean_overlap(judged: Judged, classes: Sequence[ClassVerdict]) -> float:
    values = judged.overlap.of_classes
    occurring = [one.index for one in classes] or range(1, len(values))
    return fmean(values[index] for index in occurring)


def _classes(judged: Judged, num_classes: int) -> tuple[ClassVerdict, ...]:
    known = judged.given < num_classes
    found = []
    for index in range(1, num_classes):
        given, expected = judged.given == index, known & (judged.expected == index)
        score = judged.segmenter.of_classes[index]
        if not (given.any() or expected.any()) or score is None:
            continue
        sure = None if judged.corrector is None else judged.corrector.of_classes[index]
        found.append(
            ClassVerdict(
                index=index,
                given=int(given.sum()),
                expected=int(expected.sum()),
                dice=_kept(mask_dice(given, expected)),
                softmin=_kept(score),
                corrector=None if sure is None else _kept(sure),
            )
        )
    return tuple(found)


def _kept(value: float) -> float:
    return float(f"{value:.6g}")


def shape_of(region: npt.NDArray[np.bool_]) -> str:
    """A region brought to 32 x 32 by the middles of its cells, as hexadecimal bits."""
    rows, columns = (((np.arange(SIDE) + 0.5) * side / SIDE).astype(int) for side in region.shape)
    return np.packbits(region[np.ix_(rows, columns)]).tobytes().hex()
