"""Overlap of a prediction and its reference.

Pixels are counted once, in a confusion matrix; IoU, Dice and accuracy are pure functions of it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ecs_med.records import Record
from ecs_med.types import IGNORE_INDEX

if TYPE_CHECKING:
    import torch

__all__ = [
    "Scores",
    "confusion_matrix",
    "dice_per_class",
    "foreground_mean",
    "iou_per_class",
    "known_mean",
    "pixel_accuracy",
    "scores_from_confusion",
]

PerClass = tuple[float | None, ...]


class Scores(Record):
    """How well a set of cases is segmented.

    Overlap scores lie in 0..1, come from one confusion matrix over the whole set, and are `None`
    where they are undefined: for a class that occurs neither in the references nor in the
    predictions, and for a mean over no class. An empty prediction of a class that the
    reference has (or the reverse) scores 0.
    """

    miou: float | None
    """Mean IoU over all classes that occur, background included."""
    dice: float | None
    """Mean Dice over the same classes."""
    iou_per_class: PerClass
    """Intersection over union, in class order, background first."""
    dice_per_class: PerClass
    """Dice coefficient, likewise."""
    foreground_iou: float | None
    """Mean IoU over the classes that occur, without background."""
    foreground_dice: float | None
    """Mean Dice over the same classes."""
    dice_per_case: float | None = None
    """Mean over cases of the case's own foreground Dice; cases without foreground in reference and
    prediction do not enter."""
    pixel_accuracy: float | None
    """Share of pixels that are right."""
    num_cases: int = 0
    """Number of cases."""
    class_names: tuple[str, ...]
    """Names in class order, background first."""
    hd95_mm_per_class: PerClass | None = None
    """Mean over cases of the 95th-percentile surface distance, in mm (background `None`); `None` as
    a whole where distances were not measured."""
    hd95_num_missing_per_class: tuple[int, ...] | None = None
    """Number of cases of a class in which only one of reference and prediction has it, so that no
    distance exists; they do not enter the mean."""


def confusion_matrix(
    prediction: "torch.Tensor", reference: "torch.Tensor", num_classes: int
) -> "torch.Tensor":
    """Count pixels (or voxels) by reference class and predicted class.

    Matrices of several cases add up, so one matrix over a whole set is the sum over its cases.

    Args:
        prediction: Predicted class of each pixel, any integer type and shape, `0..num_classes - 1`
            wherever the reference is not void.
        reference: Reference class, same shape, `0..num_classes - 1`, or `IGNORE_INDEX` where void;
            void pixels are not counted.
        num_classes: Number of classes, background included.

    Returns:
        `(num_classes, num_classes)`, int64, on the device of `prediction`; row = reference,
        column = prediction. All zero where every pixel is void or there is none.

    Raises:
        ValueError: If shapes differ, a tensor is not of integer type, or a class is out of range.

    Example:
        >>> import torch
        >>> confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 255]), 2)
        tensor([[1, 1],
                [0, 0]])

    Source:
        The orientation is that of `ignite.metrics.ConfusionMatrix`.
    """
    _check(prediction, reference, num_classes)
    reference = reference.to(prediction.device)
    counted = reference != IGNORE_INDEX
    predicted, actual = prediction[counted].long(), reference[counted].long()
    _check_range(predicted, num_classes, "prediction")
    _check_range(actual, num_classes, "reference")
    counts = (actual * num_classes + predicted).bincount(minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def iou_per_class(matrix: "torch.Tensor") -> PerClass:
    """Intersection over union of each class.

    Args:
        matrix: `(K, K)` counts, row = reference, column = prediction.

    Returns:
        K values in 0..1; `None` for a class in neither reference nor prediction, 0 for a class
        in only one of them.

    Example:
        >>> import torch
        >>> iou_per_class(torch.tensor([[6, 2, 0], [0, 2, 0], [0, 0, 0]]))
        (0.75, 0.5, None)
    """
    hits, actual, predicted = _hits_and_sizes(matrix)
    return _ratios(hits, actual + predicted - hits)


def dice_per_class(matrix: "torch.Tensor") -> PerClass:
    """Dice coefficient of each class, `2 * intersection / (reference + prediction)`.

    Arguments and undefined values are those of `iou_per_class`.

    Example:
        >>> import torch
        >>> dice_per_class(torch.tensor([[5, 1], [2, 3]]))[1]
        0.6666666666666666
    """
    hits, actual, predicted = _hits_and_sizes(matrix)
    return _ratios(2 * hits, actual + predicted)


def pixel_accuracy(matrix: "torch.Tensor") -> float | None:
    """Share of counted pixels that are right, in 0..1; `None` where none was counted."""
    hits, _, _ = _hits_and_sizes(matrix)
    total = int(matrix.sum())
    return int(hits.sum()) / total if total else None


def known_mean(values: Sequence[float | None]) -> float | None:
    """Mean of the values that are not `None`; `None` where there are none."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def foreground_mean(per_class: Sequence[float | None]) -> float | None:
    """Mean over the classes that occur, without class 0; `None` where none occurs.

    Example:
        >>> foreground_mean((0.9, 0.5, None, 0.25))
        0.375
    """
    return known_mean(per_class[1:])


