"""The mean teacher: a network that is the moving average of another one."""

import copy
from typing import cast

import torch
from torch import nn

__all__ = ["MeanTeacher"]


class MeanTeacher(nn.Module):
    """A network whose weights are the moving average of those of another one.

    It starts as a copy, stays in evaluation mode and has no gradients. Running statistics of
    batch normalization are averaged as weights are. The number of updates is part of its state.

    Args:
        student: Whose weights are averaged.
        decay: Of the average. The first updates average with `1 - 1 / (updates + 1)` where that is
            less, else a short run would keep its random start.

    Source:
        Tarvainen and Valpola 2017, "Mean teachers are better role models".
    """

    num_updates: torch.Tensor

    def __init__(self, student: nn.Module, decay: float) -> None:
        super().__init__()
        self.network = copy.deepcopy(student).requires_grad_(False)
        self.decay = decay
        self.register_buffer("num_updates", torch.zeros((), dtype=torch.int64))
        # The same number where it is needed: to ask a GPU for it would wait for all its work.
        self._num_updates: int | None = 0
        self.register_load_state_dict_post_hook(_ask_again)
        self.train(False)

    def train(self, mode: bool = True) -> "MeanTeacher":
        """Stay in evaluation mode."""
        return super().train(False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """What the averaged network says."""
        return cast(torch.Tensor, self.network(inputs))

    @torch.no_grad()
    def follow(self, student: nn.Module) -> None:
        """Move the average towards `student`, of which the teacher is a copy."""
        if self._num_updates is None:
            self._num_updates = int(self.num_updates)
        decay = min(1 - 1 / (self._num_updates + 1), self.decay)
        ours, theirs = self.network.state_dict(), student.state_dict()
        for name, value in ours.items():
            if value.is_floating_point():
                value.lerp_(theirs[name], 1 - decay)
            else:
                value.copy_(theirs[name])
        self.num_updates += 1
        self._num_updates += 1


def _ask_again(teacher: MeanTeacher, _: object) -> None:
    teacher._num_updates = None
