"""A training step against the least that this processor could take for it.

Two floors, each measured in turn with the step in one thread: its floating-point operations, as
PyTorch's counter has them (convolutions and products of matrices, a convolution's backward pass as
one forward for each gradient that it gives), at the rate of a product of two float32 matrices of
side 1536; and its bytes at the rate of copying 256 MB. Bytes are counted for every operation that
PyTorch runs, forward, backward and in the optimiser: each tensor that it reads or writes once,
views not at all. Small tensors that stay in the processor's cache are so counted as if they came
from memory, and what one operation reads more than once is counted once. A ratio of 2 says: twice
as long as that floor.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from speed_suite.registry import Options
from speed_suite.results import Row, compared
from speed_suite.steppers import noise, pair
from speed_suite.timing import in_turns

SIDE = 1536
COPIED = 256 * 2**20
METHODS = ("supervised", "ecs", "fixmatch")


class ByteCounter(TorchDispatchMode):
    """Counts bytes of the tensors that operations read and write.

    Example:
        >>> with ByteCounter() as counter:
        ...     _ = torch.ones(256) + torch.ones(256)
        >>> counter.num_bytes  # two that are made, two read, one written
        5120
    """

    def __init__(self) -> None:
        super().__init__()
        self.num_bytes = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run the operation, and count."""
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            read = {id(t): t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)}
            # What is changed in place is read and written.
            written = [t for t in tree_leaves(result) if isinstance(t, torch.Tensor)]
            self.num_bytes += sum(t.nbytes for t in (*read.values(), *written))
        return result


def backward_flops(
    grad_shape: Sequence[int],
    image_shape: Sequence[int],
    weight_shape: Sequence[int],
    *more: Any,
    out_shape: Any = None,
) -> int:
    """Of a convolution's backward pass; PyTorch's own count takes groups for one."""
    transposed, output_mask = more[4], more[7]
    forward = conv_flop_count([*image_shape], [*weight_shape], [*grad_shape], transposed=transposed)
    return int(forward * sum(output_mask[:2]))


def count_flops(step: Callable[[], object]) -> int:
    """Floating-point operations of convolutions and products of matrices."""
    mapping = {torch.ops.aten.convolution_backward: backward_flops}
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        step()
    return int(counter.get_total_flops())


def measure(options: Options) -> Sequence[Row]:
    """Both floors of some methods."""
    rows: list[Row] = []
    for name in METHODS:
        step = pair(name, noise(options.batch, options.size)).ours
        step()  # momenta and statistics are there from now on
        rows += _rows(f"{name}, {options.size} px, batch {options.batch}", step, options)
    return rows


def _rows(what: str, step: Callable[[], object], options: Options) -> list[Row]:
    flops = count_flops(step)
    with ByteCounter() as traffic:
        step()
    num_bytes = traffic.num_bytes
    left, right = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    source, target = torch.zeros(COPIED // 4), torch.zeros(COPIED // 4)
    seconds = in_turns(
        {
            "step": step,
            "product": lambda: torch.mm(left, right),
            "copy": lambda: target.copy_(source),
        },
        repeats=options.repeats,
        most_seconds=options.seconds,
    )
    rates = [2 * SIDE**3 / taken for taken in seconds["product"]]
    speeds = [2 * COPIED / taken for taken in seconds["copy"]]
    by_flops = [flops / rate for rate in rates]
    by_bytes = [num_bytes / speed for speed in speeds]
    middle = len(rates) // 2
    note = f"{flops / 1e9:.1f} GFLOP at {sorted(rates)[middle] / 1e9:.0f} GFLOP/s"
    other = f"{num_bytes / 1e9:.2f} GB at {sorted(speeds)[middle] / 1e9:.1f} GB/s"
    return [
        compared(what, seconds["step"], "its operations alone", by_flops, note=note),
        compared(what, seconds["step"], "its bytes alone", by_bytes, note=other),
    ]
