"""The package of `docs/extending.md`, built, installed and used by every command."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = dict(
    re.findall(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
)
TINY = ["--iterations=4", "--batch=2", "--crop=32", "--max-size=32", "--min-size=0"]
TINY += ["--network=acme-fcn", "--device=cpu", "--evaluate-every=4"]


def write_studies(root: Path) -> None:
    """Twelve patients with a bright square; two of them without a mask."""
    generator = np.random.default_rng(0)
    root.mkdir()
    (root / "acme.txt").touch()
    for number in range(12):
        study = root / f"patient-{number:02}"
        study.mkdir()
        truth = np.zeros((32, 40), np.uint8)
        row, column = generator.integers(4, 18, size=2)
        truth[row : row + 10, column : column + 10] = 1
        noise = generator.integers(0, 60, size=truth.shape)
        np.save(study / "scan.npy", (noise + 150 * truth).astype(np.uint8))
        if number > 1:
            np.save(study / "truth.npy", truth)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package is installed, as pip does it."""
    source, target = (tmp_path_factory.mktemp(name) for name in ("source", "site"))
    for name, content in FILES.items():
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(content, encoding="utf-8")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    install += ["--no-build-isolation", "--disable-pip-version-check", "--target", target, source]
    subprocess.run(install, check=True, capture_output=True, text=True)
    return target


GRID = ["--budgets=1/2,1", "--methods=supervised,entropy", "--seeds=0", "--output=sweep"]
GRID += ["--executor=inline"]
COMMANDS = [
    ["check", "data"],
    ["train", "--data=data", "--method=entropy", "--labeled=50%", "--run=run", *TINY],
    ["predict", "data/patient-00/scan.npy", "--model=run", "--output=out"],
    ["evaluate", "--data=data", "--model=run", "--output=scores"],
    ["budget", "--data=data", *GRID, *TINY],
    ["report", "sweep", "--output=again"],
    ["doctor"],
]
DRIVER = """
import json, sys
from ecs_med_cli.app import main
for words in json.loads(sys.argv[1]):
    try:
        main(words)
    except SystemExit as end:
        if end.code:
            sys.exit(f"{words[0]} ended with {end.code}")
"""


@pytest.mark.slow
def test_every_command_uses_the_package(site: Path, tmp_path: Path) -> None:
    write_studies(tmp_path / "data")
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(COMMANDS)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "acme-segmentation" in done.stdout

    run = tmp_path / "run"
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["method"]["title"] == "Entropy minimisation"
    assert manifest["data"]["layout"] == "acme"
    config = json.loads((run / "config.json").read_text())
    assert config["method_settings"] == {"entropy": {"weight": 0.1}}
    assert "entropy" in json.loads((run / "history.jsonl").read_text().splitlines()[0])["losses"]
    (predicted,) = (tmp_path / "out").glob("*.npy")
    assert np.load(predicted).shape == (32, 40)
    scores = json.loads((tmp_path / "scores/evaluation.json").read_text())
    assert scores["miou"] == json.loads((run / "metrics.json").read_text())["test"]["miou"]
    assert "Entropy minimisation" in (run / "report.html").read_text()
    for folder in ("sweep", "again"):
        assert "Entropy" in (tmp_path / folder / "budget.html").read_text()
