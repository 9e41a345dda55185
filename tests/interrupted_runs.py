"""Runs that die in the midst of it and go on, and the tensors that they leave."""

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from ecs_med.config import TrainConfig
from ecs_med.methods import method_class
from ecs_med.training.train import train


class Killed(BaseException):
    """Stands for a death that nothing in the program sees coming."""


def tensors(run: Path) -> dict[str, bytes]:
    """Networks and optimisers of the last checkpoint."""
    last = sorted((run / "checkpoints").glob("*.safetensors"))[-1]
    found = load_file(last)
    return {k: v.numpy().tobytes() for k, v in found.items()}


def killed_and_resumed(config: TrainConfig, patch: pytest.MonkeyPatch, step: int) -> Path:
    """The run, which died in its `step`-th iteration."""
    cls = method_class(config.method)
    real, count = cls.step, 0

    def mortal(self: Any, batch: Any, progress: float = 0.0) -> Any:
        nonlocal count
        count += 1
        if count == step:
            raise Killed
        return real(self, batch, progress)

    with patch.context() as inside:
        inside.setattr(cls, "step", mortal)
        with pytest.raises(Killed):
            train(config)
    return train(config, resume=True)
