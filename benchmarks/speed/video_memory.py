"""Memory and rate of `predict` over a long video of the demo's endoscopy.

    python benchmarks/speed/video_memory.py [--frames 3000] [--size 96] [-o FILE.json]

Made-up pictures are encoded as H.264 and segmented by an untrained network of the default kind.
What the process holds is read after each frame; the rise is from frame 100 on.
"""

import argparse
import json
import tempfile
from datetime import UTC, datetime
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from ecs_med.config import Preparation
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.inference.model import Model
from ecs_med.inference.scans import PredictionInput
from ecs_med.inference.video_writing import video_writer
from ecs_med.inference.videos import plan_videos, segment_video
from ecs_med.networks import Initialization, build_segmenter
from ecs_med.runs.spec import ModelSpec
from ecs_med_benchmarks.machine import machine_in_words
from measured_process import megabytes

FIRST = 100


def write_video(path: Path, num_frames: int, size: int) -> None:
    """A bright disc that wanders over noise."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size]
    noise = generator.integers(0, 90, (size, size, 3)).astype(np.uint8)
    with video_writer(path, Fraction(25), Fraction(1, 25)) as writer:
        for index in range(num_frames):
            centre = size / 2 + size / 4 * np.array([np.sin(index / 40), np.cos(index / 40)])
            disc = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < (size / 6) ** 2
            writer.write(np.where(disc[..., None], 220, np.roll(noise, index, 0)), index)


def untrained(run: Path) -> Model:
    """The default network with random weights."""
    spec = ModelSpec(
        method="supervised",
        labels=LabelScheme(class_names=("background", "disc")),
        preparation=Preparation(),
        kind="picture",
        in_channels=3,
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        encoder="tf_efficientnet_lite0",
        corrector_encoder=None,
        crop=96,
        initialization="none",
    )
    network = build_segmenter(Initialization(spec.encoder, "none"), in_channels=3, num_classes=2)
    return Model(spec, network, None, device=torch.device("cpu"), run=run)


def main() -> None:
    """Print the figures, and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("-o", "--output", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    held: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_video(folder / "clip.mp4", asked.frames, asked.size)
        item = PredictionInput((folder / "clip.mp4",))
        [place] = plan_videos([item], folder / "out")
        outcome = segment_video(
            untrained(folder),
            item.path,
            place,
            on_frame=lambda *_: held.append(megabytes("VmRSS")),
        )
    found = {
        "frames": outcome.frames,
        "size": asked.size,
        "rise_after_frame_100_mb": round(max(held[FIRST:]) - held[FIRST], 1),
        "frames_per_second": outcome.frames_per_second,
        "ecs_med": version("ecs-med"),
        "torch": torch.__version__,
        "threads": 1,
        "machine": machine_in_words(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    text = json.dumps(found, indent=1)
    print(text)
    if asked.output:
        asked.output.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
