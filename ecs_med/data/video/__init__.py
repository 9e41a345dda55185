"""Video files: their names, and their frames one after the other."""

from pathlib import Path

__all__ = ["VIDEO_SUFFIXES", "is_video"]

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".wmv", ".asf", ".mpg", ".mpeg"),
    *(".m2ts", ".mts", ".ogv", ".3gp"),
)
"""Suffixes of video files, lower case; `.ts` is as often a program."""


def is_video(path: Path) -> bool:
    """Whether a file is called like a video.

    Example:
        >>> is_video(Path("Case 12.MP4")), is_video(Path("frame.png"))
        (True, False)
    """
    return path.name.lower().endswith(VIDEO_SUFFIXES)
