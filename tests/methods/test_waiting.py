"""No step of a method asks for a value, for which a GPU would have to be waited for.

Seen on the CPU by the operations that give one to the host, or whose result has a size that
depends on values. What a step copies to the device is not: `benchmarks/speed/gpu_step.py` counts
every synchronisation where there is a GPU.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ecs_med.config import TrainConfig
from ecs_med.methods import METHODS
from speed_suite.steppers import as_batch, build_method, first_networks, noise

ASKING = {
    *("_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "bincount"),
    *("_unique2", "unique_dim", "unique_consecutive", "repeat_interleave"),
}
BY_PLACE = {"index", "index_put", "index_put_", "_index_put_impl_"}


class Watch(TorchDispatchMode):
    """Counts operations that make the host wait."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = func._schema.name.split("::")[1]
        by_mask = name in BY_PLACE and any(i is not None and i.dtype is torch.bool for i in args[1])
        if name in ASKING or by_mask:
            self.found[name] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", METHODS.all())
def test_a_step_never_waits(name: str) -> None:
    config = TrainConfig(
        data=Path("unused"),
        method=name,
        network="deeplabv3plus",
        encoder="test_resnet",
        corrector_encoder="test_resnet",
        encoder_weights="none",
    )
    method = build_method(config, first_networks(config))
    batch = as_batch(noise(2, 32), method.strong_views)
    method.train_mode()
    method.step(batch, progress=0.5)  # what is asked once, at the begin of a run or of a stage
    with Watch() as watch:
        method.step(batch, progress=0.5)
    assert not watch.found


@pytest.mark.parametrize(
    ("asks", "operation"),
    [
        (lambda v: v.sum().item(), "_local_scalar_dense"),
        (lambda v: bool((v > 0).any()), "_local_scalar_dense"),
        (lambda v: v[v > 0], "index"),
        (lambda v: v.masked_select(v > 0), "masked_select"),
        (lambda v: v.nonzero(), "nonzero"),
        (lambda v: torch.nn.functional.one_hot(v.long(), 3), "_local_scalar_dense"),
    ],
)
def test_what_waits_is_seen(asks: Callable[[torch.Tensor], object], operation: str) -> None:
    with Watch() as watch:
        asks(torch.tensor([0.0, 1.0, 2.0]))
    assert watch.found[operation]
