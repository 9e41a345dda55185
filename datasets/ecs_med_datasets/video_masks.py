"""Masks of frames of videos: which video and which frame a file is of, by folder and name."""

import re
from collections.abc import Mapping
from pathlib import Path

from ecs_med.data.video.frame_list import FrameList
from ecs_med.types import Problem
from ecs_med_datasets.naming import mask_base, normal
from ecs_med_datasets.scanning import FileIndex

__all__ = ["masks_of_frames", "masks_without_video", "waiting_masks"]


def masks_of_frames(
    masks: FileIndex, video: str, path: Path, frames: FrameList, problems: list[Problem]
) -> dict[int, Path]:
    """The masks of one video by the number of their frame.

    Args:
        masks: All that lie in the folder of masks.
        video: The video below the folder of videos, without its suffix.
        path: Its file.
        frames: What it has.
        problems: Gets an error for each mask whose name has no number of a frame, or that of
            another mask, or one that the video does not have.
    """
    found: dict[int, Path] = {}
    for key in masks.suffixes:
        folder, _, name = key.rpartition("/")
        if normal(folder) != normal(video):
            continue
        number = frame_number(name, video.rpartition("/")[2])
        problem = None
        if number is None:
            problem = _unnumbered(masks.path(key))
        elif number >= len(frames):
            problem = _beyond(masks.path(key), number, path, frames)
        elif number in found:
            message = f"is a second mask of frame {number} of {path}, beside {found[number].name}"
            problem = Problem("error", message, "Keep one of them", masks.path(key))
        else:
            found[number] = masks.path(key)
        if problem is not None:
            problems.append(problem)
    return found


def frame_number(name: str, video: str) -> int | None:
    """The one number in the name of a mask, without the name of its video and words for masks.

    Example:
        >>> [frame_number(n, "exam1") for n in ("000123", "exam1_frame_7_mask", "7_8", "first")]
        [123, 7, None, None]
    """
    stem = mask_base(name) or name
    stem = stem.removeprefix(video)
    digits = re.findall(r"[0-9]+", stem)
    return int(digits[0]) if len(digits) == 1 and len(digits[0]) < 19 else None


def masks_without_video(masks: FileIndex, videos: Mapping[str, Path]) -> list[Problem]:
    """An error for every folder of masks that no video belongs to, with its first file.

    Args:
        masks: All that lie in the folder of masks.
        videos: Files by their path without suffix, those that cannot be read included.
    """
    known = {normal(video) for video in videos}
    orphans: dict[str, list[str]] = {}
    for key in masks.suffixes:
        folder = key.rpartition("/")[0]
        if normal(folder) not in known:
            orphans.setdefault(folder, []).append(key)
    problems = []
    for folder, keys in orphans.items():
        first = masks.path(keys[0])
        if folder:
            message = f"{len(keys)} mask(s), such as {first.name}, of a video that is not there"
            remedy = "Add the video, or call this folder as its video without the suffix"
            problems.append(Problem("error", message, remedy, masks.folder / folder))
        else:
            more = f", like {len(keys) - 1} more" if len(keys) > 1 else ""
            message = f"lies in no folder of a video{more}"
            remedy = "Put masks of exam1.mp4 into a folder exam1 here"
            problems.append(Problem("error", message, remedy, first))
    return problems


def waiting_masks(masks: FileIndex, video: str) -> list[Problem]:
    """A note on the masks of a video that cannot be read, if there are any."""
    keys = [key for key in masks.suffixes if normal(key.rpartition("/")[0]) == normal(video)]
    message = f"{len(keys)} mask(s) are not used, because their video cannot be read"
    folders = dict.fromkeys(masks.path(key).parent for key in keys)
    return [Problem("note", message, path=folder) for folder in folders]


def _unnumbered(mask: Path) -> Problem:
    message = "its name does not tell the frame by a single number"
    return Problem("error", message, "Call it by the number of the frame, as 000123.png", mask)


def _beyond(mask: Path, number: int, path: Path, frames: FrameList) -> Problem:
    message = f"is of frame {number:,}, and {path} has {len(frames):,}, numbered from 0"
    return Problem("error", message, "Correct the number, or remove the mask", mask)
