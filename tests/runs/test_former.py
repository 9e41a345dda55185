"""Files of former versions, read as this version writes them."""

import json
from pathlib import Path
from typing import Any

import pytest

from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.runs import ModelSpec, RunFolder, SweepPlan
from ecs_med.runs.former import config_of_former, spec_of_former

READING: dict[str, Any] = {"axis": "auto", "layout": "auto"}


@pytest.mark.parametrize(
    ("axis", "plane"),
    [("auto", "auto"), ("0", "sagittal"), ("1", "coronal"), ("2", "axial")],
)
def test_settings_of_a_run_on_volumes(axis: str, plane: str, tmp_path: Path) -> None:
    values = {"data": "x", "plane": "coronal", "reading": {**READING, "axis": axis}}
    (tmp_path / "config.json").write_text(json.dumps(values))
    config = RunFolder(tmp_path).read_config()
    assert (config.plane, config.usual_plane) == (plane, "coronal")
    assert (config.orientation, config.spacing) == ("stored", "none")
    assert values["reading"]["axis"] == axis


def test_pictures_mean_the_same_as_before(tmp_path: Path) -> None:
    values = {"data": "x", "plane": None, "reading": READING}
    (tmp_path / "config.json").write_text(json.dumps(values))
    assert RunFolder(tmp_path).read_config().orientation == "RAS"


def test_former_pictures_were_mirrored_left_and_right_alone(tmp_path: Path) -> None:
    values = {"data": "x", "augmentation": {"flip": True, "scale": [0.5, 2], "jitter": 0}}
    (tmp_path / "config.json").write_text(json.dumps(values))
    augmentation = RunFolder(tmp_path).read_config().augmentation
    assert (augmentation.flip_vertical, augmentation.rotate) == (False, False)
    assert (augmentation.flip, augmentation.scale) == (True, (0.5, 2.0))
    now = {"augmentation": {"flip_vertical": "auto"}}
    assert config_of_former(now) == now


def test_settings_of_this_version_stay_as_they_are() -> None:
    values = {"data": "x", "plane": "coronal", "spacing": 0.7, "reading": {"layout": "auto"}}
    assert config_of_former(values) == values
    assert config_of_former({"reading": "wrong"}) == {"reading": "wrong"}
    for content in ([], None, {"format": 2}, {"format": 1}, {"format": 1, "preparation": 3}):
        assert spec_of_former(content) == content


@pytest.mark.parametrize("encoder", ["resnet34", None])
def test_correctors_of_former_models_are_networks(encoder: str | None) -> None:
    now = spec_of_former({"format": 2, "corrector_encoder": encoder})
    assert now.get("corrector") == (None if encoder is None else "network")
    for kind in ("decoder", None):
        values = {"format": 2, "corrector": kind, "corrector_encoder": encoder}
        assert spec_of_former(values) == values


def test_a_plan_of_a_former_sweep_is_read(tmp_path: Path) -> None:
    plan = {
        "version": 1,
        "data": "x",
        "budgets": ["1"],
        "methods": ["ecs"],
        "seeds": [0],
        "settings": {"plane": None, "reading": READING},
        "cells": [],
    }
    read = SweepPlan.parse_json(json.dumps(plan), tmp_path)
    assert read.settings["reading"] == {"layout": "auto"}
    assert read.settings["plane"] == "auto"


def test_what_is_wrong_in_a_former_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"data": "x", "reading": {"axis": "7"}}))
    with pytest.raises(SettingsError, match=f"^{path}: plane: Input should be 'auto'"):
        RunFolder(tmp_path).read_config()
    content = {"format": 1, "preparation": {"axis": [0], "plane": "axial"}}
    with pytest.raises(RunFolderError, match="is damaged"):
        ModelSpec.parse_json(json.dumps(content), tmp_path)
