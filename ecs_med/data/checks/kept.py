"""What an examination found, kept on disk, so that a second start need not decode everything.

It holds as long as no file changes its path, size or time, nothing else is asked for, and the same
code reads them. A damaged file is as good as none.
"""

import hashlib
import json
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from ecs_med.config import ReadingSettings
from ecs_med.data.checks.facts import CaseFacts
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.readers import fingerprint
from ecs_med.errors import DataError, RunFolderError
from ecs_med.files import make_folder, write_text
from ecs_med.records import Record
from ecs_med.types import Case, CaseCollection, Problem

__all__ = ["KeptExamination", "file_of", "key_of", "read_kept", "write_kept"]

_FORMAT: Final = 1


class KeptExamination(Record):
    """What decoding every file of a data set told."""

    key: str
    """Of the state of the files and of the settings, see `key_of`."""
    scheme: LabelScheme | None
    """How stored mask values map onto classes; `None` without usable masks."""
    understood: tuple[Problem, ...]
    """How mask values were understood, or why not."""
    facts: tuple[CaseFacts, ...]
    """Of every case, in the order of the collection."""


def key_of(collection: CaseCollection, settings: ReadingSettings) -> str:
    """Text that changes whenever an examination may find something else."""
    asked = (_FORMAT, _code(), settings.model_dump(mode="json"), _declared(collection))
    digest = hashlib.sha256(json.dumps(asked).encode())
    for case in collection.cases:
        digest.update(json.dumps([case.id, case.annotated, *_state(case)]).encode())
    return digest.hexdigest()


@cache
def _code() -> str:
    """Changes with the code that reads and checks, so that a mended reader reads anew."""
    folder = Path(__file__).parents[1]
    states = [(path.relative_to(folder), path.stat()) for path in sorted(folder.rglob("*.py"))]
    return json.dumps([(str(name), state.st_size, state.st_mtime_ns) for name, state in states])


def _declared(collection: CaseCollection) -> list[list[object]]:
    return [[value, name] for value, name in sorted((collection.labels or {}).items())]


def _state(case: Case) -> list[str | None]:
    states: list[str | None] = []
    for files, frame in ((case.images, case.frame), ((case.mask,), None)):
        try:
            states.append(fingerprint([path for path in files if path is not None], frame))
        except (OSError, DataError, ValueError):
            states.append(None)
    return states


def file_of(folder: Path, collection: CaseCollection, settings: ReadingSettings) -> Path:
    """Where it lies: one file for a data set and a way to read it; its next state replaces it."""
    asked = [str(collection.root.absolute()), settings.model_dump(mode="json")]
    name = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]
    return folder / "examined" / f"{name}.json"


def read_kept(path: Path, collection: CaseCollection, key: str) -> KeptExamination | None:
    """The examination of these files in this state; `None` where none is kept."""
    try:
        kept = KeptExamination.read(path)
    except RunFolderError:
        return None
    return kept if kept.key == key and len(kept.facts) == len(collection.cases) else None


def write_kept(path: Path, kept: KeptExamination) -> None:
    """Keep an examination; where that is not possible, the next start decodes again."""
    with suppress(RunFolderError):
        make_folder(path.parent)
        write_text(path, kept.to_line())
