"""Checkpoints: networks and optimisers in one safetensors file, written atomically, two kept.

Order and augmentation are functions of seed and iteration, and every iteration seeds its
own random numbers; so tensors, iteration and a few numbers are the whole state.
"""

from collections.abc import Mapping
from pathlib import Path

import torch

from ecs_med.errors import RunFolderError
from ecs_med.files import require_readable
from ecs_med.methods import Method
from ecs_med.metrics import Scores
from ecs_med.records import Record
from ecs_med.runs import CorrectorScores
from ecs_med.tensors import read_tensors, write_tensors

__all__ = ["Progress", "load_checkpoint", "save_checkpoint"]

_KEPT = 2


class Progress(Record):
    """What belongs to the state of a run beside its tensors."""

    started: str
    """Time of the first start, ISO 8601, UTC."""
    seconds: float = 0.0
    """So far, over all resumptions."""
    validation_seconds: float = 0.0
    """Of validation."""
    energy_wh: float | None = None
    """Used so far; `None` where it is not counted."""
    best_iteration: int = 0
    """The model that is kept."""
    best_score: float | None = None
    """What it was chosen by."""
    validation: Scores | None = None
    """Its scores on the cases that are scored in between."""
    corrector: CorrectorScores | None = None
    """Those of its corrector."""
    transform: str | None = None
    """The caller's transform in words."""


def save_checkpoint(folder: Path, method: Method, iteration: int, progress: Progress) -> Path:
    """Write the state after `iteration` and drop all but the two newest checkpoints.

    Args:
        folder: `checkpoints/` of the run.
        method: Networks and optimisers.
        iteration: Iterations done.
        progress: What else belongs to the state.

    Raises:
        RunFolderError: If it cannot be written; earlier checkpoints are untouched.
    """
    tensors: dict[str, torch.Tensor] = {}
    for name, network in method.networks.items():
        tensors |= {f"network.{name}.{k}": v for k, v in network.state_dict().items()}
    for name, optimizer in method.optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            for key, value in state.items():
                if value is not None:
                    tensors[f"optimizer.{name}.{index}.{key}"] = torch.as_tensor(value)
    path = folder / f"iteration-{iteration:08d}.safetensors"
    metadata = {"iteration": str(iteration), "progress": progress.to_line()}
    write_tensors(path, tensors, metadata)
    for old in sorted(folder.glob("iteration-*.safetensors"))[:-_KEPT]:
        old.unlink(missing_ok=True)
    return path


def load_checkpoint(folder: Path, method: Method) -> tuple[int, Progress]:
    """Restore the newest checkpoint that is whole.

    Args:
        folder: `checkpoints/` of the run.
        method: Networks and optimisers to fill.

    Returns:
        Iterations done, and what was saved with them.

    Raises:
        RunFolderError: If no checkpoint is whole, they belong to other networks, or the newest
            may not be read.
    """
    reasons = []
    for path in sorted(folder.glob("iteration-*.safetensors"), reverse=True):
        require_readable(path)
        try:
            tensors, metadata = read_tensors(path)
            iteration = int(metadata["iteration"])
            progress = Progress.parse_json(metadata["progress"], path)
            _restore(method, tensors)
        except (OSError, KeyError, ValueError, RuntimeError) as error:
            reasons.append(f"{path.name}: {' '.join(str(error).split())[:200]}")
        except RunFolderError as error:
            reasons.append(str(error).rstrip("."))
        else:
            return iteration, progress
    raise RunFolderError(
        f"{folder}: no checkpoint can be used ({'; '.join(reasons) or 'none there'}); start anew "
        "with another `run`."
    )


def _restore(method: Method, tensors: Mapping[str, torch.Tensor]) -> None:
    for name, network in method.networks.items():
        prefix = f"network.{name}."
        network.load_state_dict(
            {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        )
    for name, optimizer in method.optimizers.items():
        prefix = f"optimizer.{name}."
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith(prefix):
                index, field = key.removeprefix(prefix).split(".", 1)
                fitted = _in_layout_of(parameters[int(index)], value)
                state.setdefault(int(index), {})[field] = fitted
        whole = optimizer.state_dict()
        optimizer.load_state_dict({"state": state, "param_groups": whole["param_groups"]})


def _in_layout_of(parameter: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """`value` with the strides of `parameter`, where it has its shape.

    Fused optimisers walk through the memory of both side by side, so a momentum that comes back
    contiguous for a channels-last weight would be applied to the wrong elements, silently.
    """
    if value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value).detach()
