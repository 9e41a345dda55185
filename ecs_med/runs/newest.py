"""Which run is taken where none is named, and what a person should know of a run."""

from pathlib import Path

from ecs_med.errors import RunFolderError
from ecs_med.runs.folder import RunFolder

__all__ = ["newer_than", "newest_run", "trained_layout", "unfinished"]


def newest_run(below: Path = Path("runs")) -> Path:
    """The finished run below `below` whose model was written last.

    Where none is finished, the newest of the others; `unfinished` tells of it.

    Raises:
        RunFolderError: If there is none.
    """
    folders = _newest_first(below)
    if not folders:
        raise RunFolderError(
            f"{below}: no trained run here; train one with `ecs-med train`, or give `model`."
        )
    return next((f for f in folders if RunFolder(f).progress() is None), folders[0])


def newer_than(run: Path) -> str | None:
    """A sentence on a run beside `run` that is newer but not finished; `None` without one."""
    folders = _newest_first(run.parent)
    if run not in folders[1:]:
        return None
    done, total = RunFolder(folders[0]).progress() or (0, 0)
    return f"{folders[0]} is newer, but not finished (iteration {done} of {total})."


def _newest_first(below: Path) -> list[Path]:
    specs = below.glob(f"*/{RunFolder(below).spec_file.name}")
    newest = sorted(specs, key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.parent for path in newest]


def unfinished(run: Path) -> str | None:
    """A sentence on a run whose training is not over; `None` where it is, or nothing says so."""
    progress = RunFolder(run).progress()
    if progress is None:
        return None
    done, total = progress
    return (
        f"{run}: this run is not finished (iteration {done} of {total}), its model is the best so "
        f"far; go on with it by `ecs-med train --resume --run {run}`."
    )


def trained_layout(run: Path) -> str | None:
    """Name of the layout of the data that a run was trained on; `None` where it does not say."""
    try:
        return RunFolder(run).read_manifest().data.layout
    except RunFolderError:
        return None
