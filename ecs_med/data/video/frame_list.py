"""Which frames a video has: their numbers by the time stamps that the file lists.

A frame is known by its place among these, in the order of showing. Counting what a decoder gives,
or taking a rate for granted, would name other frames where the rate varies or some are not shown.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.video.decoding import open_video
from ecs_med.data.video.opening import open_stream, upright
from ecs_med.errors import UnreadableFileError

__all__ = ["FrameList", "list_frames", "position_of"]

_NUM_PROVED = 32
"""So many frames from the front are decoded, to see whether stamps can be believed."""
_NUM_KEPT = 1024
"""Lists of so many videos are kept: 24 bytes a frame."""
_NUM_STARTS = 4
_CONVERT = "convert it with FFmpeg to MP4"


@dataclass(frozen=True, slots=True, eq=False)
class FrameList:
    """The frames of one video.

    Attributes:
        shape: Height and width, upright.
        stamps: `(N,)`, int64, ascending: when each frame is shown, in units of the stream.
        places: `(N,)`, int64: the place of each in the order of decoding.
        positions: `(N,)`, int64: where each lies in the file, in bytes; -1 where that is not known.
        keys: Of the frames at which decoding may start: place and stamp, by place.
        seconds: From the first stamp to the last one.
    """

    shape: tuple[int, int]
    stamps: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]
    keys: tuple[tuple[int, int], ...]
    seconds: float

    def __len__(self) -> int:
        return len(self.stamps)

    @property
    def frames_per_second(self) -> float:
        """On average; 1 where there is a single frame."""
        return (len(self) - 1) / self.seconds if self.seconds > 0 else 1.0

    def number_of(self, stamp: int) -> int | None:
        """The frame that is shown at `stamp`; `None` if none is listed there."""
        number = int(np.searchsorted(self.stamps, stamp))
        return number if number < len(self) and self.stamps[number] == stamp else None

    def starts(self, number: int) -> list[tuple[int, int]]:
        """The nearest keys from which a frame can be decoded, the last one first.

        Frames that are shown before a key and stored behind it need what lies before that key.
        """
        place, stamp = int(self.places[number]), int(self.stamps[number])
        before = bisect_right(self.keys, place, key=itemgetter(0))
        keys = (self.keys[i] for i in range(before - 1, -1, -1))
        return list(islice((key for key in keys if key[1] <= stamp), _NUM_STARTS))


def list_frames(path: Path) -> FrameList:
    """List the frames of a video; all of the file is read, once in a process, little is decoded.

    Raises:
        MissingExtraError: If PyAV is not installed.
        UnreadableFileError: If it is no video, is damaged or truncated, or does not say when its
            frames are shown.
    """
    try:
        state = path.stat()
    except OSError as error:
        reason = error.strerror or "cannot be opened"
        raise UnreadableFileError(path, reason, "check the path and its permissions") from error
    return _listed(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=_NUM_KEPT)
def _listed(path: Path, size: int, mtime_ns: int) -> FrameList:
    with open_video(path) as video:
        packets = [_Packet.of(p) for p in video.packets() if p.size and not p.is_discard]
        unit, video.num_frames = video.time_base, len(packets)
        if any(packet is None for packet in packets):
            raise UnreadableFileError(path, "does not say when its frames are shown", _CONVERT)
        found = [packet for packet in packets if packet is not None]
        problem = video.shortfall(float(max((p.end for p in found), default=0) * unit))
    if not found or problem is not None:
        remedy = "copy it again, or cut it where it is whole with FFmpeg"
        raise UnreadableFileError(path, problem or "lists not one frame", remedy)
    order = np.argsort([packet.stamp for packet in found], kind="stable")
    stamps = np.array([packet.stamp for packet in found], np.int64)[order]
    positions = np.array([packet.position for packet in found], np.int64)[order]
    if (np.diff(stamps) <= 0).any():
        raise UnreadableFileError(path, "lists several frames at one time", _CONVERT)
    keys = tuple((i, packet.stamp) for i, packet in enumerate(found) if packet.is_key)
    seconds = float((int(stamps[-1]) - int(stamps[0])) * unit)
    return FrameList(_proved(path), stamps, order.astype(np.int64), positions, keys, seconds)


@dataclass(frozen=True, slots=True)
class _Packet:
    stamp: int
    end: int
    position: int
    is_key: bool

    @classmethod
    def of(cls, packet: Any) -> "_Packet | None":
        if packet.pts is None:
            return None
        end = packet.pts + (packet.duration or 0)
        return cls(packet.pts, end, position_of(packet), packet.is_keyframe)


def position_of(packet: Any) -> int:
    """Where a packet of PyAV lies in its file; -1 where that is not known."""
    return -1 if packet.pos is None else packet.pos


def _proved(path: Path) -> tuple[int, int]:
    """Height and width of the first frame, if the first ones come in the order of their stamps.

    H.264 in AVI does not: what is stored there is the order of decoding.
    """
    container, stream = open_stream(path)
    stamps: list[int | None] = []
    shape = None
    with container:
        for decoded in _some(container, stream):
            shape = shape or upright(decoded).shape
            stamps.append(decoded.pts)
    if shape is None:
        raise UnreadableFileError(path, "not one frame can be decoded", _CONVERT)
    if not _rise(stamps):
        raise UnreadableFileError(
            path, "does not say when its frames are shown: they come in another order", _CONVERT
        )
    return shape[0], shape[1]


def _some(container: Any, stream: Any) -> list[Any]:
    from av.error import FFmpegError

    found: list[Any] = []
    try:
        for decoded in container.decode(stream):
            found.append(decoded)
            if len(found) == _NUM_PROVED:
                break
    except FFmpegError:
        pass  # whichever frame is asked for later says so
    return found


def _rise(stamps: Sequence[int | None]) -> bool:
    known = [stamp for stamp in stamps if stamp is not None]
    return len(known) == len(stamps) and all(a < b for a, b in pairwise(known))
