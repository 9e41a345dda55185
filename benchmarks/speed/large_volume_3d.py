"""Memory of `predict` by a network of volumes on one large volume.

    python benchmarks/speed/large_volume_3d.py [--shape 512 512 600] [--patch 48] [-o FILE.json]

The volume is that of `large_volume.py`. The model has three classes, first weights and no bound of
size, so that its maps are as large as the volume would allow. The prediction is a process of its
own; memory is the peak above what stands when the package is imported, so it holds the network.
"""

import argparse
import json
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from large_volume import MEMORY, write_volume
from measured_process import HERE, called

MODEL = """
import json, sys
from pathlib import Path
import torch
from ecs_med.config import Preparation
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.inference.model import Model
from ecs_med.inference.storing import save_model
from ecs_med.networks import Initialization, build_segmenter
from ecs_med.runs import ModelSpec

run, network = Path(sys.argv[1]), sys.argv[2]
patch, settings = int(sys.argv[3]), json.loads(sys.argv[4])
torch.manual_seed(0)
segmenter = build_segmenter(Initialization(network, "network"), in_channels=1, num_classes=3,
                            network=network, settings=settings)
spec = ModelSpec(
    method="supervised", labels=LabelScheme(class_names=("background", "one", "two")),
    preparation=Preparation(window=(-160, 240)), kind="volume", in_channels=1, mean=(0.0,),
    std=(1.0,), spatial_dims=3, network=network, network_settings=settings, encoder=None,
    corrector_encoder=None, crop=patch, patch=(patch,) * 3, initialization="none",
)
run.mkdir()
save_model(Model(spec, segmenter, None, device=torch.device("cpu"), run=run))
"""


def main() -> None:
    """Measure and print or write JSON."""
    parser = argparse.ArgumentParser(description="Memory of a 3-D prediction of a large volume.")
    parser.add_argument("--shape", type=int, nargs=3, default=[512, 512, 600])
    parser.add_argument("--network", default="unet3d")
    parser.add_argument("--patch", type=int, default=48)
    parser.add_argument("--channels", type=int, nargs="+", help="Of the network, for a quick run.")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    settings = {"channels": options.channels} if options.channels else {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        volume, run = folder / "large.nii.gz", folder / "run"
        write_volume(volume, tuple(options.shape))
        called(HERE, MODEL, run, options.network, options.patch, settings)
        printed = called(HERE, MEMORY, run, volume, folder / "results", False)
    content = {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(sys.argv),
        "shape": options.shape,
        "network": options.network,
        "network_settings": settings,
        "patch": options.patch,
        **json.loads(printed.splitlines()[-1]),
    }
    text = json.dumps(content, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
