"""Python code in a process of its own, with the package of any working tree, and its peak."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

__all__ = ["HERE", "called", "megabytes"]

HERE = Path(__file__).resolve().parents[2]


def megabytes(name: str) -> float:
    """A figure of memory of this process: `VmRSS` is what it holds, `VmHWM` the most it held."""
    found = re.search(name + r":\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    assert found is not None
    return int(found[1]) / 1024


def called(tree: Path, code: str, *words: object) -> str:
    """What Python code prints under the package in `tree`; it may import this folder's modules."""
    paths = [tree, tree / "cli", tree / "datasets", tree / "benchmarks", Path(__file__).parent]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    texts = [word if isinstance(word, (str, Path)) else json.dumps(word) for word in words]
    command = [sys.executable, "-c", code, *map(str, texts)]
    # In the tree, since Python looks for packages in the working folder first.
    return subprocess.run(
        command, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
