"""`scores.jsonl`: what was seen of each candidate, kept as it comes so that a pass can go on."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from ecs_med.acquisition.look import Look
from ecs_med.errors import RunFolderError
from ecs_med.files import RESULT_REMEDY, regular_file, told, write_text

__all__ = ["Scores"]

_FORMAT = "ecs-med suggest 1"


class Scores:
    """What is known so far of the candidates.

    Args:
        path: The file.
        source: What the numbers follow from; lines of another source are dropped.
        looks: What is in the file.
    """

    def __init__(self, path: Path, source: str, looks: dict[str, Look]) -> None:
        self._path = path
        self._head = _head(source)
        self._looks = looks
        self._handle: int | None = None

    @classmethod
    def read(cls, path: Path, source: str) -> Self:
        """What an earlier pass left, if it was one of the same source; else nothing.

        The last line of a process that was killed may be cut off, and is passed over.

        Raises:
            RunFolderError: If the file is there and cannot be read.
        """
        try:
            head, *lines = regular_file(path).read_text("utf-8").splitlines() or [""]
        except FileNotFoundError:
            head, lines = "", []
        except (OSError, ValueError) as error:
            raise RunFolderError(f"{path}: cannot be read; remove it to start anew.") from error
        looks = {}
        if head == _head(source):
            for line in lines:
                try:
                    look = Look.parse_json(line, path)
                except RunFolderError:
                    continue
                looks[look.case] = look
        return cls(path, source, looks)

    def __len__(self) -> int:
        return len(self._looks)

    def of(self, case: str, files: str) -> Look | None:
        """What was seen of a case, if its files are still the same."""
        look = self._looks.get(case)
        return look if look is not None and files and look.files == files else None

    @contextmanager
    def appending(self) -> Iterator[Self]:
        """Write what is known anew, and keep the file open for more.

        Raises:
            RunFolderError: If it cannot be written.
        """
        lines = [self._head, *(look.model_dump_json() for look in self._looks.values())]
        write_text(self._path, "".join(f"{line}\n" for line in lines), remedy=RESULT_REMEDY)
        with told(self._path, RESULT_REMEDY):
            self._handle = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            yield self
        finally:
            os.close(self._handle)
            self._handle = None

    def add(self, look: Look) -> None:
        """Keep what was seen of a case; errors as `appending`."""
        assert self._handle is not None
        self._looks[look.case] = look
        with told(self._path, RESULT_REMEDY):
            os.write(self._handle, f"{look.model_dump_json()}\n".encode())


def _head(source: str) -> str:
    return json.dumps({"format": _FORMAT, "source": source})
