"""Large pictures on their own grid: row of tiles by row of tiles, with the same labels."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ecs_med.config import Preparation
from ecs_med.data.masks.reading import LabelScheme
from ecs_med.data.readers import Scan
from ecs_med.inference import model as model_module
from ecs_med.inference.model import Model
from ecs_med.inference.predictor import segment
from ecs_med.networks import Initialization, build_segmenter
from ecs_med.networks.correctors import CORRECTORS, CorrectorPlan, corrector_kind
from ecs_med.runs.spec import ModelSpec

SMALL = 6000
"""Values from which on a picture goes in rows of tiles, in these tests."""


def picture(height, width, seed=0):
    """Smooth colours with an edge or two."""
    rng = np.random.default_rng(seed)
    coarse = torch.tensor(rng.random((1, 3, 7, 9)), dtype=torch.float32)
    fine = F.interpolate(coarse, size=(height, width), mode="bicubic")[0].clamp(0, 1) * 255
    noise = torch.tensor(rng.integers(0, 20, (3, height, width)))
    return (fine + noise).clamp(0, 255).byte().numpy()


@pytest.fixture(scope="module")
def make_model(tmp_path_factory):
    """Real networks with random weights, whose classes change from place to place."""

    def make(tile=64, num_classes=4, kind="network", **preparation):
        torch.manual_seed(3)
        names = ("background", *(f"class {i}" for i in range(1, num_classes)))
        spec = ModelSpec(
            method="ecs",
            labels=LabelScheme(class_names=names),
            preparation=Preparation(**preparation),
            kind="picture",
            in_channels=3,
            mean=(0.5,) * 3,
            std=(0.25,) * 3,
            encoder="resnet18",
            corrector=kind,
            corrector_encoder="resnet18" if kind == "network" else None,
            crop=32,
            tile=tile,
            initialization="none",
        )
        size = {"in_channels": 3, "num_classes": num_classes}
        first = Initialization("resnet18", "none")
        segmenter = build_segmenter(first, **size)
        plan = CorrectorPlan(segmenter, first, **size)
        networks = [segmenter, corrector_kind(kind).build(plan)]
        for network in networks:
            for part in network.modules():
                if isinstance(part, nn.BatchNorm2d):
                    part.running_mean.normal_(0, 0.1)
        run = tmp_path_factory.mktemp("runs") / "model"
        run.mkdir()
        model = Model(spec, *networks, device=torch.device("cpu"), run=run)
        _centre(model)
        return model

    return make


def _centre(model):
    """Let every class win somewhere: no channel of the logits lies above the others everywhere."""
    with torch.inference_mode():
        found = model.logits(torch.tensor(picture(96, 96))[None])
    last = [m for m in model.segmenter.modules() if isinstance(m, nn.Conv2d)][-1]
    with torch.no_grad():
        last.bias -= found.mean(dim=(0, 2, 3)).clone()


def both_ways(monkeypatch, model, pixels, **options):
    """Results at once and in bands."""
    scan = Scan(pixels, None, "picture")
    whole = segment(model, scan, **options)
    monkeypatch.setattr(model_module, "LARGE_VALUES", SMALL)
    return whole, segment(model, scan, **options)


@pytest.mark.parametrize(
    ("height", "width"),
    [(150, 170), (200, 70), (64, 230), (40, 300), (300, 40), (128, 129), (97, 64), (112, 112)],
)
def test_tiles_row_by_row_give_what_all_at_once_gives(monkeypatch, make_model, height, width):
    model = make_model()
    calls = []
    monkeypatch.setattr(
        model, "rows", lambda *a, **k: calls.append(1) or Model.rows(model, *a, **k)
    )
    whole, banded = both_ways(monkeypatch, model, picture(height, width), certainty=True)
    assert calls == [1]
    np.testing.assert_array_equal(banded.labels, whole.labels)
    np.testing.assert_array_equal(banded.correction, whole.correction)
    # The softmax of fewer rows rounds the odd last bit otherwise.
    np.testing.assert_allclose(banded.certainty, whole.certainty, rtol=0, atol=1e-6)
    assert len(np.unique(whole.labels)) > 1


@pytest.mark.parametrize("kind", CORRECTORS)
def test_logits_of_tiles_are_bit_equal(make_model, kind):
    model = make_model(kind=kind)
    pixels = torch.tensor(picture(150, 170))
    with torch.inference_mode(), model.evaluating():
        logits = model.logits(pixels[None])
        probabilities = model.correct(pixels[None], logits)
        found = list(model.rows(pixels, corrector=True))
    assert torch.equal(torch.cat([a for _, a, _ in found if a is not None], 2), logits)
    judged = torch.cat([b for _, _, b in found if b is not None], 2)
    torch.testing.assert_close(judged, probabilities, rtol=0, atol=1e-6)
    # Never more than a row of tiles is told at once.
    assert max(a.shape[2] for _, a, _ in found if a is not None) <= 64
