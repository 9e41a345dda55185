"""From the options of `ecs-med budget` to the plan of a sweep."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecs_med.config import ReadingSettings, TrainConfig
from ecs_med.errors import SettingsError
from ecs_med.sweep.axes import parse_budgets, parse_methods, parse_seeds
from ecs_med.sweep.executors.choose import ExecutorOptions
from ecs_med.sweep.plan import SweepConfig
from ecs_med.sweep.plan_file import merge_request, read_plan
from ecs_med_cli.work.train import build_config

__all__ = ["executor_options", "label_counts", "refuse_unknown_methods", "requested_sweep"]

_DEFAULT_BUDGETS = "1/16,1/8,1/4,1/2,1"


def requested_sweep(
    grid: Mapping[str, Any], settings: Mapping[str, Any], config_file: Path | None
) -> SweepConfig:
    """The sweep that is asked for, laid over the one that lies in its folder.

    Args:
        grid: `data`, `budgets`, `methods`, `seeds` and `out` as given; `None` where not.
        settings: Settings of every run as given; `None` where not.
        config_file: Settings that `settings` override.

    Raises:
        EcsMedError: If an option is wrong, or contradicts the sweep that is there.
    """
    out = grid["out"]
    stored = None if out is None else read_plan(out)
    data = grid["data"]
    if data is None and config_file is None and stored is not None:
        data = stored.data
    config = build_config({**settings, "data": data}, config_file=config_file)
    if out is None:
        out = _default_out(config)
        stored = read_plan(out)
    budgets = grid["budgets"] or (None if stored else _DEFAULT_BUDGETS)
    asked: dict[str, Any] = {
        "data": config.data,
        "out": out,
        "settings": config.model_dump(mode="json", exclude_unset=True, exclude={"data"}),
    }
    if budgets is not None:
        asked["budgets"] = parse_budgets(budgets)
    if grid["methods"] is not None:
        asked["methods"] = parse_methods(grid["methods"])
    if grid["seeds"] is not None:
        asked["seeds"] = parse_seeds(grid["seeds"])
    return merge_request(stored, asked)


def _default_out(config: TrainConfig) -> Path:
    from ecs_med.data.layout import open_data

    name = open_data(config.data, config.reading).name
    return Path("sweeps") / re.sub(r"[^\w.+-]+", "-", name)


def refuse_unknown_methods(methods: Sequence[str]) -> None:
    """Make sure that all methods exist; imports the heavy libraries.

    Raises:
        SettingsError: If one does not, naming the nearest.
    """
    from ecs_med.methods import method_class

    for method in methods:
        method_class(method)


def label_counts(sweep: SweepConfig) -> dict[str, int]:
    """Labelled cases of every budget, drawn with the first seed.

    Budgets that cannot be drawn so are found before the first run.

    Raises:
        DataError: If the data cannot be opened.
        BudgetError: If a budget asks for more than there is.
    """
    from ecs_med.data.layout import open_data
    from ecs_med.splits import draw_split

    reading = ReadingSettings.parse(sweep.settings.get("reading", {}))
    cases = open_data(sweep.data, reading).cases
    return {b: len(draw_split(cases, b, sweep.seeds[0]).labeled) for b in sweep.budgets}


def executor_options(place: Mapping[str, Any]) -> ExecutorOptions:
    """Options of the executor, with `--slurm KEY=VALUE` taken apart.

    Raises:
        SettingsError: If one is no pair.
    """
    pairs = {}
    for text in place["slurm"] or ():
        key, sign, value = text.partition("=")
        if not (sign and key.strip() and value.strip()):
            raise SettingsError(
                f"--slurm '{text}' is no pair; write KEY=VALUE, such as partition=gpu."
            )
        pairs[key.strip()] = value.strip()
    return ExecutorOptions(**{**place, "slurm": pairs})
