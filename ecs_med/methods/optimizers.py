"""Optimisers, and the learning-rate schedule of the paper (section 4.4)."""

from typing import Any

import torch
from torch import nn

from ecs_med.config import OptimizerSettings

__all__ = [
    "SHORT_RUN",
    "build_optimizer",
    "corrector_optimizer",
    "polynomial_decay",
    "set_learning_rate",
]

SHORT_RUN = 10_000
"""Runs of fewer iterations get optimisers of their own: in some hundreds of them the paper's leave
the segmenter behind and the corrector at the class prior
(`benchmarks/results/kvasir_short_run_optimizers.md`, and `ecs_plus_2026-11-26.md` on the rate)."""

_FACTOR = "factor"


def corrector_optimizer(iterations: int) -> OptimizerSettings:
    """A corrector's in a run of so many: Adam at 1e-4 (section 4.4), at 1e-3 in a short one."""
    return OptimizerSettings(name="adam", lr=1e-3 if iterations < SHORT_RUN else 1e-4)


def build_optimizer(network: nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """SGD with momentum or Adam over what `network` trains, fused where the device has it."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    groups = _groups(network, settings) if settings.head_factor != 1 else parameters
    common: dict[str, Any] = {
        "lr": settings.lr,
        "weight_decay": settings.weight_decay,
        "fused": all(p.device.type in ("cpu", "cuda") for p in parameters),
    }
    if settings.name == "sgd":
        return torch.optim.SGD(groups, momentum=settings.momentum, **common)
    return torch.optim.Adam(groups, betas=settings.betas, **common)


def _groups(network: nn.Module, settings: OptimizerSettings) -> list[dict[str, Any]]:
    """Encoder and head, each with its factor on the learning rate."""
    parts: dict[float, list[nn.Parameter]] = {1.0: [], settings.head_factor: []}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            factor = 1.0 if name.startswith("encoder.") else settings.head_factor
            parts[factor].append(parameter)
    return [
        {"params": parameters, "lr": settings.lr * factor, _FACTOR: factor}
        for factor, parameters in parts.items()
        if parameters
    ]


def polynomial_decay(iteration: float, max_iterations: float, power: float = 0.9) -> float:
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
    """Set the learning rate; parameter groups with a factor of their own get so much of it."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get(_FACTOR, 1.0)
