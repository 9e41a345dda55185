"""Every test runs offline, with a cache of its own and one thread; examples get data to run on.

One thread, because tiny networks gain nothing from more, and because sums in another
order would break comparisons to the last bit between this process and its children.
"""

import os
import sys

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

from pathlib import Path
from typing import Any

import pytest

# Programs of the development group, such as dciodvfy, lie beside the interpreter.
os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))

TINY = {"iterations": 2, "batch": 2, "crop": 32, "max_size": 32, "device": "cpu"}
TINY |= {"encoder": "test_resnet", "encoder_weights": "none"}


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="session")
def example_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen pictures of 32 pixels beside their masks."""
    from ecs_med_datasets.phantom import write_phantom

    folder = tmp_path_factory.mktemp("example") / "folder"
    write_phantom(folder, num_images=16, seed=0, size=32)
    return folder


@pytest.fixture(scope="session")
def example_run(example_folder: Path) -> Path:
    """A run on them, of two steps."""
    import ecs_med

    run = example_folder.parent / "run"
    return ecs_med.train({**TINY, "data": example_folder, "labeled": "50%", "run": run})


@pytest.fixture(autouse=True)
def _data_for_examples(request: pytest.FixtureRequest) -> None:
    """`folder`, `settings` and `run` in the examples of docstrings that use them."""
    test = getattr(request.node, "dtest", None)
    if test is None:
        return
    source = " ".join(example.source for example in test.examples)
    names: dict[str, Any] = {"settings": TINY}
    if "folder" in source or "run" in source:
        names["folder"] = request.getfixturevalue("example_folder")
        request.getfixturevalue("monkeypatch").chdir(request.getfixturevalue("tmp_path"))
    if "run" in source:
        names["run"] = request.getfixturevalue("example_run")
    test.globs.update({name: value for name, value in names.items() if name not in test.globs})
