"""What a run would decide for itself is decided once for the sweep."""

from collections.abc import Callable

import pytest

from ecs_med.errors import SettingsError
from ecs_med.sweep.plan import SweepConfig, decide_open_settings, plan_cells

Build = Callable[..., SweepConfig]


def test_steps_sizes_and_networks_are_written_down(build: Build) -> None:
    decided = decide_open_settings(build({"iterations": None}), here=True).settings
    assert (decided["iterations"], decided["max_size"], decided["batch"]) == (1000, 128, 2)
    assert decided["corrector_encoder"] == "test_resnet"
    assert decided["optimizers"]["segmenter"]["lr"] > 0
    assert decided["optimizers"].keys() == {"segmenter", "corrector"}
    assert decided["augmentation"]["flip"] is True
    assert not {"data", "labeled", "method", "run", "seed"} & set(decided)


def test_what_follows_from_the_images_is_left_to_them(
    build: Build,
) -> None:
    open_ones = {"evaluate_every": None, "crop": None, "min_size": None, "iterations": 40}
    decided = decide_open_settings(build({**open_ones, "max_size": 0}), here=True).settings
    assert decided["min_size"] == 128
    assert (decided["crop"], decided["evaluate_every"]) == (None, None)
    decided = decide_open_settings(build(open_ones), here=True).settings
    assert decided["crop"] == 128, "every image is brought to this size"
    assert (decided["device"], decided["precision"], decided["workers"]) == ("cpu", "auto", None)


def test_deciding_twice_changes_nothing(build: Build) -> None:
    once = decide_open_settings(build(), here=True)
    assert decide_open_settings(once, here=True) == once
    assert decide_open_settings(once, here=False) == once
    assert len(plan_cells(once)) == 4


def test_mistakes_are_found_before_the_first_run(build: Build) -> None:
    for settings in ({"encoder": "resnet5O"}, {"device": "cuda:77"}):
        with pytest.raises(SettingsError):
            decide_open_settings(build(settings), here=True)


def test_for_another_machine_steps_have_to_be_given(build: Build) -> None:
    with pytest.raises(SettingsError, match="`iterations` has to be given"):
        decide_open_settings(build({"iterations": None}), here=False)
    there = decide_open_settings(build({"encoder": "auto"}), here=False)
    assert there.settings["encoder"] == "auto"
