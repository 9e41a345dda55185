"""How long a run will take on a CPU, from its first iterations, and what would halve that."""

import copy
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from ignite.engine import Engine, Events
from monai.engines import IterationEvents
from torch import nn

from ecs_med.config import BASELINE_METHOD, TrainConfig
from ecs_med.devices import memory_format
from ecs_med.methods import Method
from ecs_med.training.listener import Expectation
from ecs_med.training.schedule import STEP, Schedule

__all__ = ["Pace", "Work", "expectation"]

_FEWEST, _MOST = 2, 5
_ENOUGH_SECONDS = 10.0
"""Time is told after five iterations, or after two as soon as these seconds have passed; the first
one, which warms up, is not counted."""
_WORTH_HALVING = 60.0
"""Seconds from which on a shorter run is offered."""
_SMALLEST_SIDE = 32


@dataclass(frozen=True, slots=True)
class Work:
    """What is left of a run, counted.

    Attributes:
        iterations: Iterations ahead.
        validations: Validations ahead.
        case_cost: Of scoring one case, in forward passes of a pixel (`cost_of_scoring`).
        num_scored: Cases that one validation scores.
        num_tested: Cases that are scored at the end.
        networks: Networks that score a case: the segmenter, and a corrector.
    """

    iterations: int
    validations: int
    case_cost: float
    num_scored: int
    num_tested: int
    networks: int

    @classmethod
    def of(
        cls, schedule: Schedule, first: int, *, case_cost: float, num_tested: int, networks: int
    ) -> "Work":
        """What a schedule leaves to be done after `first` iterations."""
        left = math.ceil(schedule.iterations / schedule.every) - first // schedule.every
        validations = left if schedule.num_all else 0
        ahead = schedule.iterations - first
        return cls(ahead, validations, case_cost, schedule.num_cases, num_tested, networks)

    def seconds(self, iteration: float, pixel: float, share: float = 1.0) -> float:
        """Time that it takes.

        Args:
            iteration: Seconds of one.
            pixel: Seconds of one pixel's forward pass through the segmenter.
            share: Of the iterations that are run; validations, up to ten, stay as many.
        """
        cases = self.validations * self.num_scored * share + self.num_tested
        return self.iterations * share * iteration + cases * self.case_cost * pixel * self.networks


class Pace:
    """A handler that times the first iterations of a run and says how long the run will take.

    What it offers is timed too, on a copy of the segmenter: nothing of the run is changed.

    Args:
        method: With its networks.
        config: Resolved settings of pictures, or of volumes in slices or patches.
        work: What is ahead.
        told: Takes the expectation, once.
    """

    def __init__(
        self,
        method: Method,
        config: TrainConfig,
        work: Work,
        told: Callable[[Expectation], None],
    ) -> None:
        self._method = method
        self._config = config
        self._work = work
        self._told = told
        self._seconds: list[float] = []
        self._begun = 0.0
        self._is_done = False

    def attach(self, engine: Engine) -> None:
        """Time iterations, from asking for a batch to the end of the step."""
        engine.add_event_handler(Events.GET_BATCH_STARTED, self._begin)
        engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self._end)

    def _begin(self, _: Engine) -> None:
        self._begun = time.perf_counter()

    def _end(self, _: Engine) -> None:
        if self._is_done:
            return
        self._seconds.append(time.perf_counter() - self._begun)
        number = len(self._seconds)
        if number < _MOST and (number < _FEWEST or sum(self._seconds) < _ENOUGH_SECONDS):
            return
        self._is_done = True
        iteration = statistics.median(self._seconds[1:])
        if self._work.iterations > number:
            self._told(expectation(self._config, self._work, iteration, number, self._pass))

    def _pass(self, shape: tuple[int, ...]) -> float:
        """Seconds of a supervised step's forward and backward pass on a batch of crops."""
        network = copy.deepcopy(self._method.segmenter).requires_grad_(True).train()
        first = next(weights for weights in network.parameters() if weights.ndim == 2 + len(shape))
        device, channels = first.device, first.shape[1]
        # No draw of the run, such as its dropout, is moved on by these.
        with torch.random.fork_rng(devices=[]):
            images = torch.rand(self._config.batch or 1, channels, *shape, device=device)
            images = images.contiguous(memory_format=memory_format(images))
            return min(_timed(self._method, network, images) for _ in range(2))


def _timed(method: Method, network: nn.Module, images: torch.Tensor) -> float:
    started = time.perf_counter()
    with torch.enable_grad():
        method.forward(network, images).mean().backward()
    network.zero_grad(set_to_none=True)
    return time.perf_counter() - started


def expectation(
    config: TrainConfig,
    work: Work,
    iteration: float,
    done: int,
    timed: Callable[[tuple[int, ...]], float],
) -> Expectation:
    """What to expect of a run, and what would take half of the time or less.

    Args:
        config: Resolved settings.
        work: What was ahead before its first iterations.
        iteration: Seconds of one.
        done: Iterations that are behind.
        timed: Gives the seconds of a supervised pass on a batch of crops of a shape.
    """
    crop = config.crop or _SMALLEST_SIDE
    whole = config.patch or (crop, crop)
    pixels = STEP * (config.batch or 1) * math.prod(whole)
    # Methods take longer for a step than the supervised one, so scoring takes at most that.
    if work.seconds(iteration, iteration / pixels) < _WORTH_HALVING:
        return Expectation((work.iterations - done) * iteration, iteration)
    supervised = timed(whole)
    pixel = supervised / pixels
    seconds = work.seconds(iteration, pixel)
    fewer = (config.iterations or 1) // 2
    offers = [(f"iterations={fewer}", work.seconds(iteration, pixel, 0.5))]
    smaller = int(crop / math.sqrt(2)) // 32 * 32
    if config.patch is None and smaller >= _SMALLEST_SIDE:
        ratio = timed((smaller, smaller)) / supervised
        whole_images = crop >= (config.max_size or math.inf)
        name = "max_size" if whole_images else "crop"
        scoring = ratio if whole_images else 1.0
        offers.append((f"{name}={smaller}", work.seconds(iteration * ratio, pixel * scoring)))
    if config.method != BASELINE_METHOD:
        # The segmenter alone scores then.
        offers.append(
            (f"method={BASELINE_METHOD}", work.seconds(supervised, pixel / work.networks))
        )
    halving = [(name, found) for name, found in offers if found <= 0.55 * seconds]
    left = seconds - done * iteration
    return Expectation(left, iteration, tuple(sorted(halving, key=lambda offer: -offer[1])))
