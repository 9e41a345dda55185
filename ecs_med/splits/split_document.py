"""The file format of splits, read with suspicion."""

import json
from pathlib import Path
from typing import Any, Literal, get_args

from ecs_med.errors import UnreadableFileError

__all__ = ["FORMAT", "VERSION", "Role", "is_split_document", "read_document", "read_roles"]

Role = Literal["labeled", "unlabeled", "validation", "test", "unused"]
"""What a case is for in one run."""

FORMAT = "ecs-med split"
"""By this a file says what it is."""

VERSION = 1
"""Goes up when an older reader would misunderstand the file."""

_REMEDY = "use the split.json of a run as it was written, or let --labeled draw a new one"


def is_split_document(document: object) -> bool:
    """Whether parsed JSON says of itself that it is a split of ecs-med."""
    return isinstance(document, dict) and document.get("format") == FORMAT


def read_document(path: Path) -> dict[str, Any]:
    """Read a split file as far as its head.

    Raises:
        UnreadableFileError: If the file is missing, damaged, or no split.
    """
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UnreadableFileError(path, error.strerror or "cannot be read", _REMEDY) from error
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError(path, "is damaged, or not JSON", _REMEDY) from error
    if not isinstance(document, dict) or not is_split_document(document):
        raise UnreadableFileError(path, "is not a split of ecs-med", _REMEDY)
    if document.get("version") != VERSION:
        raise UnreadableFileError(
            path,
            f"has version {document.get('version')!r} of the split format, not {VERSION}",
            "use the ecs-med that wrote it",
        )
    seed, asked = document.get("seed"), document.get("labeled")
    texts = [*_as_list(document.get("notes")), *_as_list(document.get("warnings"))]
    sound = type(seed) is int and isinstance(asked, str)
    if not (sound and all(isinstance(text, str) for text in texts)):
        raise UnreadableFileError(path, "is damaged (seed, labeled, notes or warnings)", _REMEDY)
    return document


def _as_list(value: object) -> list[object]:
    # A list of nothing where the key is absent; a non-list fails the check on its items.
    return [] if value is None else value if isinstance(value, list) else [value, None]


def read_roles(path: Path, document: dict[str, Any]) -> dict[str, Role]:
    """The role of every case by id.

    Raises:
        UnreadableFileError: If a role is unknown, an id is doubled, or nothing is
            labelled or tested on.
    """
    rows = document.get("cases")
    if not isinstance(rows, list) or not rows:
        raise UnreadableFileError(path, "lists no cases", _REMEDY)
    roles: dict[str, Role] = {}
    for row in rows:
        entry = row if isinstance(row, dict) else {}
        id_: Any = entry.get("id")
        role: Any = entry.get("role")
        if not isinstance(id_, str) or role not in get_args(Role):
            raise UnreadableFileError(
                path,
                f"has a case without an id or with an unknown role ({json.dumps(row)[:80]})",
                f"roles are {', '.join(get_args(Role))}",
            )
        if id_ in roles:
            raise UnreadableFileError(path, f"names {id_} twice", _REMEDY)
        roles[id_] = role
    for needed in ("labeled", "test"):
        if needed not in roles.values():
            raise UnreadableFileError(path, f"has no {needed} case", _REMEDY)
    return roles
