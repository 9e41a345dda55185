"""Whatever the README tells a user to type works."""

import json
import re
import shlex
from pathlib import Path

import pytest
from miniatures import write_discs
from PIL import Image

import ecs_med
from ecs_med_cli.app import COMMANDS, main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = "\n".join(re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL))
MENTIONED = [*SHELL.splitlines(), *re.findall(r"`(ecs-med [^`]+)`", README)]
TYPED = [shlex.split(line) for line in MENTIONED if line.startswith("ecs-med ")]

QUICK = ["--iterations=2", "--batch=2", "--crop=32", "--max-size=32", "--encoder-weights=none"]
QUICK += ["--encoder=tf_efficientnet_lite0", "--device=cpu"]


def options_of(command: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    listed = re.findall(r"^  (-.*?)(?:  |$)", capsys.readouterr().out, flags=re.MULTILINE)
    return set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", " ".join(listed)))


def test_first_two_commands_set_everything_up() -> None:
    commands = [line for line in SHELL.splitlines() if line]
    assert commands[:2] == ["make demo", "make test"]


@pytest.mark.parametrize("words", TYPED, ids=" ".join)
def test_commands_and_their_options_exist(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, command, *rest = words
    assert command in COMMANDS
    used = {word.split("=")[0] for word in rest if word.startswith("-")}
    assert used <= options_of(command, capsys)


def test_options_in_the_text_exist(capsys: pytest.CaptureFixture[str]) -> None:
    known = set().union(*(options_of(command, capsys) for command in COMMANDS))
    mentioned = set(re.findall(r"`(--[a-z][\w-]*)", README))
    assert mentioned
    assert mentioned <= known


def test_links_and_pictures_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", README)
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not _leads_somewhere(target)] == []


def _leads_somewhere(target: str) -> bool:
    """Whether the file is there, and the heading that is named behind `#`."""
    name, _, anchor = target.partition("#")
    path = ROOT / (name or "README.md")
    if not anchor or not path.exists():
        return path.exists()
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}
    return anchor in slugs


def test_python_names_exist() -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    used = set(re.findall(r"ecs_med\.(\w+)", snippet))
    assert used <= set(ecs_med.__all__)


@pytest.mark.slow
def test_quick_start_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_discs(tmp_path / "folder", 20)
    Image.open(tmp_path / "folder/images/00.png").save(tmp_path / "scan.png")
    section = README.split("## On your own images")[1].split("```")[1]
    typed = [shlex.split(line) for line in section.splitlines() if line.startswith("ecs-med")]
    assert [words[1] for words in typed] == ["check", "train", "predict", "evaluate"]
    for words in typed:
        with pytest.raises(SystemExit) as end:
            main([*words[1:], *(QUICK if words[1] == "train" else [])])
        assert end.value.code == 0, (words, capsys.readouterr().err)
    (run,) = (tmp_path / "runs").iterdir()
    table = README.split("| file of a run | holds |")[1].split("\n\n")[0]
    for name in re.findall(r"`([\w.]+/?)`", table):
        assert (run / name).exists(), name
    assert list((tmp_path / "predictions").glob("scan*.png"))


def test_the_table_of_methods_is_that_of_the_stored_runs() -> None:
    """Test mIoU in percent, mean over the three seeds of a row, by method and steps."""
    found: dict[tuple[str, int], list[float]] = {}
    for path in (ROOT / "benchmarks/results/few_labels_2026-11/runs").glob("kvasir-*.jsonl"):
        for run in map(json.loads, path.read_text().splitlines()):
            if run["budget"] == "1/16" and run["seed"] < 3:
                row = found.setdefault((run["method"]["name"], run["steps"]), [])
                row.append(100 * run["chosen"]["test"]["miou"])
    table = README.split("| method | 400 steps | as many seconds (steps) |")[1].split("\n\n")[0]
    rows = re.findall(r"\| `([\w-]+)` \| ([\d.]+) \| ([\d.]+) \(([\d,]+)\) \|", table)
    assert len(rows) == len(table.splitlines()) - 2 == 10
    for method, equal_steps, equal_seconds, steps in rows:
        for printed, key in ((equal_steps, 400), (equal_seconds, int(steps.replace(",", "")))):
            assert len(found[method, key]) == 3
            assert printed == f"{sum(found[method, key]) / 3:.1f}", (method, key)
