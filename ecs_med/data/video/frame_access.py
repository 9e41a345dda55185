"""Single frames of videos, each bit by bit what decoding from the start gives.

A decoder stays open and goes ahead, so that frames asked for in order are decoded once; where
another one is asked for, it starts again at the key frame before. Pictures are handed on, not kept.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.video.frame_list import FrameList, list_frames, position_of
from ecs_med.data.video.opening import open_stream, upright
from ecs_med.errors import UnreadableFileError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["frame_picture"]

Picture = npt.NDArray[np.uint8]

_MOST_OPEN = 4
"""Videos whose decoders stay open: each holds a few frames."""


def frame_picture(path: Path, number: int) -> Picture:
    """One frame of a video.

    Args:
        path: The video.
        number: Of the frame, from 0, by its time stamp.

    Returns:
        `(H, W, 3)`, uint8, red, green, blue, upright.

    Raises:
        MissingExtraError: If PyAV is not installed.
        UnreadableFileError: If the video has no such frame, or it cannot be decoded.
    """
    frames = list_frames(path)
    if not 0 <= number < len(frames):
        raise UnreadableFileError(
            path, f"has no frame {number:,}, only {len(frames):,} from 0", "correct the number"
        )
    picture = _decoder_of(path, frames).picture(number)
    if picture.shape[:2] != frames.shape:
        raise UnreadableFileError(
            path,
            f"changes the size of its pictures at frame {number:,}",
            "cut it there with FFmpeg",
        )
    return picture


class _Decoder:
    """A video that is open, and how far it has been decoded; threads take turns.

    What others wait for is kept for them when the decoder passes it, since several threads do not
    ask in order.
    """

    def __init__(self, path: Path, frames: FrameList) -> None:
        self._path, self._frames = path, frames
        self._turn = Lock()
        self._waiting: list[int] = []
        self._ready: dict[int, Picture] = {}
        self._container: InputContainer | None = None
        self._stream: VideoStream | None = None
        self._coming: Iterator[Any] = iter(())
        self._fed, self._passed = -1, -1
        self._key: int | None = None
        self._false_keys: set[tuple[int, int]] = set()

    def picture(self, number: int) -> Picture:
        self._waiting.append(number)
        try:
            with self._turn:
                ready = self._ready.pop(number, None)
                return self._decode(number) if ready is None else ready
        finally:
            self._waiting.remove(number)

    def close(self) -> None:
        """Give the file back; whoever asks for a frame opens it again."""
        with self._turn:
            self._close()

    def _close(self) -> None:
        if self._container is not None:
            self._container.close()
        self._container, self._stream, self._coming = None, None, iter(())

    def _decode(self, number: int) -> Picture:
        starts = [key for key in self._frames.starts(number) if key not in self._false_keys]
        is_ahead = self._container is not None and self._passed < number
        # Where a key lies between, it is nearer from there.
        if is_ahead and (not starts or starts[0][0] <= self._fed):
            found = self._go_to(number)
            if found is not None:
                return found
        for start in starts:
            found = self._go_to(number) if self._seek(*start) else None
            if found is not None:
                return found
            self._false_keys.add(start)
        self._reopen()
        found = self._go_to(number)
        if found is None:
            raise UnreadableFileError(
                self._path, f"its frame {number:,} cannot be decoded", "copy it again, or convert "
                "it with FFmpeg",
            )  # fmt: skip
        return found

    def _go_to(self, number: int) -> Picture | None:
        """Decode up to a frame; `None` where it does not come whole.

        What first comes from a key is the key itself. Streams that are refreshed piece by piece
        have keys that are none: decoders give other pictures from there, and no error.
        """
        from av.video.frame import PictureType

        for decoded in self._coming:
            passed = self._number(decoded)
            if passed is None or passed <= self._passed:
                continue
            if self._key is not None and (passed, decoded.pict_type) != (self._key, PictureType.I):
                return None
            self._key, self._passed = None, passed
            if passed > number:
                return None
            if decoded.is_corrupt:
                continue
            if passed == number:
                return upright(decoded)
            if passed in self._waiting:
                self._ready[passed] = upright(decoded)
        return None

    def _seek(self, place: int, stamp: int) -> bool:
        """Have decoding start at a key; whether the file led there, or to one before."""
        from av.error import FFmpegError

        if self._container is None:
            self._reopen()
        assert self._container is not None
        try:
            self._container.seek(stamp, stream=self._stream)
            packets = self._container.demux(self._stream)
            first = next(packet for packet in packets if self._is_start(packet, place))
        except (FFmpegError, StopIteration):
            return False
        number = self._number(first)
        if number is None or self._frames.places[number] > place:
            return False
        # Frames that are shown before the key may need what was not decoded.
        self._key, self._passed = number, number - 1
        self._coming = self._decoded(chain([first], packets))
        return True

    def _number(self, packet_or_frame: Any) -> int | None:
        stamp = packet_or_frame.pts
        return None if stamp is None else self._frames.number_of(stamp)

    def _is_start(self, packet: Any, place: int) -> bool:
        """Whether a packet is a key, or lies behind the one at `place`."""
        number = self._number(packet)
        return number is not None and (
            packet.is_keyframe or int(self._frames.places[number]) > place
        )

    def _reopen(self) -> None:
        """Start at the beginning."""
        self._close()
        container, stream = open_stream(self._path)
        # In threads of its own it would not survive that a process is forked.
        stream.thread_type = "NONE"
        self._container, self._stream = container, stream
        self._fed, self._passed, self._key = -1, -1, None
        self._coming = self._decoded(container.demux(stream))

    def _decoded(self, packets: Iterator[Any]) -> Iterator[Any]:
        from av.error import FFmpegError

        while True:
            try:
                packet = next(packets)
            except (FFmpegError, StopIteration):
                return
            number = self._number(packet)
            if number is not None:
                # Formats without stamps of their own have them guessed, otherwise after a jump.
                if self._frames.positions[number] != position_of(packet):
                    return
                self._fed = int(self._frames.places[number])
            try:
                found = packet.decode()
            except FFmpegError:
                continue
            yield from found


_lock = Lock()
_open: OrderedDict[FrameList, _Decoder] = OrderedDict()


def _decoder_of(path: Path, frames: FrameList) -> _Decoder:
    """The decoder of a file in its present state; that of the video longest unused is closed."""
    with _lock:
        decoder = _open.pop(frames, None) or _Decoder(path, frames)
        _open[frames] = decoder
        gone = _open.popitem(last=False)[1] if len(_open) > _MOST_OPEN else None
    if gone is not None:
        gone.close()
    return decoder


def _forget() -> None:
    """In a forked process: decoders share the place in their files with those of the parent."""
    global _lock, _open
    _lock, _open = Lock(), OrderedDict()


os.register_at_fork(after_in_child=_forget)
