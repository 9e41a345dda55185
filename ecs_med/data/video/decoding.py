"""Frames of a video one after the other, in memory that does not grow, and how far they went.

Videos are decoded by FFmpeg through PyAV. Damaged and truncated files often end without an error,
so what came is held against what the file itself says of its length.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.video.opening import REMEDY, open_stream, upright
from ecs_med.errors import UnreadableFileError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["Frame", "Video", "open_video"]

_SLACK_SECONDS = 0.1
_SLACK_FRAMES = 3
"""How much earlier than the file says a video may end: rounding, and frames that are not shown."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a video.

    Attributes:
        index: Place in the video, from 0.
        stamp: When it is shown, in units of `Video.time_base`, strictly rising.
        seconds: The same in seconds.
        picture: `(H, W, 3)`, uint8, red, green, blue, upright.
    """

    index: int
    stamp: int
    seconds: float
    picture: npt.NDArray[np.uint8]


class Video:
    """A video that is open, of which `frames` gives one picture after the other, once.

    Args:
        path: The file.
        container: PyAV's.
        stream: The one whose pictures are given.

    Attributes:
        time_base: Seconds of one unit of a stamp.
        rate: Frames a second on average; `None` where the file does not tell.
        num_frames: How many came so far.
        problem: How far a damaged or truncated file went, one sentence without the path; `None`
            while it is whole. Known when all frames have been taken.
    """

    def __init__(self, path: Path, container: "InputContainer", stream: "VideoStream") -> None:
        self._path, self._container, self._stream = path, container, stream
        self.time_base = Fraction(stream.time_base or Fraction(1, 1000))
        self.rate = Fraction(stream.average_rate) if stream.average_rate else None
        self.num_frames = 0
        self.problem: str | None = None
        self._num_broken = 0
        self._stamp: int | None = None
        self._packet_end, self._frame_end = 0.0, 0.0

    @property
    def expected_frames(self) -> int | None:
        """How many frames there should be, nearly; `None` where the file does not tell."""
        if self._stream.frames:
            return self._stream.frames
        seconds = self._seconds_of_stream() or self._seconds_of_file()
        return None if seconds is None or self.rate is None else round(seconds * self.rate)

    def frames(self) -> Iterator[Frame]:
        """All of its pictures; where decoding stops, they end, and `problem` says so.

        Raises:
            UnreadableFileError: If there is not one.
        """
        for decoded in self._decoded():
            if decoded.is_corrupt:
                self._num_broken += 1
            yield self._frame(decoded)
        self.problem = self.shortfall(self._frame_end)
        if not self.num_frames:
            raise UnreadableFileError(self._path, "not one frame can be decoded", REMEDY)

    def packets(self) -> Iterator[Any]:
        """What the file lists, in the order in which it is decoded, the empty end included.

        A file gives either these or its `frames`, once.
        """
        from av.error import FFmpegError

        packets = self._container.demux()
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except FFmpegError:
                self._num_broken += 1
                return
            if packet.pts is not None and packet.time_base is not None:
                end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                self._packet_end = max(self._packet_end, end)
            if packet.stream is self._stream:
                yield packet

    def _decoded(self) -> Iterator[Any]:
        """As PyAV gives them; packets that cannot be decoded are counted and passed over."""
        from av.error import FFmpegError

        for packet in self.packets():
            try:
                found = packet.decode()
            except FFmpegError:
                self._num_broken += 1
                continue
            yield from found

    def _frame(self, decoded: Any) -> Frame:
        stamp = decoded.pts if decoded.pts is not None else decoded.dts
        if stamp is None:
            steps = 1 if self.rate is None else 1 / (self.rate * self.time_base)
            stamp = round(self.num_frames * steps)
        if self._stamp is not None and stamp <= self._stamp:
            stamp = self._stamp + 1
        self._stamp = stamp
        duration = decoded.duration or 0
        self._frame_end = float((stamp + duration) * self.time_base)
        frame = Frame(self.num_frames, stamp, float(stamp * self.time_base), upright(decoded))
        self.num_frames += 1
        return frame

    def shortfall(self, pictures_end: float) -> str | None:
        """What is missing of a file that was read to its end, one sentence without the path.

        Args:
            pictures_end: Seconds at which the last picture that came ends.
        """
        own, whole = self._seconds_of_stream(), self._seconds_of_file()
        came, told = (self._packet_end, whole) if own is None else (pictures_end, own)
        slack = max(_SLACK_SECONDS, float(_SLACK_FRAMES / self.rate) if self.rate else 0.0)
        is_short = told is not None and told - came > slack
        if not is_short and not self._num_broken:
            return None
        expected = self.expected_frames
        of_frames = f" of {expected:,}" if expected and expected > self.num_frames else ""
        of_seconds = f" of {told:.1f}" if told is not None else ""
        read = f"{self.num_frames:,}{of_frames} frames, {came:.1f}{of_seconds} seconds"
        why = f"{self._num_broken:,} of its parts are damaged" if self._num_broken else "it ends"
        return f"read {read}, then {why}" if is_short else f"read {read}; {why}"

    def _seconds_of_stream(self) -> float | None:
        """When its pictures end, by what the file says of them."""
        if self._stream.duration is not None:
            start = self._stream.start_time or 0
            return float((start + self._stream.duration) * self.time_base)
        return _seconds(self._stream.metadata.get("DURATION"))

    def _seconds_of_file(self) -> float | None:
        """When all that it holds ends, sound included."""
        if self._container.duration is None:
            return None
        return ((self._container.start_time or 0) + self._container.duration) / 1e6


@contextmanager
def open_video(path: Path) -> Iterator[Video]:
    """Open a video; nothing but its head is read yet.

    Raises:
        MissingExtraError: If PyAV is not installed.
        UnreadableFileError: If it is no video, or its frames are too large.
    """
    container, stream = open_stream(path)
    with container:
        stream.thread_type = "AUTO"
        yield Video(path, container, stream)


def _seconds(text: str | None) -> float | None:
    """Seconds of `hh:mm:ss.fraction`, as Matroska writes them."""
    try:
        hours, minutes, seconds = (text or "").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None
