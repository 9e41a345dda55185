"""Writing a video whose frames are shown exactly when those of another one are."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["VideoWriter", "can_write_video", "video_writer"]

_ENCODERS = ("libx264", "libopenh264")
"""H.264, which every player shows; MPEG-4 Part 2 cannot hold fine time stamps."""


def _encoder() -> str | None:
    import av
    from av.codec.codec import UnknownCodecError

    for name in _ENCODERS:
        try:
            av.codec.Codec(name, "w")
        except UnknownCodecError:
            continue
        return name
    return None


def can_write_video() -> bool:
    """Whether this build of FFmpeg has an encoder that can be used."""
    return _encoder() is not None


class VideoWriter:
    """Takes pictures with their stamps.

    Args:
        container: PyAV's, open for writing.
        rate: Frames a second on average, told to the encoder.
        time_base: Seconds of one unit of a stamp.
    """

    def __init__(self, container: Any, rate: Fraction | None, time_base: Fraction) -> None:
        self._container = container
        self._rate = rate or Fraction(25)
        self._time_base = time_base
        self._stream: Any = None

    def write(self, picture: npt.NDArray[np.uint8], stamp: int) -> None:
        """Add a picture `(H, W, 3)`; all have one size, stamps rise.

        An odd side gets one more row or column, a copy of the last: H.264 halves the colours.
        """
        import av

        height, width = picture.shape[:2]
        if height % 2 or width % 2:
            picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        if self._stream is None:
            self._stream = self._open(picture.shape[1], picture.shape[0])
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = stamp, self._time_base
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))

    def _open(self, width: int, height: int) -> Any:
        name = _encoder()
        options = {"preset": "veryfast", "crf": "20"} if name == "libx264" else {}
        stream = self._container.add_stream(name, rate=self._rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = self._time_base
        return stream


@contextmanager
def video_writer(path: Path, rate: Fraction | None, time_base: Fraction) -> Iterator[VideoWriter]:
    """A new MP4 file; it holds no metadata but its encoder's name.

    Args:
        path: Written over, whatever its suffix.
        rate: Frames a second on average.
        time_base: Seconds of one unit of a stamp.
    """
    import av

    with av.open(str(path), "w", format="mp4") as container:
        writer = VideoWriter(container, rate, time_base)
        yield writer
        writer.finish()
