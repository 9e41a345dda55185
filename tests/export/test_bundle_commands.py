"""The commands of MONAI on bundles of every kind, without a network."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_runs import read, write_volumes

from ecs_med.export import export
from ecs_med.inference.predict import predict_files


def without_a_network() -> list[str]:
    """What a command begins with to have no network, where that is permitted."""
    for words in (["unshare", "-n"], ["unshare", "-rn"]):
        if shutil.which("unshare") and not subprocess.run([*words, "true"], check=False).returncode:
            return words
    return []


@pytest.mark.slow
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"corrects": True},
        {"kind": "volume"},
        {"kind": "volume", "context": 1, "corrects": True},
        {"kind": "volume", "network": "unet3d", "preparation": {"slice_spacing_mm": 1.5}},
        {"kind": "volume", "network": "dynunet"},
        {"kind": "volume", "network": "dynunet", "corrects": True},
    ],
    ids=[
        "pictures",
        "corrected",
        "slices",
        "neighbours, corrected",
        "3-D",
        "DynUNet",
        "DynUNet, corrected",
    ],
)
def test_the_commands_of_monai_accept_it_without_a_network(
    make_model: Any, pictures: Path, tmp_path: Path, given: dict[str, Any]
) -> None:
    pytest.importorskip("fire")
    model = make_model(**given)
    data = write_volumes(tmp_path / "volumes") if "kind" in given else pictures
    bundle = tmp_path / "bundle"
    export(model, "bundle", bundle)
    meta, config = "--meta_file=configs/metadata.json", "--config_file=configs/inference.json"
    commands = {
        "verify_metadata": [meta, "--filepath=docs/metadata.schema.json"],
        "verify_net_in_out": [meta, config, "--net_id=network_def", "--n=4", "--device=cpu"],
        "run": [config, f"--dataset_dir={data}", f"--output_dir={tmp_path / 'eval'}"],
    }
    own = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    for command, words in commands.items():
        call = [*without_a_network(), sys.executable, "-m", "monai.bundle", command, *words]
        done = subprocess.run(
            call, cwd=bundle, env=own, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
    predict_files(model, data, tmp_path / "predicted")
    for path in data.iterdir():
        expected, found = (read(tmp_path / f / path.name)[0] for f in ("predicted", "eval"))
        np.testing.assert_array_equal(found, expected)
