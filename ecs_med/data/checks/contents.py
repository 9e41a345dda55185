"""What the files of a case hold, as digests: by them equal pictures and edited masks are known."""

import hashlib
import math
import threading
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers import Scan
from ecs_med.files import regular_file
from ecs_med.records import Record

__all__ = [
    "CaseContent",
    "array_digest",
    "files_digest",
    "pixels_digest",
    "same_image",
    "same_mask",
]

_NUM_BYTES = 10
"""Of a digest: among 100,000 files two are taken for equal with a chance of 1 in 10^14."""

_AT_ONCE = 2**22
"""Voxels that are floating point at a time."""

_ONE_AT_A_TIME = threading.Lock()


class CaseContent(Record):
    """Digests of one case. Where files lie and when they were touched is no part of them."""

    id: str
    """Id of the case."""
    image: str
    """Of the bytes of its image files; empty where one cannot be read."""
    pixels: str = ""
    """Of its pixels as they are read; empty where they cannot be."""
    mask: str | None = None
    """Of the bytes of its mask; `None` without one."""
    labels: str = ""
    """Of its labels on the grid of the image; empty where they cannot be read."""


def same_image(first: CaseContent, second: CaseContent) -> bool:
    """Whether two cases show the same, byte by byte or pixel by pixel."""
    return _agree((first.image, first.pixels), (second.image, second.pixels))


def same_mask(first: CaseContent, second: CaseContent) -> bool:
    """Whether two cases are labelled alike; saving a mask anew changes nothing."""
    if first.mask is None or second.mask is None:
        return first.mask == second.mask
    return _agree((first.mask, first.labels), (second.mask, second.labels))


def _agree(first: Iterable[str], second: Iterable[str]) -> bool:
    return any(one and one == other for one, other in zip(first, second, strict=True))


def files_digest(files: Sequence[Path], frame: int | None = None, *, shared: bool = False) -> str:
    """Digest of the bytes of some files, one after the other; empty where one cannot be read.

    A file of many frames, or one that is `shared` by many cases, is read once in a process, as long
    as its size and time stay the same.
    """
    digest = hashlib.blake2b(b"" if frame is None else str(frame).encode(), digest_size=_NUM_BYTES)
    try:
        for path in files:
            once = shared or frame is not None
            digest.update(_digest_once(path) if once else _digest(path))
    except OSError:
        return ""
    return digest.hexdigest()


def _digest(path: Path) -> bytes:
    with regular_file(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _digest_once(path: Path) -> bytes:
    state = path.stat()
    # Threads that look at frames of one file wait for the first of them.
    with _ONE_AT_A_TIME:
        return _digest_of_state(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4096)
def _digest_of_state(path: Path, size: int, mtime_ns: int) -> bytes:
    return _digest(path)


def array_digest(array: npt.NDArray[Any]) -> str:
    """Digest of shape and values."""
    digest = hashlib.blake2b(repr(array.shape).encode(), digest_size=_NUM_BYTES)
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def pixels_digest(scan: Scan) -> str:
    """Digest of shape and pixels; a volume has the same one in whatever type it is stored."""
    if not scan.is_volume:
        return array_digest(scan.array)
    digest = hashlib.blake2b(repr(scan.array.shape).encode(), digest_size=_NUM_BYTES)
    rows = max(1, _AT_ONCE // math.prod(scan.array.shape[2:]))
    for channel in scan.array:
        for start in range(0, len(channel), rows):
            part = np.ascontiguousarray(channel[start : start + rows])
            digest.update(part.astype(np.float32, copy=False).data)
    return digest.hexdigest()
