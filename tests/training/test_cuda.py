"""On a GPU: the same losses as on the CPU, and a whole run in bf16. Skipped without one."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ecs_med.config import TrainConfig
from ecs_med.inference.storing import load_model
from ecs_med.methods import Ecs
from ecs_med.networks import Initialization, build_corrector, build_segmenter
from ecs_med.training.train import train
from ecs_med.types import Batch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def method_on(device: str, networks: list[torch.nn.Module]) -> Ecs:
    segmenter, corrector = (copy.deepcopy(n).to(device) for n in networks)
    return Ecs(segmenter, corrector, TrainConfig(data=Path("unused")), num_classes=2)


def test_the_first_step_has_the_losses_of_the_cpu() -> None:
    torch.manual_seed(0)
    tiny = Initialization("test_resnet", "none")
    networks = [
        build_segmenter(tiny, in_channels=3, num_classes=2),
        build_corrector(tiny, in_channels=3, num_classes=2),
    ]
    for network in networks:
        for module in network.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
    images, unlabeled = torch.randn(2, 4, 3, 64, 64)
    labels = torch.randint(0, 2, (4, 64, 64))
    losses = {}
    for device in ("cpu", "cuda"):
        batch = Batch(images.to(device), labels.to(device), unlabeled.to(device))
        result = method_on(device, networks).step(batch)
        losses[device] = {name: value.item() for name, value in result.losses.items()}
    assert losses["cuda"] == pytest.approx(losses["cpu"], abs=1e-2)


def test_a_run_in_bf16_ends_and_its_model_loads_on_the_cpu(
    settings: Callable[..., TrainConfig],
) -> None:
    run = train(settings(device="cuda", precision="bf16"))
    assert (run / "metrics.json").is_file()
    model = load_model(run, device="cpu")
    logits = model.logits(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    assert torch.isfinite(logits).all()
