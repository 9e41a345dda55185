"""Two processes with half a batch each do what one does with the whole batch."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing as mp
from tiny_networks import FeatureJudge, Halved, Judge, Pooled
from torch import nn

from ecs_med.config import OptimizerSettings, StrongSettings
from ecs_med.distributed import mean_over_processes, process_group, rank, world_size
from ecs_med.methods import available_methods, method_class
from ecs_med.methods.self_training import StageTeacher
from ecs_med.networks.mask_corrector import MaskCorrector
from ecs_med.networks.parallel import make_parallel
from ecs_med.networks.teacher import MeanTeacher
from ecs_med.types import IGNORE_INDEX, Batch
from ecs_med.views import StrongViews

NUM_CLASSES = 3
NUM_STEPS = 3
TOLERANCE = 1e-10
"""In float64; what remains is the order of sums."""

pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed"
)


def network(in_channels: int, out_channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(in_channels, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Conv2d(6, out_channels, 1),
    )


def global_batch(step: int) -> Batch:
    """Four images, with more void in one half than in the other, so that counts differ."""
    torch.manual_seed(100 + step)
    labels = torch.randint(0, NUM_CLASSES, (4, 8, 8))
    labels[0, :5] = IGNORE_INDEX
    labels[3, 2] = IGNORE_INDEX
    valid = torch.ones(4, 8, 8, dtype=torch.bool)
    valid[1, 4:] = False
    images = torch.randn(4, 1, 8, 8, dtype=torch.float64)
    return Batch(images, labels, torch.randn_like(images), valid)


def part(value: torch.Tensor | None) -> torch.Tensor:
    assert value is not None
    rows = len(value) // world_size()
    return value[rank() * rows : (rank() + 1) * rows]


def with_corrector_on_features(method_name: str) -> dict[str, nn.Module]:
    networks: dict[str, nn.Module] = {}
    networks["segmenter"] = segmenter = Halved(1, NUM_CLASSES, dropout=0.5)
    networks["teacher"] = teacher = MeanTeacher(segmenter, 0.99)
    if method_name == "ecs-plus":
        networks["corrector"] = MaskCorrector(teacher.network, 1, NUM_CLASSES, width=6, narrow=4)
        return networks
    networks["corrector"] = corrector = FeatureJudge(segmenter, NUM_CLASSES, dropout=0.5)
    networks["corrector_teacher"] = average = MeanTeacher(corrector, 0.99)
    average.network.stand_on(teacher.network)  # type: ignore[operator]
    return networks


def networks_of(method_name: str) -> dict[str, nn.Module]:
    torch.manual_seed(0)
    networks = {"segmenter": network(1, NUM_CLASSES)}
    if method_name in ("ecmt", "ecs-plus"):
        networks = with_corrector_on_features(method_name)
    match method_name:
        case "ecs" | "corrector":
            networks["corrector"] = network(1 + NUM_CLASSES, NUM_CLASSES + 1)
        case "advsemiseg":
            networks["discriminator"] = network(NUM_CLASSES, 1)
        case "s4gan" | "s4gan+mlmt":
            networks["discriminator"] = Judge(1 + NUM_CLASSES, dropout=0.5)
        case "cps":
            networks["second"] = network(1, NUM_CLASSES)
        case "self-training":
            networks["teacher"] = StageTeacher(networks["segmenter"], NUM_CLASSES)
        case "unimatch" | "unimatch-v2":
            networks["segmenter"] = Halved(1, NUM_CLASSES, dropout=0.5)
    student = networks["segmenter"]
    if method_name == "s4gan+mlmt":
        networks["classifier"] = student = Pooled(1, NUM_CLASSES)
    if method_name in ("bcp", "fixmatch", "mean-teacher", "s4gan+mlmt", "unimatch-v2"):
        networks["teacher"] = MeanTeacher(student, 0.9)
    assert set(networks) == {"segmenter", *method_class(method_name).extra_networks}
    return {name: make_parallel(n.double()) for name, n in networks.items()}


def run_steps(method_name: str, progress: float = 0.5) -> dict[str, Any]:
    """Losses and weights after a few steps, on this process's part of each batch."""
    networks = networks_of(method_name)
    # Plain descent: Adam's first step is the gradient's sign and would magnify rounding.
    sgd = OptimizerSettings(name="sgd", lr=0.05)
    cls = method_class(method_name)
    # At 0.5 some are selected and some are not.
    has_threshold = "threshold" in cls.settings_class.model_fields
    settings = cls.settings_class.parse({"threshold": 0.5} if has_threshold else {})
    method = cls(networks, settings, dict.fromkeys(networks, sgd), num_classes=NUM_CLASSES)
    rows = []
    for step in range(NUM_STEPS):
        whole = global_batch(step)
        batch = Batch(*(part(v) for v in (whole.images, whole.labels)))
        if method.uses_unlabeled:
            unlabeled = (part(whole.unlabeled_images), part(whole.unlabeled_valid))
            torch.manual_seed(step)
            # Most boxes and windows come from an image of the other process.
            views = StrongViews(StrongSettings(cutmix=1.0, zoom=(0.5, 1.0)), method.strong_views)
            strong = views(*unlabeled, lambda values: values)
            batch = Batch(batch.images, batch.labels, *unlabeled, unlabeled_strong=strong)
        torch.manual_seed(step)
        method.train_mode()
        result = method.step(batch, progress)
        rows.append({k: mean_over_processes(v).item() for k, v in result.losses.items()})
        rows[-1] |= {k: v.item() for k, v in result.signals.items()}
    state = [v for n in networks.values() for v in n.state_dict().values() if v.is_floating_point()]
    return {"rows": rows, "weights": torch.cat([v.flatten() for v in state])}


def worker(number: int, method_name: str, progress: float, port: int, folder: str) -> None:
    import os

    os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    with process_group("cpu"):
        assert world_size() == 2
        torch.save(run_steps(method_name, progress), Path(folder) / f"{number}.pt")


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method_name", "progress"), [*((name, 0.5) for name in available_methods()), ("bcp", 0.1)]
)
def test_two_processes_step_as_one(method_name: str, progress: float, tmp_path: Path) -> None:
    alone = run_steps(method_name, progress)
    mp.spawn(worker, (method_name, progress, free_port(), str(tmp_path)), nprocs=2)
    results = [torch.load(tmp_path / f"{number}.pt", weights_only=True) for number in (0, 1)]
    torch.testing.assert_close(results[0]["weights"], results[1]["weights"], rtol=0, atol=0)
    for step, row in enumerate(alone["rows"]):
        # Signals are shares, kept in float32.
        for name, value in row.items():
            tolerance = 1e-6 if "share" in name or "accuracy" in name else TOLERANCE
            tolerance = 1e-6 if name == "mean_certainty" else tolerance
            assert results[0]["rows"][step][name] == pytest.approx(
                value, abs=tolerance, nan_ok=True
            ), name
    difference = (results[0]["weights"] - alone["weights"]).abs().max().item()
    assert difference < TOLERANCE


def test_one_process_is_left_as_it_is() -> None:
    plain = network(1, 2)
    assert make_parallel(plain) is plain
    assert isinstance(plain[1], nn.BatchNorm2d)  # type: ignore[index]
    value = torch.tensor(3)
    assert mean_over_processes(value) is value
