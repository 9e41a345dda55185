"""`ecs-med check`: the table, the JSON object, the exit code."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ecs_med.data.checks.grouping import group_problems
from ecs_med.errors import SettingsError
from ecs_med.types import Problem
from ecs_med_cli.app import main
from ecs_med_cli.options import READING


@pytest.fixture
def data(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for index in range(5):
        pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{index}.png")
        mask = np.zeros((32, 32), np.uint8)
        mask[8:20, 8:20] = 255
        Image.fromarray(mask).save(tmp_path / "masks" / f"{index}.png")
    return tmp_path


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["check", *map(str, words)])
    code = caught.value.code
    assert isinstance(code, int)
    return code


def test_good_data(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(data) == 0
    output = capsys.readouterr()
    assert "5 pictures of 32 x 32" in output.out
    assert output.out.rstrip().endswith("No errors, 0 warnings: training can start.")
    assert output.err == ""


def test_every_problem_is_in_the_table(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "images" / "3.png").write_bytes(b"not a picture [bold]")
    Image.new("L", (32, 32)).save(data / "masks" / "orphan.png")
    assert run(data) == 2
    output = capsys.readouterr().out
    assert "images/3.png" in output
    assert "masks/orphan.png" in output
    assert "1 error, 1 warning: training would be wrong" in output


def test_json_is_one_object(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "masks" / "4.png").write_bytes(b"")
    assert run(data, "--json", "--class-names", "background,polyp") == 2
    output = capsys.readouterr()
    report = json.loads(output.out)
    assert output.err == ""
    assert (report["ok"], report["num_errors"], report["layout"]) == (False, 1, "folder")
    errors = [p for p in report["problems"] if p["severity"] == "error"]
    assert [p["path"] for p in errors] == [str(data / "masks" / "4.png")]
    assert report["summary"]["num_cases"] == 5
    assert report["masks"]["class_names"] == ["background", "polyp"]


def test_json_where_nothing_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "--json") == 2
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert report["problems"][0]["message"].startswith("no known layout")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--layout", "foldr"), "layout 'foldr'; did you mean 'folder'"),
        (("--patient", "regex:("), "not a regular expression"),
        (("--mask-values", "0,x"), "not a list of whole numbers"),
        (("--mask-colors", "red"), "not a colour"),
        (("--mask-threshold", "0"), "mask_threshold"),
    ],
)
def test_wrong_options_end_in_one_sentence(
    data: Path, words: tuple[str, str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data, *words) == 2
    output = capsys.readouterr()
    assert sentence in output.err
    assert len(output.err.strip().splitlines()) == 1
    assert output.out == ""


def test_no_training_case_with_a_mask(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "train").mkdir()
    (data / "val").mkdir()
    (data / "images").rename(data / "val" / "images")
    (data / "masks").rename(data / "val" / "masks")
    (data / "train" / "images").mkdir()
    pixels = np.random.default_rng(9).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(data / "train" / "images" / "a.png")
    assert run(data) == 2
    assert "None of the 1 training cases has a mask" in " ".join(capsys.readouterr().out.split())


def test_more_than_twenty_of_a_kind_become_one_row() -> None:
    orphans = [Problem("warning", "orphan", "Add it", Path(f"{i}.png")) for i in range(21)]
    errors = [Problem("error", "damaged", "Copy it", Path(f"{i}.png")) for i in range(20)]
    groups = group_problems([*errors, *orphans])
    assert [len(group) for group in groups] == [*[1] * 20, 21]
    assert group_problems(orphans[:20]) == [[problem] for problem in orphans[:20]]


def test_options_that_were_not_given_are_left_out() -> None:
    typed = {"class_names": "a, b", "window": (-160, 240), "mask_colors": "#0ff080"}
    values: dict[str, Any] = {}
    for option in READING:
        option.put(typed.get(option.name), values)
    assert values["reading"] == {
        "class_names": ("a", "b"),
        "window": (-160, 240),
        "mask_colors": ((15, 240, 128),),
    }
    (colors,) = [option for option in READING if option.name == "mask_colors"]
    with pytest.raises(SettingsError, match=r"--mask-colors: .*six hexadecimal digits"):
        colors.put("#ff00", {})


def test_the_command_starts_without_heavy_imports() -> None:
    code = (
        "import sys; import ecs_med_cli.commands.check;"
        "print([m for m in ('torch', 'monai', 'numpy', 'pydantic') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"
