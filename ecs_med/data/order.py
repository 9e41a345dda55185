"""Which case comes when: a pure function of seed and position.

Order and augmentation are counted, not remembered: nothing has to be saved to resume a
run exactly, and the number of worker processes changes nothing.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

__all__ = ["draw_seed", "nth_case"]


def nth_case(seed: int, stream: int, num_cases: int, position: int) -> int:
    """The case at `position` of an endless sequence of shuffled passes over all cases.

    Args:
        seed: Seed of the run.
        stream: Number that keeps independent sequences apart.
        num_cases: Cases in one pass, at least 1.
        position: 0 and up.

    Returns:
        Index in 0..num_cases-1; each occurs once per pass.
    """
    epoch, offset = divmod(position, num_cases)
    return int(_permutation(seed, stream, num_cases, epoch)[offset])


@lru_cache(maxsize=8)
def _permutation(seed: int, stream: int, num_cases: int, epoch: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng([seed, stream, epoch]).permutation(num_cases)


def draw_seed(seed: int, stream: int, position: int) -> int:
    """A seed below 2**32 for the random transforms of one sample, or for one iteration."""
    return int(np.random.SeedSequence([seed, stream, position]).generate_state(1)[0])
