"""Writing the labelled subsets of a benchmark, so that others can train on the same ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import open_data
from ecs_med.splits import draw_split
from ecs_med.sweep.axes import ALL_LABELS, folder_name
from ecs_med_benchmarks.page import made

__all__ = ["write_splits"]


def write_splits(
    folder: Path,
    data: Path,
    settings: Mapping[str, Any],
    budgets: Sequence[str],
    seeds: Sequence[int],
) -> list[Path]:
    """Write `<budget>-s<seed>.json` for every budget and seed, as `--splits` reads them.

    Args:
        folder: Made where it is missing.
        data: Folder of the data set.
        settings: Of the runs; how the data are read, and whether a model is chosen.
        budgets: Labelled budgets; all labels need no file.
        seeds: Seeds.

    Returns:
        The files.

    Raises:
        BudgetError: If a budget cannot be drawn.
        RunFolderError: If a file cannot be written.
    """
    cases = open_data(data, ReadingSettings.parse(settings.get("reading") or {})).cases
    has_validation = settings.get("keep", "best") == "best"
    written = []
    for budget in budgets:
        if budget == ALL_LABELS:
            continue
        for seed in seeds:
            path = made(folder) / f"{folder_name(budget)}-s{seed}.json"
            draw_split(cases, budget, seed, has_validation=has_validation).write(path)
            written.append(path)
    return written
