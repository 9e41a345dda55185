"""`sweep.json`: the plan on disk, and whether a second start fits it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecs_med.config import TrainConfig
from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.runs import SweepFolder
from ecs_med.sweep.axes import budget_key
from ecs_med.sweep.plan import FREE_SETTINGS, Cell, SweepConfig, is_open, plan_record

__all__ = ["SweepRequest", "merge_request", "read_plan", "write_plan"]

SweepRequest = Mapping[str, Any]
"""Fields of `SweepConfig` as asked for now; those not asked for are left out."""


def read_plan(out: Path) -> SweepConfig | None:
    """The plan of the sweep in `out`, `None` where there is none.

    Raises:
        RunFolderError: If the file is damaged or of another version.
        SettingsError: If a value in it is wrong.
    """
    plan = SweepFolder(out).read_plan()
    if plan is None:
        return None
    return SweepConfig.parse({**plan.model_dump(exclude={"version", "cells"}), "out": out})


def write_plan(sweep: SweepConfig, cells: Sequence[Cell]) -> None:
    """Write `sweep.json` atomically.

    Raises:
        RunFolderError: If it cannot be written.
    """
    try:
        sweep.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(
            f"{sweep.out}: cannot be made ({error.strerror}); choose another `output`."
        ) from error
    plan_record(sweep, cells).write(SweepFolder(sweep.out).plan_file)


def merge_request(stored: SweepConfig | None, asked: SweepRequest) -> SweepConfig:
    """The sweep after laying what is asked for over what is there.

    Budgets, methods and seeds may be added. What is not asked for stays as it is.

    Args:
        stored: The sweep of the folder, `None` for a new one.
        asked: What is asked for now, `out` at least.

    Raises:
        SettingsError: If a setting differs from that of the sweep, naming it.
    """
    if stored is None:
        return SweepConfig.parse(asked)
    if "data" in asked and Path(asked["data"]).resolve() != stored.data.resolve():
        raise _differs(stored, "data", stored.data, asked["data"])
    given = asked.get("settings", {})
    was, wanted = _recorded(stored, stored.settings), _recorded(stored, given)
    settings = dict(stored.settings)
    for name in given:
        if name in FREE_SETTINGS:
            settings[name] = given[name]
        elif not is_open(wanted[name]) and wanted[name] != was[name]:
            raise _differs(stored, name, was[name], wanted[name])
    return stored.model_copy(
        update={
            "budgets": _with_new_budgets(stored.budgets, asked.get("budgets", ())),
            "methods": tuple(dict.fromkeys((*stored.methods, *asked.get("methods", ())))),
            "seeds": tuple(sorted({*stored.seeds, *asked.get("seeds", ())})),
            "settings": settings,
        }
    )


def _recorded(sweep: SweepConfig, settings: Mapping[str, Any]) -> dict[str, Any]:
    """All settings as a run would record them, so that `1e-2` and `0.01` are the same."""
    return TrainConfig.parse({**settings, "data": sweep.data}).model_dump(mode="json")


def _with_new_budgets(stored: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    known = {budget_key(budget) for budget in stored}
    return (*stored, *(budget for budget in asked if budget_key(budget) not in known))


def _differs(sweep: SweepConfig, name: str, was: object, asked: object) -> SettingsError:
    return SettingsError(
        f"{sweep.out}: this sweep was started with `{name}={was}`, not {asked}; go on with its own "
        "settings, or choose another `output`."
    )
