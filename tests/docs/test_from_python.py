"""`docs/from-python.md` runs from top to bottom."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "from-python.md").read_text(encoding="utf-8")


def write_pictures(folder: Path) -> None:
    """Sixteen pictures of a bright disc, with its mask."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:40, :40]
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for index in range(16):
        row, column = generator.integers(12, 28, size=2)
        disc = (rows - row) ** 2 + (columns - column) ** 2 < 64
        picture = generator.integers(0, 60, size=(40, 40, 3)) + 150 * disc[..., None]
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"images/{index:02}.png")
        Image.fromarray((255 * disc).astype(np.uint8)).save(folder / f"masks/{index:02}.png")


@pytest.mark.slow
def test_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "folder")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    for number, block in enumerate(blocks):
        exec(compile(block, f"from-python.md, block {number}", "exec"), names)
    printed = capsys.readouterr().out
    assert "on 3 test cases" in printed
    assert "did you mean 'iterations'" in printed
    assert "(3, 40, 40) (40, 40)" in printed
    assert (tmp_path / "sweep" / "budget.html").is_file()
    assert (tmp_path / "runs" / "stopped" / "metrics.json").is_file()
