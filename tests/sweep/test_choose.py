"""From options to an executor."""

from pathlib import Path
from typing import Any

import pytest

from ecs_med.errors import SettingsError
from ecs_med.sweep.executors import ExecutorOptions, choose_executor


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"name": "threads"}, "choose one of processes, inline, ray, slurm"),
        ({"name": "inline", "jobs": 2}, "`jobs` does nothing with `executor=inline`"),
        ({"ray_address": "auto"}, "use `executor=ray`"),
        ({"slurm": {"partition": "gpu"}}, "use `executor=slurm`"),
        ({"name": "slurm", "gpus_per_run": 0.5}, "use `executor=processes` or `executor=ray`"),
    ],
)
def test_options_that_would_do_nothing_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(SettingsError, match=match):
        choose_executor(ExecutorOptions(**options), "cpu", Path())


def test_processes_and_inline() -> None:
    processes = choose_executor(ExecutorOptions(jobs=3), "cpu", Path())
    assert (processes.name, processes.places, processes.here) == ("processes", 3, True)
    inline = choose_executor(ExecutorOptions(name="inline"), "cpu", Path())
    assert (inline.name, inline.places) == ("inline", 1)
