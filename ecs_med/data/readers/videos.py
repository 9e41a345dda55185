"""The reader of single frames of videos, which are pictures to all that follows."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecs_med.data.readers.base import ReadOnly
from ecs_med.data.readers.scans import Scan, ScanHeader, StoredMask
from ecs_med.data.video import VIDEO_SUFFIXES
from ecs_med.data.video.frame_access import frame_picture
from ecs_med.data.video.frame_list import list_frames
from ecs_med.errors import UnreadableFileError

__all__ = ["VideoReader"]


class VideoReader(ReadOnly):
    """Frames of videos by their number; a video as a whole is no case."""

    name = "video"
    formats = ("video",)
    suffixes = VIDEO_SUFFIXES
    output_suffix = ".png"
    result_format = "png"
    holds_colors = True

    def header(self, files: Sequence[Path], frame: int | None = None) -> ScanHeader:
        """Height and width of the upright frame."""
        path, number = _frame_of(files, frame)
        frames = list_frames(path)
        if not 0 <= number < len(frames):
            raise UnreadableFileError(
                path, f"has no frame {number:,}, only {len(frames):,} from 0", "correct the number"
            )
        return ScanHeader(frames.shape, 3, None, "picture")

    def read(self, files: Sequence[Path], frame: int | None = None) -> Scan:
        """`(3, H, W)` uint8, upright."""
        path, number = _frame_of(files, frame)
        picture = frame_picture(path, number)
        return Scan(np.ascontiguousarray(picture.transpose(2, 0, 1)), None, "picture")

    def read_stored_labels(self, path: Path, images: Sequence[Path] = ()) -> StoredMask:
        """No video is a mask."""
        raise UnreadableFileError(path, "is a video, which holds no labels", "store masks as PNG")


def _frame_of(files: Sequence[Path], frame: int | None) -> tuple[Path, int]:
    if len(files) > 1:
        raise UnreadableFileError(
            files[1], f"is no channel of {files[0]}", "give one video, whose frames are cases"
        )
    if frame is None:
        raise UnreadableFileError(
            files[0], "is a video, of which single frames are cases",
            "put it into videos/, and masks of its frames into masks/ beside it",
        )  # fmt: skip
    return files[0], frame
