"""From rows of tables to runs, shared by all tables of one folder, and to their split files."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from ecs_med.config import ReadingSettings, TrainConfig, merge_settings
from ecs_med.data.layout import open_data
from ecs_med.errors import DataError
from ecs_med.files import make_folder
from ecs_med.splits import draw_split
from ecs_med.sweep.axes import ALL_LABELS, folder_name
from ecs_med.sweep.plan import Cell, cell_name
from ecs_med_benchmarks.protocol import Protocol
from ecs_med_benchmarks.tables import Variant

__all__ = ["deviations", "plan_runs", "write_splits"]


def plan_runs(
    rows: Iterable[tuple[Variant, str]],
    settings: Mapping[str, Any],
    *,
    overrides: Mapping[str, Any],
    is_published: bool,
    data: Path,
    out: Path,
    seeds: Sequence[int],
    splits: Path | None = None,
) -> list[Cell]:
    """Every run behind the rows once, seed by seed.

    Args:
        rows: Variants and budgets; equal variant keys at a budget are one run.
        settings: Fields of `TrainConfig` that all runs share.
        overrides: Those of them that the user gave, which no variant changes.
        is_published: Whether the protocol is the paper's.
        data: Folder of the data set.
        out: Folder of the benchmark; runs lie below its `runs/`.
        seeds: Of every row.
        splits: Folder of files `<budget>-s<seed>.json` or `.txt` that name the labelled images.

    Raises:
        DataError: If a split file is missing.
        SettingsError: If a setting is wrong.
    """
    unique = {(variant.key, budget): (variant, budget) for variant, budget in rows}
    cells = []
    for seed, (variant, budget) in product(seeds, unique.values()):
        published = variant.published_settings if is_published else {}
        config = merge_settings(settings, variant.settings, published, overrides)
        if config.get("evaluate_every"):
            # A run records the smaller one, and would not be recognised by the larger.
            config["evaluate_every"] = min(config["evaluate_every"], config["iterations"])
        labeled = budget
        if splits is not None and budget != ALL_LABELS:
            labeled = str(_split_file(splits, budget, seed))
        config |= {
            "data": data,
            "method": variant.method,
            "labeled": labeled,
            "seed": seed,
            "run": out / "runs" / cell_name(variant.key, budget, seed),
        }
        cells.append(Cell(variant.key, budget, seed, TrainConfig.parse(config)))
    return cells


def _split_file(folder: Path, budget: str, seed: int) -> Path:
    name = f"{folder_name(budget)}-s{seed}"
    for suffix in (".json", ".txt", ".csv"):
        if (folder / f"{name}{suffix}").is_file():
            return folder / f"{name}{suffix}"
    raise DataError(
        f"{folder / name}.json: no such split file; name the files of `splits` by budget and seed "
        "(`write_splits` writes them so)."
    )


def deviations(protocol: Protocol, overrides: Mapping[str, Any]) -> list[str]:
    """Where the user's settings leave the protocol, each in words such as `crop 64, not 352`."""
    fixed = protocol.train_settings()
    given = merge_settings({}, overrides).items()
    return [
        sentence
        for name, value in given
        if name in fixed
        for sentence in _changes(name, value, fixed[name])
    ]


def _changes(name: str, value: Any, usual: Any) -> list[str]:
    if isinstance(value, Mapping) and isinstance(usual, Mapping):
        parts = [_changes(key, v, usual.get(key)) for key, v in value.items()]
        return [sentence for part in parts for sentence in part]
    if value == usual or (isinstance(usual, list) and list(value) == usual):
        return []
    words = name.replace("_", " ")
    return [f"{words} {value}" if usual in (None, "auto") else f"{words} {value}, not {usual}"]


def write_splits(
    folder: Path,
    data: Path,
    settings: Mapping[str, Any],
    budgets: Sequence[str],
    seeds: Sequence[int],
) -> list[Path]:
    """Write `<budget>-s<seed>.json` for every budget and seed, as `splits` reads them.

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
    for budget, seed in product((b for b in budgets if b != ALL_LABELS), seeds):
        path = make_folder(folder) / f"{folder_name(budget)}-s{seed}.json"
        draw_split(cases, budget, seed, has_validation=has_validation).write(path)
        written.append(path)
    return written
