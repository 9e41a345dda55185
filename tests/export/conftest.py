from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ecs_med.config import Preparation
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.inference.model import Model
from ecs_med.networks import Initialization, build_segmenter
from ecs_med.networks.mask_corrector import MaskCorrector
from ecs_med.runs import ModelSpec

CLASSES = ("background", "one", "two")
_PATCHES = {"spatial_dims": 3, "patch": (16, 32, 16)}
VOLUME_NETWORKS: dict[str, dict[str, Any]] = {
    "unet3d": {**_PATCHES, "network_settings": {"channels": [4, 8, 16], "residual_units": 1}},
    "dynunet": {**_PATCHES, "network_settings": {"channels": [4, 8, 16], "residual": True}},
}
"""Small ones, by their name, and the patches in which they see volumes."""


def balance(network: torch.nn.Module, images: torch.Tensor) -> None:
    """Make every class as large as the others in the mean, by the last bias of the logits."""
    with torch.no_grad():
        mean = network(images).transpose(0, 1).flatten(1).mean(1)
        [p for p in network.parameters() if p.shape == mean.shape][-1].sub_(mean)


@pytest.fixture
def make_model(tmp_path: Path) -> Any:
    """Builds a model of random weights on timm's smallest encoder, another one, or in 3-D."""

    def make(
        kind: str = "picture",
        *,
        encoder: str | None = "test_resnet",
        corrects: bool = False,
        **given: Any,
    ) -> Model:
        torch.manual_seed(3)
        channels = 3 if kind == "picture" else 1
        preparation = given.pop("preparation", {})
        if given.get("network") in VOLUME_NETWORKS:
            encoder = None
            given = {**VOLUME_NETWORKS[given["network"]], **given}
        spec = ModelSpec(
            method="ecs-plus" if corrects else "supervised",
            labels=given.pop("labels", LabelScheme(class_names=CLASSES)),
            preparation=Preparation.parse(preparation),
            kind=kind,
            in_channels=channels,
            mean=(0.4,) * channels,
            std=(0.3,) * channels,
            encoder=encoder,
            corrector="mask" if corrects else None,
            corrector_encoder=None,
            corrects=corrects,
            crop=32,
            initialization="random",
            **given,
        )
        first = Initialization(encoder or spec.network, "none")
        segmenter = build_segmenter(
            first,
            in_channels=spec.network_channels,
            num_classes=3,
            network=spec.network,
            settings=spec.network_settings,
        )
        corrector = MaskCorrector(segmenter, spec.network_channels, 3) if corrects else None
        for network in (segmenter, corrector):
            for parameter in network.parameters() if network else ():
                if parameter.ndim >= 4:  # random networks say one class everywhere
                    torch.nn.init.kaiming_normal_(parameter)
        balance(segmenter.eval(), torch.rand(1, spec.network_channels, *spec.patch or (64, 64)))
        networks = [None if n is None else n.eval() for n in (segmenter, corrector)]
        run = tmp_path / "runs" / "tiny"
        run.mkdir(parents=True, exist_ok=True)
        return Model(spec, *networks, device=torch.device("cpu"), run=run)  # type: ignore[arg-type]

    return make


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three pictures of odd sides, one of them grey."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    random = np.random.default_rng(0)
    for name, size in {"a": (45, 70, 3), "b": (64, 64, 3), "grey": (33, 50)}.items():
        pixels = random.integers(0, 256, size).astype(np.uint8)
        Image.fromarray(pixels).resize((size[1], size[0])).save(folder / f"{name}.png")
    return folder
