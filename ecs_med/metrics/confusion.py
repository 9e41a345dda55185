"""Counts of reference class against predicted class: what every overlap score is computed from."""

import torch

from ecs_med.types import IGNORE_INDEX

__all__ = ["confusion_matrix"]


def confusion_matrix(
    prediction: torch.Tensor, reference: torch.Tensor, num_classes: int
) -> torch.Tensor:
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
    predicted = prediction[counted].to(torch.int64)
    actual = reference[counted].to(torch.int64)
    _check_range(predicted, num_classes, "prediction")
    _check_range(actual, num_classes, "reference")
    counts = torch.bincount(actual * num_classes + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def _check(prediction: torch.Tensor, reference: torch.Tensor, num_classes: int) -> None:
    if not 1 <= num_classes <= IGNORE_INDEX:
        raise ValueError(f"num_classes must lie in 1..{IGNORE_INDEX}, not {num_classes}")
    if prediction.shape != reference.shape:
        raise ValueError(
            f"prediction is {tuple(prediction.shape)}, reference is {tuple(reference.shape)}"
        )
    for name, tensor in (("prediction", prediction), ("reference", reference)):
        if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
            raise ValueError(f"{name} must hold integers, not {tensor.dtype}")


def _check_range(classes: torch.Tensor, num_classes: int, name: str) -> None:
    if classes.numel() == 0:
        return
    lowest, highest = (int(value) for value in torch.aminmax(classes))
    if lowest < 0 or highest >= num_classes:
        wrong = lowest if lowest < 0 else highest
        raise ValueError(f"{name} holds class {wrong}, outside 0..{num_classes - 1}")
