"""What the packaged encoders are worth: validation mIoU at equal steps and at equal seconds.

First the CPU seconds of a supervised step (batch, forward, backward, update) are taken, in turns
with all encoders. Then each encoder is trained on the labelled images of each budget and seed,
twice: for as many steps as the others, and for as many seconds as the slowest of them takes for
these. A run's length is part of its settings (the learning rate ends at 0), so that these are two
runs. The last model is scored on the validation cases; nothing looks at test cases.

What is measured is kept after every run, so that the same command goes on where it was stopped.

    OMP_NUM_THREADS=1 python benchmarks/speed/encoders.py DATA --output encoders.json
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from ecs_med.config import TrainConfig
from ecs_med.data.batches import Normalization, batch_loader
from ecs_med.files import write_json
from ecs_med.inference.evaluate import evaluate_cases
from ecs_med.networks.packaged import PACKAGED_ENCODERS
from ecs_med.training.build import build_model
from ecs_med.training.opening import open_run
from ecs_med.training.stores import build_stores, training_batches
from ecs_med.training.trainer import MethodTrainer

TIMED_STEPS = 20


class SupervisedRun:
    """A run without a folder: its data, its networks, its trainer.

    Args:
        settings: Of the run.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.opening = open_run(TrainConfig.parse(settings), resume=False)
        config, plan = self.opening.config, self.opening.plan
        assert config.iterations is not None
        device = torch.device(config.device)
        self.stores, _ = build_stores(plan, config, self.opening.preparation, lambda *_: None)
        method, self.model = build_model(config, plan, self.opening.initializations, device)
        self._trainer = MethodTrainer(
            method,
            batch_loader(training_batches(self.stores, config, plan.images), 0, 0),
            device=device,
            normalization=Normalization(self.model.spec.mean, self.model.spec.std),
            seed=config.seed,
            max_iterations=config.iterations,
            epoch_length=config.iterations,
        )

    def train(self) -> float:
        """CPU seconds of all iterations."""
        started = time.process_time()
        self._trainer.run()
        return time.process_time() - started

    def validate(self) -> dict[str, float | None]:
        """Scores of the model as it is on all validation cases."""
        cases = self.opening.plan.split.validation
        assert cases
        scores = evaluate_cases(self.model, cases, prepared=self.stores.scored.prepared_case).scores
        return {"miou": scores.miou, "foreground_dice": scores.foreground_dice}


def time_steps(
    settings: dict[str, Any], encoders: Sequence[str], rounds: int
) -> dict[str, list[float]]:
    """CPU seconds of a step, one value a round, in turns; the first round is not counted."""
    seconds: dict[str, list[float]] = {encoder: [] for encoder in encoders}
    for number in range(rounds + 1):
        for encoder in encoders:
            run = SupervisedRun({**settings, "encoder": encoder, "iterations": TIMED_STEPS})
            spent = run.train() / TIMED_STEPS
            if number:
                seconds[encoder].append(round(spent, 4))
    return seconds


def lengths(seconds: dict[str, list[float]], steps: int) -> dict[str, dict[str, int]]:
    """Iterations of each encoder, by what is equal."""
    medians = {encoder: statistics.median(values) for encoder, values in seconds.items()}
    budget = steps * max(medians.values())
    return {
        "seconds": {encoder: round(budget / median) for encoder, median in medians.items()},
        "steps": dict.fromkeys(medians, steps),
    }


def planned(
    options: argparse.Namespace, lengths_of: dict[str, dict[str, int]]
) -> Iterator[dict[str, Any]]:
    """Every run once, also where its length is equal by steps and by seconds."""
    seen = set()
    for seed in range(options.seeds):
        for labeled in options.labeled:
            for by_encoder in lengths_of.values():
                for encoder, iterations in by_encoder.items():
                    key = (labeled, seed, encoder, iterations)
                    if key not in seen:
                        seen.add(key)
                        yield dict(
                            zip(("labeled", "seed", "encoder", "iterations"), key, strict=True)
                        )


def measure(options: argparse.Namespace, cache: Path) -> None:
    """Do what `options.output` lacks."""
    found = json.loads(options.output.read_text()) if options.output.is_file() else {}
    settings = {
        "data": str(options.data),
        "method": "supervised",
        "batch": options.batch,
        "max_size": options.side,
        "min_size": options.side,
        "device": options.device,
        "run": str(cache / "run"),
        "cache": str(cache),
    }
    if "step_cpu_seconds" not in found:
        timed = time_steps(settings, options.encoders, options.rounds)
        found |= {**described(options), "step_cpu_seconds": timed, "runs": []}
        found["iterations"] = lengths(timed, options.steps)
        write_json(options.output, found)
    for cell in planned(options, found["iterations"]):
        if any(run | cell == run for run in found["runs"]):
            continue
        run = SupervisedRun({**settings, **cell})
        spent = run.train()
        found["runs"].append({**cell, "cpu_seconds": round(spent, 1), **run.validate()})
        print(json.dumps(found["runs"][-1]), flush=True)
        write_json(options.output, found)


def described(options: argparse.Namespace) -> dict[str, Any]:
    """What was measured, with what, where and when."""
    return {
        "title": "Packaged encoders, supervised: validation mIoU of the last model",
        "data": options.data.name,
        "side": options.side,
        "batch": options.batch,
        "machine": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "date": datetime.now(UTC).date().isoformat(),
    }


def main() -> None:
    """Parse and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--encoders", nargs="+", default=[*PACKAGED_ENCODERS])
    parser.add_argument("--labeled", nargs="+", default=["all", "1/8"])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(options, Path(folder))


if __name__ == "__main__":
    main()
