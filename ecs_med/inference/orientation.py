"""Scans that a model slices along the axes of their files, and not along those of the body."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from ecs_med.data.readers import ScanHeader, read_header
from ecs_med.data.readers.grids import axis_codes
from ecs_med.errors import EcsMedError
from ecs_med.inference.trained_data import TrainedData
from ecs_med.runs import ModelSpec

__all__ = ["orientation_notes"]

_NUM_SHOWN = 3


def orientation_notes(
    run: Path, spec: ModelSpec, scans: Sequence[Sequence[Path]]
) -> tuple[str, ...]:
    """What a person should know of them, one sentence each.

    Args:
        run: Run folder of the model.
        spec: Of the model.
        scans: The files of each scan; what cannot be read is left to those who read it.
    """
    if spec.kind != "volume":
        return ()
    placed: dict[Path, str] = {}
    lost: list[Path] = []
    for files in scans:
        header = _header(files)
        if header is None or header.affine is None:
            continue
        if header.has_position:
            placed[files[0]] = axis_codes(header.affine)
        else:
            lost.append(files[0])
    notes = []
    if lost:
        notes.append(
            f"{_named(lost)}: no position in space, so that slices follow the axes of the file; "
            "look at the result."
        )
    if spec.preparation.orientation == "stored" and (placed or lost):
        notes += _notes_of_stored(run, placed)
    return tuple(notes)


def _notes_of_stored(run: Path, placed: dict[Path, str]) -> list[str]:
    known = TrainedData.of(run).orientations()
    first = f"{run}: slices volumes along the axes of their files, as it was trained"
    if not known:
        return [
            f"{first}, and how the scans of its training are stored is not known any more; train "
            "anew to slice all scans along the axes of the body."
        ]
    notes = [f"{first}; train anew to slice all scans along the axes of the body."]
    others = {path: code for path, code in placed.items() if code not in known}
    if others:
        notes.append(
            f"{_named(list(others))}: stored as {_listed(others.values())}, and the scans that "
            f"{run} was trained on as {_listed(known)}, so that it sees the body turned; do not "
            "trust the result."
        )
    return notes


def _header(files: Sequence[Path]) -> ScanHeader | None:
    try:
        return read_header(files)
    except (EcsMedError, OSError):
        return None


def _named(paths: Sequence[Path]) -> str:
    more = f" and {len(paths) - _NUM_SHOWN} more" if len(paths) > _NUM_SHOWN else ""
    return ", ".join(map(str, paths[:_NUM_SHOWN])) + more


def _listed(codes: Iterable[str]) -> str:
    found = sorted(set(codes))
    more = f" or {len(found) - _NUM_SHOWN} others" if len(found) > _NUM_SHOWN else ""
    return " or ".join(found[:_NUM_SHOWN]) + more
