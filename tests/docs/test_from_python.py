"""`docs/from-python.md` runs from top to bottom."""

import re
from pathlib import Path

import pytest
from miniatures import write_discs

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "from-python.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_discs(tmp_path / "folder", 16)
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
