"""`compile`: the same training, and a word where there can be none."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ecs_med.config import TrainConfig
from ecs_med.errors import SettingsError
from ecs_med.networks import Initialization, build_segmenter, compiling
from ecs_med.networks.compiling import compile_networks, uncompiled
from ecs_med.networks.halves import decode, encode
from ecs_med.training import run as run_module
from ecs_med.training.train import train

Build = Callable[..., TrainConfig]
CPU = torch.device("cpu")
needs_compiler = pytest.mark.skipif(
    compiling._obstacle(CPU) is not None, reason="PyTorch cannot compile here"
)


class Counting:
    """A backend of `torch.compile` that counts what it is given and leaves it as it is."""

    def __init__(self) -> None:
        self.compiled = self.run = 0

    def __call__(self, graph: torch.fx.GraphModule, _: Any, **__: Any) -> Callable[..., Any]:
        self.compiled += 1

        def run(*args: Any) -> Any:
            self.run += 1
            return graph(*args)

        return run


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Counting:
    """Takes the place of TorchInductor, which takes its time."""
    torch.compiler.reset()
    counting = Counting()
    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda *a, **k: real(*a, **{**k, "backend": counting}))
    monkeypatch.setattr(compiling, "_obstacle", lambda device: None)
    return counting


def losses(run: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    return [row["losses"] for row in rows if row["kind"] == "train"]


@needs_compiler
def test_losses_of_compiled_networks_are_the_same(settings: Build, tmp_path: Path) -> None:
    # Not Adam, whose first step has one size however small the gradient: rounding would show.
    sgd = {"name": "sgd", "lr": 0.01}
    common = {"method": "ecs-plus", "iterations": 3, "evaluate_every": 3}
    common["optimizers"] = {"segmenter": sgd, "corrector": sgd}
    plain = train(settings(**common, run=tmp_path / "plain"))
    compiled = train(settings(**common, compile=True))
    for found, expected in zip(losses(compiled), losses(plain), strict=True):
        assert found == pytest.approx(expected, rel=1e-4)
    warnings = json.loads((compiled / "manifest.json").read_text())["warnings"]
    assert warnings == [
        "`compile`: on a CPU a compiled step was measured to take 1.3 times as long as one that is "
        "not (docs/speed.md)."
    ]


def test_halves_of_a_network_run_compiled_and_copies_and_scores_do_not(backend: Counting) -> None:
    weights = Initialization("test_resnet", "none")
    network = build_segmenter(weights, in_channels=3, num_classes=2).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = network(images)
        assert compile_networks([network, nn.Sequential(network)], CPU) is None
        copied = copy.deepcopy(network)
        torch.testing.assert_close(decode(network, encode(network, images)), expected)
        assert backend.run == backend.compiled == 3  # encoder, decoder, head
        torch.testing.assert_close(network(images), expected)
        assert (backend.run, backend.compiled) == (6, 3)
        with uncompiled():
            network(torch.rand(1, 3, 96, 32))
        copied(images)
    assert (backend.run, backend.compiled) == (6, 3)
    assert list(network.state_dict()) == list(copied.state_dict())


def test_every_step_of_a_run_is_compiled_and_no_validation(
    settings: Build, backend: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    real = run_module.Scoring.in_between

    def counted(*args: Any, **kwargs: Any) -> Any:
        before = backend.run
        row = real(*args, **kwargs)
        counts.append(backend.run - before)
        return row

    monkeypatch.setattr(run_module.Scoring, "in_between", counted)
    train(settings(method="ecs-plus", compile=True))
    assert counts == [0, 0]
    # Segmenter twice, teacher, and what the corrector has of more than one layer, four times.
    assert backend.run % 4 == 0
    assert backend.run >= 4 * 9


def test_what_stands_in_the_way_is_said_and_training_goes_on(
    settings: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("\nno compiler is found.\nmore")

    monkeypatch.setattr(torch, "compile", broken)
    run = train(settings(compile=True))
    warnings = json.loads((run / "manifest.json").read_text())["warnings"]
    assert warnings[0] == (
        "`compile` is left out, since PyTorch cannot compile here (no compiler is found.); "
        "training goes on without it."
    )


def test_what_fails_in_a_step_becomes_a_sentence(
    settings: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(graph: torch.fx.GraphModule, _: Any, **__: Any) -> Any:
        raise RuntimeError("a layer too many")

    torch.compiler.reset()
    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda *a, **k: real(*a, **{**k, "backend": failing}))
    monkeypatch.setattr(compiling, "_obstacle", lambda device: None)
    with pytest.raises(SettingsError, match=r"`compile`.*a layer too many.*new run without"):
        train(settings(compile=True))
