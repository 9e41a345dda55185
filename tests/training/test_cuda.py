"""On a GPU: the same losses as on the CPU, and a whole run in bf16."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ecs_med.config import TrainConfig
from ecs_med.inference.storing import load_model
from ecs_med.methods import Ecs, EcsSettings, optimizer_settings
from ecs_med.networks import Initialization, build_corrector, build_segmenter
from ecs_med.training.train import train
from ecs_med.types import Batch

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
GPU = pytest.param("cuda", marks=[pytest.mark.gpu, needs_cuda])
# The CPU is held against itself, so that these tests do not rot where there is no GPU.
devices = pytest.mark.parametrize("device", ["cpu", GPU])


def method_on(device: str, networks: dict[str, torch.nn.Module]) -> Ecs:
    moved = {name: copy.deepcopy(network).to(device) for name, network in networks.items()}
    optimizers = optimizer_settings(TrainConfig(data=Path("unused"), method="ecs"))
    return Ecs(moved, EcsSettings(), optimizers, num_classes=2)


@devices
def test_the_first_step_has_the_losses_of_the_cpu(device: str) -> None:
    torch.manual_seed(0)
    tiny = Initialization("test_resnet", "none")
    networks = {
        "segmenter": build_segmenter(tiny, in_channels=3, num_classes=2),
        "corrector": build_corrector(tiny, in_channels=3, num_classes=2),
    }
    for network in networks.values():
        for module in network.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
    images, unlabeled = torch.randn(2, 4, 3, 64, 64)
    labels = torch.randint(0, 2, (4, 64, 64))
    losses = {}
    for where in ("cpu", device):
        batch = Batch(images.to(where), labels.to(where), unlabeled.to(where))
        result = method_on(where, networks).step(batch)
        losses[where] = {name: value.item() for name, value in result.losses.items()}
    assert set(losses["cpu"]) == {"segmentation", "correction", "judgement", "pseudo"}
    assert losses[device] == pytest.approx(losses["cpu"], abs=1e-2)


@pytest.mark.gpu
@needs_cuda
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_compiled_run_has_the_losses_of_one_that_is_not(
    settings: Callable[..., TrainConfig], tmp_path: Path, precision: str
) -> None:
    sgd = {"name": "sgd", "lr": 0.01}
    common = {"device": "cuda", "precision": precision, "iterations": 3, "method": "ecs-plus"}
    common["optimizers"] = {"segmenter": sgd, "corrector": sgd}
    runs = [
        train(settings(**common, compile=is_on, run=tmp_path / f"compiled-{is_on}"))
        for is_on in (False, True)
    ]
    plain, compiled = (
        [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
        for run in runs
    )
    assert not any(
        "compile" in text
        for text in json.loads((runs[1] / "manifest.json").read_text())["warnings"]
    )
    for found, expected in zip(compiled, plain, strict=True):
        if found["kind"] == "train":
            tolerance = 1e-4 if precision == "fp32" else 2e-2
            assert found["losses"] == pytest.approx(expected["losses"], rel=tolerance)


@devices
def test_a_run_in_bf16_ends_and_its_model_loads_on_the_cpu(
    settings: Callable[..., TrainConfig], device: str
) -> None:
    run = train(settings(device=device, precision="bf16"))
    assert (run / "metrics.json").is_file()
    model = load_model(run, device="cpu")
    logits = model.logits(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    assert torch.isfinite(logits).all()
