"""What is kept of a candidate against loops over its pixels."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import ecs_med
from ecs_med.acquisition.chunks import model_chunks
from ecs_med.acquisition.features import NUM_FEATURES, FeatureMean, PackagedFeatures, watched
from ecs_med.acquisition.look import rounded
from ecs_med.acquisition.lookers import ModelLooker, looker_for
from ecs_med.acquisition.pictures import draw_case
from ecs_med.inference import model as model_module
from ecs_med.networks.packaged import has_packaged_weights
from ecs_med.types import UnlabeledCase


def picture(phantom):
    path = sorted((phantom / "train/images").iterdir())[-1]
    return UnlabeledCase("last", (path,))


def test_scores_are_means_over_pixels(phantom, run):
    model = ecs_med.load_model(run, "cpu")
    looker = ModelLooker(model)
    case = picture(phantom)
    found = looker(case, "digest")
    slices = looker.prepare(case).slices
    logits = model.logits(slices)
    p = logits.softmax(dim=1)[0].double().numpy()
    right = model.correct(slices, logits)[0, -1].double().numpy()
    height, width = right.shape
    entropy = doubt = 0.0
    by_class = np.zeros(len(p))
    for row in range(height):
        for column in range(width):
            own = p[:, row, column]
            here = -sum(float(q) * math.log(float(q)) for q in own if q > 0) / math.log(len(own))
            entropy += here
            by_class += here * own
            doubt += (1 - right[row, column]) * sum(float(q) for q in own[1:])
    assert found.entropy == pytest.approx(entropy / (height * width), rel=1e-4)
    assert found.class_entropies == pytest.approx(by_class / (height * width), rel=1e-4)
    assert sum(found.class_entropies) == pytest.approx(found.entropy, rel=1e-4)
    assert found.doubt == pytest.approx(doubt / (height * width), rel=1e-4)
    assert sum(found.pixels) == height * width
    assert (found.case, found.files, found.num_slices) == ("last", "digest", 1)
    assert 1 <= len(found.features) <= NUM_FEATURES


def test_features_are_the_deepest_of_the_encoder(phantom, run):
    model = ecs_med.load_model(run, "cpu")
    looker = ModelLooker(model)
    slices = looker.prepare(picture(phantom)).slices
    with watched(model.segmenter) as features:
        model.logits(slices)
    images = model.normalization(slices)
    with torch.inference_mode():
        deepest = model.segmenter.eval().encoder(images)[-1]
    mean = deepest.double().mean(dim=(0, 2, 3)).numpy()
    if len(mean) > NUM_FEATURES:
        matrix = np.random.default_rng(0).standard_normal((len(mean), NUM_FEATURES))
        mean = mean @ matrix / math.sqrt(NUM_FEATURES)
    assert features.vector() == pytest.approx(mean.tolist(), rel=1e-4, abs=1e-4)


def test_a_network_without_an_encoder_gives_its_widest_convolution():
    network = nn.Sequential(nn.Conv2d(1, 5, 3), nn.ReLU(), nn.Conv2d(5, 2, 1))
    with watched(network) as features:
        network(torch.zeros(2, 1, 8, 8))
    bias = network[0].bias.tolist()
    assert features.vector() == pytest.approx(bias, rel=1e-4)
    assert not network[0]._forward_hooks
    with watched(nn.ReLU()) as nothing:
        pass
    assert nothing.vector() == (0.0,)


def test_wide_features_are_projected_and_keep_distances():
    rng = np.random.default_rng(2)
    wide = rng.normal(size=(6, 1280)).astype(np.float32)
    narrow = []
    for row in wide:
        mean = FeatureMean()
        mean.add(torch.from_numpy(row)[None, :, None, None])
        narrow.append(mean.vector())
    assert len(narrow[0]) == NUM_FEATURES
    for i in range(1, 6):
        far = np.linalg.norm(wide[i] - wide[0])
        assert np.linalg.norm(np.subtract(narrow[i], narrow[0])) == pytest.approx(far, rel=0.4)


def test_without_a_corrector_there_is_no_doubt(phantom, plain_run):
    found = ModelLooker(ecs_med.load_model(plain_run, "cpu"))(picture(phantom), "")
    assert found.doubt is None
    assert found.entropy is not None


@pytest.mark.skipif(not has_packaged_weights(), reason="the packaged weights are not installed")
def test_encoder_features_are_the_same_on_every_look(phantom):
    look = looker_for("features", None, torch.device("cpu"))
    assert look(picture(phantom), "") == look(picture(phantom), "")
    assert PackagedFeatures(torch.device("cpu")).name in look.source


def test_numbers_are_kept_as_they_are_read_back():
    assert rounded([1 / 3, math.inf]) == (0.333333, 0.0)


def test_a_large_picture_is_seen_in_rows_as_it_is_whole(run, tmp_path, monkeypatch):
    pixels = np.random.default_rng(3).integers(0, 255, (112, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "large.png")
    case = UnlabeledCase("large", (tmp_path / "large.png",))
    found = ecs_med.load_model(run, "cpu")
    size = found.spec.preparation.model_copy(update={"max_size": 0})
    found.spec = found.spec.model_copy(update={"tile": 32, "preparation": size})
    looker = ModelLooker(found)
    whole = looker(case, "")
    drawn = draw_case(looker, case, whole)
    monkeypatch.setattr(model_module, "LARGE_VALUES", 1000)
    chunks = list(model_chunks(found, looker.prepare(case)))
    assert len(chunks) > 1
    assert sum(chunk.labels.shape[1] for chunk in chunks) == 112
    rows = looker(case, "")
    assert rows.pixels == whole.pixels
    assert rows.doubt == pytest.approx(whole.doubt, rel=1e-4)
    assert rows.entropy == pytest.approx(whole.entropy, rel=1e-4)
    assert rows.features == pytest.approx(whole.features, rel=1e-2, abs=1e-2)
    assert list(draw_case(looker, case, rows)) == list(drawn)
