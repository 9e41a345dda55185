"""`scores.jsonl`: what was seen of each case, kept as it comes so that a pass can go on."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from ecs_med.errors import RunFolderError
from ecs_med.files import RESULT_REMEDY, regular_file, told, write_text
from ecs_med.records import Record

__all__ = ["CaseLine", "Scores"]


class CaseLine(Record):
    """What was seen of one case."""

    case: str
    """Id of the case."""
    files: str
    """Digest of what it follows from, so that what was changed is seen again."""


Kept = TypeVar("Kept", bound=CaseLine)


class Scores(Generic[Kept]):
    """What is known so far of the cases.

    Args:
        path: The file.
        head: Its first line; lines under another one are dropped.
        lines: What is in the file, by case.
    """

    def __init__(self, path: Path, head: str, lines: dict[str, Kept]) -> None:
        self._path = path
        self._head = head
        self._lines = lines
        self._handle: int | None = None

    @classmethod
    def read(cls, path: Path, kind: type[Kept], form: str, source: str) -> "Scores[Kept]":
        """What an earlier pass left, if it was one of the same source; else nothing.

        The last line of a process that was killed may be cut off, and is passed over.

        Args:
            path: The file.
            kind: Record of a line.
            form: Name and version of the format.
            source: What the numbers follow from.

        Raises:
            RunFolderError: If the file is there and cannot be read.
        """
        expected = json.dumps({"format": form, "source": source})
        try:
            head, *rows = regular_file(path).read_text("utf-8").splitlines() or [""]
        except FileNotFoundError:
            head, rows = "", []
        except (OSError, ValueError) as error:
            raise RunFolderError(f"{path}: cannot be read; remove it to start anew.") from error
        lines: dict[str, Kept] = {}
        if head == expected:
            for row in rows:
                try:
                    line = kind.parse_json(row, path)
                except RunFolderError:
                    continue
                lines[line.case] = line
        return cls(path, expected, lines)

    def __len__(self) -> int:
        return len(self._lines)

    def of(self, case: str, files: str) -> Kept | None:
        """What was seen of a case, if its files are still the same."""
        line = self._lines.get(case)
        return line if line is not None and files and line.files == files else None

    @contextmanager
    def appending(self) -> Iterator["Scores[Kept]"]:
        """Write what is known anew, and keep the file open for more.

        Raises:
            RunFolderError: If it cannot be written.
        """
        rows = [self._head, *(line.model_dump_json() for line in self._lines.values())]
        write_text(self._path, "".join(f"{row}\n" for row in rows), remedy=RESULT_REMEDY)
        with told(self._path, RESULT_REMEDY):
            self._handle = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            yield self
        finally:
            os.close(self._handle)
            self._handle = None

    def add(self, line: Kept) -> None:
        """Keep what was seen of a case; errors as `appending`."""
        assert self._handle is not None
        self._lines[line.case] = line
        with told(self._path, RESULT_REMEDY):
            os.write(self._handle, f"{line.model_dump_json()}\n".encode())
