"""Optimisers and the learning-rate schedule of the paper (section 4.4)."""

import torch
from torch import nn

from ecs_med.config import OptimizerSettings

__all__ = ["build_optimizer", "polynomial_decay", "set_learning_rate"]


def build_optimizer(network: nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """SGD with momentum or Adam over all parameters of `network`, fused where the device has it."""
    parameters = list(network.parameters())
    fused = all(p.device.type in ("cpu", "cuda") for p in parameters)
    if settings.name == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=settings.lr,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            fused=fused,
        )
    return torch.optim.Adam(
        parameters,
        lr=settings.lr,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        fused=fused,
    )


def polynomial_decay(iteration: int, max_iterations: int, power: float = 0.9) -> float:
    """Factor on the initial learning rate.

    Args:
        iteration: Iterations done, 0 to `max_iterations`.
        max_iterations: Length of the run.
        power: Exponent.

    Returns:
        `(1 - iteration / max_iterations) ** power`, from 1 down to 0.

    Example:
        >>> polynomial_decay(0, 100), polynomial_decay(100, 100)
        (1.0, 0.0)
    """
    return float((1 - iteration / max_iterations) ** power)


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all parameter groups."""
    for group in optimizer.param_groups:
        group["lr"] = lr
