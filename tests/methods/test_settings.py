"""Methods are found, and what a run says to them is checked and told apart."""

from pathlib import Path
from typing import Any

import plugins
import pytest

from ecs_med.config import OptimizerSettings, TrainConfig
from ecs_med.errors import SettingsError
from ecs_med.methods import (
    Ecs,
    EcsSettings,
    available_methods,
    fixed_settings,
    method_class,
    method_settings,
    optimizer_settings,
    with_own_settings,
)
from ecs_med.methods.settings import shared_optimizers

OURS = (
    *("advsemiseg", "bcp", "corrector", "cps", "ecmt", "ecs", "ecs-plus", "fixmatch"),
    *("mean-teacher", "s4gan", "s4gan+mlmt", "self-training", "supervised", "unimatch"),
    "unimatch-v2",
)
ADAM = OptimizerSettings(name="adam", lr=1e-4)
SHORT = {"segmenter": OptimizerSettings(name="adam", lr=1e-3)}

TOY = """
from ecs_med.config import OptimizerSettings, Settings
from ecs_med.losses import cross_entropy
from ecs_med.methods import Method, StepResult

class ToySettings(Settings):
    factor: float = 1.0

class Toy(Method):
    name, title, short_name = "toy", "A toy", "Toy"
    settings_class = ToySettings
    extra_networks = ("toy_judge",)

    def step(self, batch, progress=0.0):
        loss = cross_entropy(self.forward(self.segmenter, batch.images), batch.labels)
        loss = self.update("segmenter", [self.settings.factor * loss])
        return StepResult({"segmentation": loss})
"""


def config(**values: Any) -> TrainConfig:
    return TrainConfig.parse({"data": "x", **values})


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plugins.install(monkeypatch, tmp_path, "toy_methods", TOY, methods={"toy": "Toy"})


def test_every_method_says_what_reports_need() -> None:
    assert available_methods() == OURS
    facts = {name: method_class(name).facts() for name in OURS}
    correcting = {name for name, fact in facts.items() if fact.uses_corrector}
    assert correcting == {"corrector", "ecmt", "ecs", "ecs-plus"}
    assert {n for n, f in facts.items() if not f.uses_unlabeled} == {"corrector", "supervised"}
    assert facts["ecs"].short_name == "ECS"
    assert facts["ecs"].settings == (
        "method_settings.ecs",
        "optimizers.corrector",
        "corrector_encoder",
        "corrector_output_stride",
    )
    assert facts["s4gan+mlmt"].settings == (
        "method_settings.s4gan+mlmt",
        "optimizers.discriminator",
        "optimizers.classifier",
    )


@pytest.mark.usefixtures("toy")
def test_a_method_of_another_package_is_one_of_them() -> None:
    assert available_methods() == tuple(sorted((*OURS, "toy")))
    run = config(method="toy", iterations=10, method_settings={"toy": {"factor": 2}})
    assert method_settings(run).model_dump() == {"factor": 2.0}
    assert optimizer_settings(run) == {**SHORT, "toy_judge": ADAM}
    assert method_class("toy").facts().title == "A toy"
    assert optimizer_settings(config(method="ecs", optimizers={"toy_judge": ADAM})).keys() == {
        "segmenter",
        "corrector",
    }


def test_a_package_that_is_gone_takes_its_method_along() -> None:
    with pytest.raises(SettingsError, match=r"^Unknown method 'toy'; known are advsemiseg, .*\.$"):
        method_class("toy")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"method_settings": {"ecs": {"gama": 1}}},
            "method_settings.ecs: unknown setting 'gama'; did you mean 'gamma'?",
        ),
        (
            {"method": "supervised", "method_settings": {"ecs": {"gamma": -1}}},
            "method_settings.ecs.gamma: Input should be greater than or equal to 0 (got -1).",
        ),
        (
            {"method_settings": {"esc": {}}},
            "method_settings: unknown setting 'esc'; did you mean 'ecs'?",
        ),
        (
            {"optimizers": {"segmentr": {"name": "sgd", "lr": 1}}},
            "optimizers: unknown setting 'segmentr'; did you mean 'segmenter'?",
        ),
        (
            {"optimizers": {"segmenter": {"name": "sgd", "lr": 0}}},
            "optimizers.segmenter.lr: Input should be greater than 0 (got 0).",
        ),
        ({"method": "supervized"}, "Unknown method 'supervized'; did you mean 'supervised'?"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        with_own_settings(config(**values))
    assert str(caught.value) == sentence


def test_a_run_keeps_its_own_settings_and_no_others() -> None:
    given = {
        "iterations": 10,
        "method_settings": {"ecs": {"gamma": 1}, "advsemiseg": {"threshold": 0.1}},
        "optimizers": {"corrector": ADAM, "discriminator": ADAM},
    }
    kept = with_own_settings(config(method="ecs", **given))
    assert kept.method_settings == {"ecs": EcsSettings(gamma=1).model_dump()}
    assert kept.optimizers == {**SHORT, "corrector": ADAM}
    plain = with_own_settings(config(method="supervised", **given))
    assert (plain.method_settings, plain.optimizers) == ({"supervised": {}}, SHORT)
    assert with_own_settings(kept) == kept


def test_what_is_held_against_another_run() -> None:
    given = config(
        method="ecs",
        batch=4,
        crop=None,
        encoder="auto",
        network="deeplabv2",
        network_settings={"aspp_rates": (6, 12)},
        method_settings={"ecs": {"gamma": 1}, "advsemiseg": {"threshold": 0.1}},
        optimizers={"corrector": ADAM, "discriminator": ADAM},
    )
    fixed = fixed_settings(given)
    assert fixed == {
        "data": "x",
        "method": "ecs",
        "batch": 4,
        "network": "deeplabv2",
        "network_settings.aspp_rates": [6, 12],
        "method_settings.ecs.gamma": 1.0,
        "optimizers.corrector": ADAM.model_dump(mode="json"),
    }
    more = fixed_settings(given, with_defaults=True)
    assert more["method_settings.ecs.class_weight"] == 2.0
    assert more["network_settings.output_stride"] == 16
    assert more["method"] == "ecs"
    assert "crop" not in more
    assert "optimizers.segmenter" not in more


def test_runs_share_the_optimisers_on_which_their_methods_agree(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    short = config(iterations=10)
    methods = ("supervised", "ecs", "s4gan")
    corrector = OptimizerSettings(name="adam", lr=1e-3)
    expected = {**SHORT, "corrector": corrector, "discriminator": ADAM}
    assert shared_optimizers(short, methods) == expected
    other = classmethod(lambda cls, iterations: {"segmenter": ADAM, "corrector": corrector})
    monkeypatch.setattr(Ecs, "default_optimizers", other)
    del expected["segmenter"]
    assert shared_optimizers(short, methods) == expected
