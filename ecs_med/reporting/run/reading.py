"""Reads a run folder for the report; every part but the folder itself may be missing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecs_med.errors import RunFolderError
from ecs_med.reporting.run.history import History, read_history

__all__ = ["RunRecord", "inner", "read_json", "read_run", "texts"]

_PARTS = {
    "config": "config.json",
    "split": "split.json",
    "metrics": "metrics.json",
    "manifest": "manifest.json",
    "gallery": "gallery/gallery.json",
}


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run folder holds, as read; mappings of missing or damaged files are empty.

    Attributes:
        folder: The run folder.
        config: `config.json`.
        split: `split.json`.
        metrics: `metrics.json`.
        manifest: `manifest.json`.
        gallery: `gallery/gallery.json`.
        history: `history.jsonl`.
        notes: One sentence for each part that is damaged.
    """

    folder: Path
    config: Mapping[str, Any]
    split: Mapping[str, Any]
    metrics: Mapping[str, Any]
    manifest: Mapping[str, Any]
    gallery: Mapping[str, Any]
    history: History
    notes: tuple[str, ...] = ()


def read_run(folder: Path) -> RunRecord:
    """Read everything that a report is made of.

    Raises:
        RunFolderError: If `folder` is no folder, or holds none of the files of a run.
    """
    if not folder.is_dir():
        raise RunFolderError(f"{folder}: no such run folder; check the path of the run.")
    if not any((folder / name).exists() for name in (*_PARTS.values(), "history.jsonl")):
        raise RunFolderError(
            f"{folder}: not a run folder (no config.json in it); name a folder that "
            "`ecs-med train` has written."
        )
    notes: list[str] = []
    parts: dict[str, Mapping[str, Any]] = {}
    for part, name in _PARTS.items():
        content, note = read_json(folder / name)
        parts[part] = content
        if note:
            notes.append(f"{name} {note}, so that its part of this report is empty.")
    try:
        history = read_history(folder / "history.jsonl")
    except OSError as error:
        history = History()
        notes.append(f"history.jsonl cannot be read ({error.strerror}), so there are no curves.")
    if history.num_skipped:
        lines = "line" if history.num_skipped == 1 else "lines"
        notes.append(
            f"history.jsonl has {history.num_skipped} unreadable {lines}, left by a process that "
            "was stopped while writing; the rest is shown."
        )
    return RunRecord(folder=folder, history=history, notes=tuple(notes), **parts)


def read_json(path: Path) -> tuple[Mapping[str, Any], str]:
    """Read a JSON object.

    Returns:
        The object and an empty string; an empty object where the file is missing; an empty
        object and what is wrong, as a predicate without a full stop, where it is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, ""
    except OSError as error:
        return {}, f"cannot be read ({error.strerror})"
    except (ValueError, RecursionError):
        return {}, "is damaged (not JSON)"
    if not isinstance(content, Mapping):
        return {}, "is damaged (not a JSON object)"
    return content, ""


def inner(content: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """The mapping below `keys`, or an empty one where there is none."""
    value: object = content
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def texts(value: object) -> tuple[str, ...]:
    """The elements of a JSON list as text; empty where `value` is no list."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return tuple(str(element) for element in value)
    return ()
