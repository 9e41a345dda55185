"""The script for a GPU runs on whatever there is, so that it is ready when there is one."""

import json
from pathlib import Path

import pytest
import torch

import gpu_step

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
SMALL = ("--encoder test_resnet --corrector-encoder test_resnet --size 32 --batch 2 --repeats 2 "
         "--side 64")  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
def test_all_figures_are_there(tmp_path: Path, device: str) -> None:
    output = tmp_path / "gpu.json"
    gpu_step.main(["--output", str(output), "--device", device, *SMALL.split()])
    found = json.loads(output.read_text())
    assert found["settings"]["size"] == 32
    assert found["device"]["type"] == device
    seconds = found["seconds"]
    ratio = seconds["literal"]["median"] / seconds["ours"]["median"]
    speed_up = found["speed_up"]["ours"]
    assert speed_up["low"] <= 1.5 * ratio
    assert speed_up["high"] >= ratio / 1.5
    assert found["share_of_floor"]["ours"]["median"] > 0
    assert (found["peak_gb"]["ours"] is None) == (device == "cpu")
    assert ("compiled" in seconds) == (found["not_compiled"] is None)


def test_compiling_can_be_left_out(tmp_path: Path) -> None:
    output = tmp_path / "gpu.json"
    gpu_step.main(["--output", str(output), "--device", "cpu", "--no-compile", *SMALL.split()])
    found = json.loads(output.read_text())
    assert found["not_compiled"] == "not asked for"
    assert set(found["seconds"]) == {"ours", "literal", "product"}
