"""`sweep.json`: the plan on disk, and whether a second start fits it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecs_med.config import TrainConfig
from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.files import write_json
from ecs_med.sweep.axes import budget_key
from ecs_med.sweep.plan import Cell, SweepConfig, describe_cells

__all__ = ["FILE_NAME", "MAY_DIFFER", "SweepRequest", "merge_request", "read_plan", "write_plan"]

FILE_NAME = "sweep.json"

MAY_DIFFER = ("workers", "cache", "tensorboard")
"""Shared settings that a second start may change, because no result depends on them."""

_VERSION = 1

SweepRequest = Mapping[str, Any]
"""Fields of `SweepConfig` as asked for now; those not asked for are left out."""


def read_plan(out: Path) -> SweepConfig | None:
    """The plan of the sweep in `out`, `None` where there is none.

    Raises:
        RunFolderError: If the file is damaged or of a later version.
    """
    path = out / FILE_NAME
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content["version"]
        values = {key: content[key] for key in ("data", "budgets", "methods", "seeds", "settings")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(
            f"{path}: not readable as the plan of a sweep ({error!r}); choose another --out."
        ) from error
    if version != _VERSION:
        raise RunFolderError(
            f"{path}: version {version}, and this ecs-med reads {_VERSION}; update ecs-med, or "
            "choose another --out."
        )
    return SweepConfig.parse({**values, "out": out})


def write_plan(sweep: SweepConfig, cells: Sequence[Cell]) -> None:
    """Write `sweep.json` atomically.

    Raises:
        RunFolderError: If it cannot be written.
    """
    try:
        sweep.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(
            f"{sweep.out}: cannot be made ({error.strerror}); choose another --out."
        ) from error
    values = sweep.model_dump(mode="json", exclude={"out"})
    content = {"version": _VERSION, **values, "cells": describe_cells(cells, sweep.out)}
    write_json(sweep.out / FILE_NAME, content)


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
        if name in MAY_DIFFER:
            settings[name] = given[name]
        elif wanted[name] not in (None, "auto", was[name]):
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
        f"{sweep.out}: this sweep was started with {name}={was}, not {asked}; go on with its own "
        "settings, or choose another --out."
    )
