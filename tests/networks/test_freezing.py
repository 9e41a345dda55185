"""Encoders that stay as they began."""

import copy
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

import ecs_med
from ecs_med.config import OptimizerSettings, TrainConfig
from ecs_med.errors import SettingsError
from ecs_med.methods import Supervised, available_methods, method_class
from ecs_med.methods.optimizers import build_optimizer
from ecs_med.networks import Initialization, build_segmenter, choose_initialization
from ecs_med.networks.freezing import freeze, is_frozen
from ecs_med.networks.modes import evaluating, frozen
from ecs_med.networks.teacher import MeanTeacher
from ecs_med.types import Batch
from ecs_med_datasets.phantom import write_phantom


def segmenter(*, is_frozen: bool = True, network: str = "deeplabv3plus") -> nn.Module:
    torch.manual_seed(0)
    weights = Initialization("test_resnet", "run", Path("run"), frozen=is_frozen)
    return build_segmenter(weights, in_channels=3, num_classes=2, network=network)


def encoder_state(network: nn.Module) -> dict[str, torch.Tensor]:
    state = network.get_submodule("encoder").state_dict()
    return {key: value.clone() for key, value in state.items()}


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(found[key], value), key


def test_names_and_values_are_those_of_the_free_network() -> None:
    free = segmenter(is_frozen=False)
    assert_same(dict(segmenter().state_dict()), dict(free.state_dict()))
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(segmenter().eval()(images), free.eval()(images))


@pytest.mark.parametrize("network", ["deeplabv3plus", "deeplabv2"])
def test_steps_move_everything_but_the_encoder(network: str) -> None:
    model = segmenter(network=network)
    before, encoder = copy.deepcopy(model.state_dict()), encoder_state(model)
    optimizers = {"segmenter": OptimizerSettings(name="sgd", lr=0.1, head_factor=2)}
    method = Supervised(
        {"segmenter": model}, Supervised.settings_class(), optimizers, num_classes=2
    )
    for _ in range(2):
        method.train_mode()
        assert model.training
        assert not any(m.training for m in model.get_submodule("encoder").modules())
        method.step(Batch(torch.randn(2, 3, 64, 64), torch.randint(0, 2, (2, 64, 64))))
    assert_same(encoder_state(model), encoder)
    for name, parameter in model.named_parameters():
        if not name.startswith("encoder."):
            assert not torch.equal(parameter, before[name]), name


def test_its_batch_normalization_uses_the_statistics_that_were_loaded() -> None:
    images = 5 + 3 * torch.randn(4, 3, 64, 64)
    encoder, free = (segmenter(is_frozen=f).get_submodule("encoder") for f in (True, False))
    expected = free.eval()(images)[-1]
    assert torch.equal(encoder.train()(images)[-1], expected)
    assert not torch.equal(free.train()(images)[-1], expected)


