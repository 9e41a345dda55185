"""What is refused of an export before anything is written."""

from pathlib import Path
from typing import Any

import pytest

from ecs_med.errors import SettingsError
from ecs_med.export import EXPORTS, export


@pytest.mark.parametrize(
    ("to", "values", "words"),
    [
        ("onx", {}, r"Unknown export 'onx'; did you mean 'onnx'\?"),
        ("onnx", {"data": "here"}, "`data` is for data sets, and an ONNX file holds a model"),
        ("bundle", {"ignore_below": 0.5}, "`ignore_below` is for data sets"),
        ("msd", {"uncorrected": True}, "`uncorrected` is for models"),
        ("nnunet", {"ignore_below": 1.5}, "is no probability"),
    ],
)
def test_settings_of_another_target_are_refused(
    make_model: Any, tmp_path: Path, to: str, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        export(make_model(), to, tmp_path / "out", **values)
    assert not (tmp_path / "out").exists()


def test_every_target_says_what_it_is() -> None:
    titles = {name: target.title for name, target in EXPORTS.all().items()}
    assert {*titles} >= {"bundle", "msd", "nnunet", "onnx"}
    assert all(title[0].islower() and title.split()[0] in ("a", "an") for title in titles.values())
