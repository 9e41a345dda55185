"""Quick copies of networks against the networks themselves."""

import copy
from pathlib import Path

import pytest
import torch
from agreement import assert_agree

import ecs_med
from ecs_med.config import Preparation
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.inference import predictor
from ecs_med.inference.copies import QuickCopies
from ecs_med.inference.model import Model
from ecs_med.inference.predictor import segment, slices_at_once
from ecs_med.networks import Initialization, build_segmenter
from ecs_med.runs import ModelSpec

SHARED = Path(__file__).parents[3] / "shared" / "data"
SETTINGS = {"iterations": 6, "batch": 2, "crop": 32, "max_size": 64, "device": "cpu"}
SETTINGS |= {"encoder": "tf_efficientnet_lite0", "encoder_weights": "none", "method": "ecs-plus"}


def slow(model: Model) -> Model:
    """The same networks, each computed as it is and by itself."""
    found = Model(
        model.spec, model.segmenter, model.corrector, device=model.device, run=model.run,
    )  # fmt: skip
    found.logits_and_judgement = lambda part: (  # type: ignore[method-assign]
        (logits := found.logits(part)), found.correct(part, logits)
    )  # fmt: skip
    return found


@pytest.fixture(scope="module")
def model(example_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    run = tmp_path_factory.mktemp("quick") / "run"
    settings = {**SETTINGS, "data": example_folder, "labeled": "50%", "run": run}
    return ecs_med.load_model(ecs_med.train(settings), "cpu")


def assert_same(model: Model, path: Path) -> None:
    """Probabilities within 1e-5; labels and corrections equal, but where two classes tie."""
    found, expected = (segment(m, path, certainty=True) for m in (model, slow(model)))
    assert abs(found.certainty - expected.certainty).max() < 1e-5
    assert (found.labels != expected.labels).mean() < 1e-6
    assert (found.correction != expected.correction).mean() < 1e-6


def test_predictions_are_those_of_the_networks(model: Model, example_folder: Path) -> None:
    for path in sorted((example_folder / "test" / "images").iterdir()):
        assert_same(model, path)


@pytest.mark.parametrize("size", [(64, 64), (50, 70)])
def test_features_that_are_shared_give_the_same(model: Model, size: tuple[int, int]) -> None:
    slices = torch.rand(2, 3, *size)
    logits, judged = model.logits_and_judgement(slices)
    torch.testing.assert_close(logits, slow(model).logits(slices), rtol=0, atol=1e-5)
    torch.testing.assert_close(judged, slow(model).correct(slices, logits), rtol=0, atol=1e-5)


def test_networks_stay_as_they_are_saved(model: Model, example_folder: Path) -> None:
    before = {name: n.state_dict().keys() for name, n in model.networks().items()}
    segment(model, next((example_folder / "test" / "images").iterdir()))
    again = ecs_med.load_model(model.run, "cpu").networks()
    for name, network in model.networks().items():
        assert network.state_dict().keys() == before[name]
        for key, values in network.state_dict().items():
            assert torch.equal(values, again[name].state_dict()[key])


def test_a_network_that_was_changed_is_copied_again(model: Model) -> None:
    loaded, slices = ecs_med.load_model(model.run, "cpu"), torch.rand(1, 3, 64, 64)
    first, _ = loaded.logits_and_judgement(slices)
    with torch.no_grad():
        for values in loaded.segmenter.parameters():
            values.mul_(1.1)
    logits, judged = loaded.logits_and_judgement(slices)
    assert (logits - first).abs().max() > 1e-3
    torch.testing.assert_close(logits, slow(loaded).logits(slices), rtol=0, atol=1e-4)
    torch.testing.assert_close(judged, slow(loaded).correct(slices, logits), rtol=0, atol=1e-4)


@pytest.mark.parametrize("part", ["layer", "weight"])
def test_a_network_of_which_something_was_replaced_is_copied_again(model: Model, part: str) -> None:
    loaded, slices = ecs_med.load_model(model.run, "cpu"), torch.rand(1, 3, 64, 64)
    first = loaded.logits(slices)
    head = loaded.segmenter.get_submodule("segmentation_head")
    convolution = head.get_submodule("0")
    assert isinstance(convolution, torch.nn.Conv2d)
    if part == "layer":
        convolution = copy.deepcopy(convolution)
        head.add_module("0", convolution)
    convolution.weight = torch.nn.Parameter(2 * convolution.weight.detach())
    logits = loaded.logits(slices)
    assert (logits - first).abs().max() > 1e-3
    torch.testing.assert_close(logits, slow(loaded).logits(slices), rtol=0, atol=1e-4)


def test_volumes_go_through_one_by_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    first = Initialization("unet3d", "network")
    network = build_segmenter(first, in_channels=1, num_classes=2, network="unet3d").eval()
    spec = ModelSpec(
        method="supervised", labels=LabelScheme(class_names=("background", "one")),
        preparation=Preparation(), kind="volume", in_channels=1, mean=(0.0,), std=(1.0,),
        spatial_dims=3, network="unet3d", encoder=None, corrector_encoder=None, crop=32,
        patch=(32, 32, 32), initialization="none",
    )  # fmt: skip
    device, volume = torch.device("cpu"), torch.rand(1, 1, 40, 32, 32)
    quick = Model(spec, network, None, device=device, run=tmp_path, quick=QuickCopies())
    plain = Model(spec, network, None, device=device, run=tmp_path)
    torch.testing.assert_close(quick.logits(volume), plain.logits(volume), rtol=1e-4, atol=1e-4)


def test_slices_at_once_by_their_pixels(model: Model) -> None:
    for side, expected in ((64, 8), (256, 6), (352, 3), (1024, 1)):
        assert slices_at_once(model, torch.empty(9, 1, side, side), predictor.BATCH) == expected


def test_pictures_that_share_a_batch_are_computed_in_parts(
    model: Model, example_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = sorted((example_folder / "test" / "images").iterdir())
    case = predictor.PreparedCase
    scans = [predictor.read_scan(path) for path in paths]
    cases = [
        (path, case.of_scan(scan, model.spec.preparation))
        for path, scan in zip(paths, scans, strict=True)
    ]
    expected = [found.labels for _, _, found in predictor.segment_cases(model, cases)]
    monkeypatch.setattr(predictor, "PIXELS", 1)
    found = [found.labels for _, _, found in predictor.segment_cases(model, cases)]
    assert all((a == b).all() for a, b in zip(found, expected, strict=True))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not there")
def test_predictions_of_real_pictures(model: Model) -> None:
    for path in sorted((SHARED / "kvasir-seg" / "validation" / "images").iterdir())[:6]:
        assert_agree(model, slow(model), path)


def test_hooks_on_the_networks_see_what_is_computed(model: Model) -> None:
    slices = torch.rand(1, 3, 64, 64)
    model.logits(slices)  # there is a copy now
    seen: list[torch.Tensor] = []
    convolution = next(m for m in model.segmenter.modules() if isinstance(m, torch.nn.Conv2d))
    hook = convolution.register_forward_hook(lambda *given: seen.append(given[2]))
    for _ in range(2):
        watched = model.logits(slices)
    hook.remove()
    assert len(seen) == 2
    assert len({id(output) for output in seen}) == 2
    torch.testing.assert_close(model.logits(slices), watched, rtol=0, atol=1e-5)
    assert len(seen) == 2
