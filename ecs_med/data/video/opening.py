"""Opening a video by PyAV: what is refused before a frame is decoded, and how a frame is turned."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ecs_med.errors import MissingExtraError, UnreadableFileError
from ecs_med.files import regular_file

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["REMEDY", "open_stream", "require_pyav", "upright"]

_MAX_PIXELS = 2**26
"""Of a frame; a header that claims more is not believed."""
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,mpegts,mpeg,mpegvideo,ogg"
"""What a file may be: play lists and scripts, which name other files, are not among them."""
REMEDY = "convert it with FFmpeg, or copy it again"


def require_pyav() -> None:
    """Say how it is installed, if it is not.

    Raises:
        MissingExtraError: If it is not.
    """
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("Reading videos", "video") from error


def open_stream(path: Path) -> "tuple[InputContainer, VideoStream]":
    """The file and its pictures as PyAV has them, which whoever opens it has to close.

    Raises:
        MissingExtraError: If PyAV is not installed.
        UnreadableFileError: If it is no video, or its frames are too large.
    """
    require_pyav()
    import av
    from av.error import FFmpegError

    options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
    try:
        container = av.open(
            f"file:{regular_file(path)}", options=options, metadata_errors="replace"
        )
    except FFmpegError as error:
        raise UnreadableFileError(path, "is no video that can be opened", REMEDY) from error
    except OSError as error:
        reason = error.strerror or "cannot be opened"
        raise UnreadableFileError(path, reason, "check the path and its permissions") from error
    try:
        return container, _stream_of_pictures(path, container)
    except UnreadableFileError:
        container.close()
        raise


def _stream_of_pictures(path: Path, container: "InputContainer") -> "VideoStream":
    import av

    # A cover is a video stream of one picture.
    cover = av.stream.Disposition.attached_pic
    streams = [s for s in container.streams.video if not s.disposition & cover]
    if not streams:
        raise UnreadableFileError(path, "holds no pictures", "give a video, or frames as PNG")
    context = streams[0].codec_context
    if context is None:
        raise UnreadableFileError(path, "is coded in a way that FFmpeg does not know", REMEDY)
    if not 0 < math.prod((context.width, context.height)) <= _MAX_PIXELS:
        size = f"{context.width:,} x {context.height:,}"
        raise UnreadableFileError(path, f"says that its frames have {size} pixels", REMEDY)
    return streams[0]


def upright(decoded: Any) -> npt.NDArray[np.uint8]:
    """A decoded frame as `(H, W, 3)` RGB, turned as the video says that it is shown."""
    turns = round((decoded.rotation or 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(decoded.to_ndarray(format="rgb24"), turns))