def scores_from_confusion(
    matrix: "torch.Tensor",
    class_names: Sequence[str],
    *,
    num_cases: int = 0,
    dice_per_case: float | None = None,
) -> Scores:
    """All scores that one confusion matrix over a set gives.

    Args:
        matrix: `(K, K)` counts, row = reference, column = prediction.
        class_names: K names, background first.
        num_cases: Number of cases that were counted.
        dice_per_case: Mean over cases of their foreground Dice, which the matrix does not hold.

    Raises:
        ValueError: If the matrix is not square or the number of names differs.

    Example:
        >>> import torch
        >>> scores_from_confusion(torch.tensor([[5, 1], [2, 2]]), ("background", "polyp")).miou
        0.5125
    """
    if len(class_names) != matrix.shape[0]:
        raise ValueError(f"{len(class_names)} class names for {matrix.shape[0]} classes")
    ious, dices = iou_per_class(matrix), dice_per_class(matrix)
    return Scores(
        class_names=tuple(class_names),
        iou_per_class=ious,
        dice_per_class=dices,
        miou=known_mean(ious),
        dice=known_mean(dices),
        foreground_iou=foreground_mean(ious),
        foreground_dice=foreground_mean(dices),
        pixel_accuracy=pixel_accuracy(matrix),
        dice_per_case=dice_per_case,
        num_cases=num_cases,
    )


def _hits_and_sizes(matrix: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor, torch.Tensor]":
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"a confusion matrix is square, not {tuple(matrix.shape)}")
    return matrix.diagonal(), matrix.sum(dim=1), matrix.sum(dim=0)


def _ratios(numerators: "torch.Tensor", denominators: "torch.Tensor") -> PerClass:
    # Python integers divide exactly to the nearest double; float32 tensors would not beyond 2**24.
    pairs = zip(numerators.tolist(), denominators.tolist(), strict=True)
    return tuple(part / whole if whole else None for part, whole in pairs)


def _check(prediction: "torch.Tensor", reference: "torch.Tensor", num_classes: int) -> None:
    import torch

    if not 1 <= num_classes <= IGNORE_INDEX:
        raise ValueError(f"num_classes must lie in 1..{IGNORE_INDEX}, not {num_classes}")
    if prediction.shape != reference.shape:
        raise ValueError(
            f"prediction is {tuple(prediction.shape)}, reference is {tuple(reference.shape)}"
        )
    for name, tensor in (("prediction", prediction), ("reference", reference)):
        if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
            raise ValueError(f"{name} must hold integers, not {tensor.dtype}")


def _check_range(classes: "torch.Tensor", num_classes: int, name: str) -> None:
    if classes.numel() == 0:
        return
    lowest, highest = (int(value) for value in classes.aminmax())
    if lowest < 0 or highest >= num_classes:
        wrong = lowest if lowest < 0 else highest
        raise ValueError(f"{name} holds class {wrong}, outside 0..{num_classes - 1}")
