"""`check` names every fault that was planted in a data set, and sees none where there is none."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from miniatures import write_discs
from PIL import Image

from ecs_med_cli.app import main
from ecs_med_datasets.phantom import write_phantom

SHARED = Path(__file__).parents[3] / "shared" / "data"


def plant_ten_faults(folder: Path) -> dict[str, tuple[str, str]]:
    """Twenty pictures of discs with ten faults; file and words of the finding by fault."""
    write_discs(folder, 20)
    images, masks = folder / "images", folder / "masks"
    whole = (images / "00.png").read_bytes()
    (images / "00.png").write_bytes(whole[: len(whole) // 2])
    Image.open(masks / "01.png").resize((30, 30), Image.Resampling.NEAREST).save(masks / "01.png")
    stray = np.array(Image.open(masks / "02.png"))
    stray[0, 0] = 7
    Image.fromarray(stray).save(masks / "02.png")
    Image.open(masks / "03.png").save(masks / "03.gif")
    (masks / "03.png").unlink()
    Image.open(masks / "04.png").save(masks / "04_mask_2.png")
    Image.open(images / "05.png").save(images / "copy.png")
    Image.open(masks / "05.png").save(masks / "copy.png")
    Image.fromarray(np.full((40, 40, 3), 90, np.uint8)).save(images / "06.png")
    turned = Image.open(images / "07.png")
    tags = turned.getexif()
    tags[0x0112] = 6
    turned.save(images / "07.png", exif=tags)
    Image.open(masks / "08.png").save(masks / "nobody.png")
    large = Image.open(images / "09.png").resize((400, 400))
    large.save(images / "09.png")
    Image.open(masks / "09.png").resize((400, 400), Image.Resampling.NEAREST).save(masks / "09.png")
    return {
        "cut off": ("images/00.png", "truncated"),
        "other size": ("masks/01.png", "30 x 30"),
        "stray value": ("masks/02.png", "7"),
        "format that is not read": ("masks", ".gif"),
        "second mask": ("masks/04_mask_2.png", "04"),
        "same picture": ("images/copy.png", "same pixels"),
        "one grey": ("images/06.png", "same value"),
        "orientation tag": ("07", "orientation"),
        "mask of no image": ("masks", "nobody"),
        "other scale": ("", "larger"),
    }


def found_by_check(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    with pytest.raises(SystemExit):
        main(["check", str(folder), "--json"])
    problems: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["problems"]
    return problems


def test_ten_planted_faults_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faults = plant_ten_faults(tmp_path / "set")
    problems = found_by_check(tmp_path / "set", capsys)
    told = [
        f"{problem['path']}: {problem['message']}"
        for problem in problems
        if problem["severity"] != "note"
    ]
    missed = [
        fault
        for fault, (file, words) in faults.items()
        if not any(file in line and words in line for line in told)
    ]
    assert not missed, "\n".join(told)
    innocent = [f"/{index:02}.png" for index in range(10, 20)]
    assert not [line for line in told if any(line.split(": ")[0].endswith(n) for n in innocent)]


@pytest.mark.parametrize("name", ["kvasir-seg", "hippocampus"])
def test_no_false_alarm_on_real_data(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not (SHARED / name).is_dir():
        pytest.skip(f"{name} is not here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    problems = found_by_check(SHARED / name, capsys)
    assert [p for p in problems if p["severity"] != "note"] == []


def test_no_false_alarm_on_the_phantom(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_phantom(tmp_path / "phantom", 40)
    problems = found_by_check(tmp_path / "phantom", capsys)
    assert [p for p in problems if p["severity"] != "note"] == []