def test_nothing_of_the_encoder_is_kept_for_a_backward_pass() -> None:
    def kept(network: nn.Module) -> int:
        """Bytes that autograd holds beside the weights."""
        weights = {p.data_ptr() for p in network.parameters()}
        held: dict[int, int] = {}

        def hold(tensor: torch.Tensor) -> torch.Tensor:
            if tensor.data_ptr() not in weights:
                held[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
            network.train()(torch.randn(2, 3, 64, 64))
        return sum(held.values())

    whole, head = segmenter(), segmenter(is_frozen=False)
    images = torch.randn(2, 3, 64, 64)
    assert not any(f.requires_grad for f in whole.get_submodule("encoder")(images))
    assert kept(whole) < 0.8 * kept(head)


def test_optimisers_skip_it() -> None:
    model = segmenter()
    trained = {id(p) for n, p in model.named_parameters() if not n.startswith("encoder.")}
    for factor, groups in ((1.0, 1), (10.0, 1)):
        settings = OptimizerSettings(name="adam", lr=0.1, head_factor=factor)
        optimizer = build_optimizer(model, settings)
        assert {id(p) for group in optimizer.param_groups for p in group["params"]} == trained
        assert len(optimizer.param_groups) == groups


def test_copies_and_teachers_are_frozen_too() -> None:
    student = segmenter()
    for copied in (copy.deepcopy(student), MeanTeacher(student, 0.5).network):
        assert is_frozen(copied.get_submodule("encoder"))
        assert not copied.train().get_submodule("encoder").training
    teacher = MeanTeacher(student, 0.5)
    before = encoder_state(student)
    for _ in range(3):
        teacher.follow(student)
    assert_same(encoder_state(teacher.network), before)


def test_modes_of_others_do_not_wake_it_up() -> None:
    model = segmenter().train()
    encoder = model.get_submodule("encoder")
    with evaluating(model):
        assert not encoder.training
    with frozen(model):
        pass
    freeze(encoder)  # Once more changes nothing.
    assert model.training
    assert not encoder.training
    assert not any(p.requires_grad for p in encoder.parameters())
    assert type(encoder).__name__.count("Frozen") == 1


def test_random_weights_are_not_frozen(tmp_path: Path) -> None:
    values = {"data": tmp_path, "encoder_weights": "none", "freeze_encoder": True}
    with pytest.raises(SettingsError, match="A frozen resnet50 would keep its random weights"):
        choose_initialization(TrainConfig.parse(values))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(encoder_state(segmenter(is_frozen=False)), path)
    return path


@pytest.fixture
def settings(tmp_path: Path, weights: Path) -> Callable[..., dict[str, Any]]:
    write_phantom(tmp_path / "data", num_images=16, seed=0, size=32)
    given = {
        "data": tmp_path / "data",
        "labeled": "50%",
        "run": tmp_path / "run",
        "iterations": 2,
        "batch": 2,
        "crop": 32,
        "min_size": 0,
        "encoder": "test_resnet",
        "encoder_weights": str(weights),
        "freeze_encoder": True,
        "device": "cpu",
        "cache": tmp_path / "cache",
        "keep": "last",
    }
    return lambda **values: given | values


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", [name for name in available_methods() if not method_class(name).needs_origin]
)
def test_every_method_trains_on_a_frozen_encoder(
    settings: Callable[..., dict[str, Any]], weights: Path, method: str
) -> None:
    run = ecs_med.train(settings(method=method))
    expected = safetensors.torch.load_file(weights)
    model = ecs_med.load_model(run)
    assert_same(encoder_state(model.segmenter), expected)
    assert model.spec.initialization.endswith("which stay as they are (frozen encoder)")
    assert "frozen encoder" in (run / "report.html").read_text(encoding="utf-8")
    assert '"freeze_encoder": true' in (run / "config.json").read_text()
    last = sorted((run / "checkpoints").glob("*.safetensors"))[-1]
    saved = safetensors.torch.load_file(last)
    for prefix in segmenters_of(method, saved):
        own = {k.removeprefix(prefix): v for k, v in saved.items() if k.startswith(prefix)}
        assert_same(own, expected)
    if model.spec.corrector_encoder is not None:
        assert model.corrector is not None
        learned = encoder_state(model.corrector)
        last_layer = next(k for k in reversed(expected) if expected[k].ndim == 4)
        assert not torch.equal(learned[last_layer], expected[last_layer])


def segmenters_of(method: str, saved: Collection[str]) -> set[str]:
    """Beginnings of names in a checkpoint: encoders of segmenters, their copies and averages."""
    extra = method_class(method).extra_networks
    others = {"corrector", "discriminator", "classifier"}
    if "classifier" in extra:  # The teacher is its average.
        others.add("teacher")
    names = (key for key in saved if key.startswith("network.") and "encoder." in key)
    found = {name.split("encoder.")[0] + "encoder." for name in names}
    found = {name for name in found if name.split(".")[1] not in others}
    assert "network.segmenter.encoder." in found
    return found


def test_a_run_resumes_with_it_and_another_one_starts_from_it(
    settings: Callable[..., dict[str, Any]], tmp_path: Path, weights: Path
) -> None:
    first = ecs_med.train(settings(method="supervised"))
    started = {"start_from": first, "run": tmp_path / "second", "encoder_weights": "auto"}
    run = ecs_med.train(settings(method="supervised", **started))
    expected = safetensors.torch.load_file(weights)
    assert_same(encoder_state(ecs_med.load_model(run).segmenter), expected)
    (run / "metrics.json").unlink()
    assert ecs_med.train({**settings(method="supervised", **started)}, resume=True) == run
