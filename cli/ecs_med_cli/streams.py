"""Standard output and error that outlast their reader, their terminal and narrow encodings."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["lasting_streams"]

_GONE = {errno.EPIPE, errno.EIO}
"""The reader of a pipe has left; the terminal was closed."""


class _Lasting:
    """A stream that swallows what nobody reads any more, so that work goes on without it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return int(self._stream.write(text))
        except OSError as error:
            self._let_go(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._let_go(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _let_go(self, error: OSError) -> None:
        if error.errno not in _GONE:
            raise error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


@contextmanager
def lasting_streams() -> Iterator[None]:
    """Let no output end the program: not its encoding, nor that nobody reads it any more.

    What the encoding of a pipe or a file lacks, such as Chinese names on Windows, and bytes of
    names that are no UTF-8 are printed with backslashes, as JSON reads them.
    """
    former = sys.stdout, sys.stderr
    for stream in former:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # A stream that was closed before the program began is `None`.
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        sys.stdout, sys.stderr = (_Lasting(stream or nowhere) for stream in former)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = former
