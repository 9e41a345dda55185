"""Layout `video`: recordings, and masks of some of their frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import Layout
from ecs_med.data.video import VIDEO_SUFFIXES, is_video
from ecs_med.data.video.frame_list import FrameList, list_frames
from ecs_med.errors import DataError, UnreadableFileError
from ecs_med.types import Case, CaseCollection, Problem
from ecs_med_datasets.collecting import collect, collection_of, partition_of
from ecs_med_datasets.folder import find_image_folders
from ecs_med_datasets.naming import MASK_NAMES, STRUCTURAL, relative_path
from ecs_med_datasets.patients import find_patients
from ecs_med_datasets.scanning import FileIndex, Walk, index_files, list_folders
from ecs_med_datasets.video_masks import masks_of_frames, masks_without_video, waiting_masks

__all__ = ["VideoLayout"]

VIDEO_NAMES = ("videos", "video", "recordings")
"""Names of folders of videos, lower case, by preference."""

_DIGITS = 6
"""Of the number of a frame in the id of its case, at least."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A video, and which of its frames are cases.

    Attributes:
        name: Below the folder of videos, without suffix.
        path: The file.
        num_frames: How many frames it has.
        masks: Mask by number of the frame.
        step: Every frame of so many is an unlabelled case; 0: none is.
    """

    name: str
    path: Path
    num_frames: int
    masks: dict[int, Path]
    step: int

    def cases(self) -> list[Case]:
        """Frames with a mask, and every n-th one; all of them of one patient."""
        unlabeled = range(0, self.num_frames, self.step) if self.step else ()
        return [
            Case(
                f"{self.name}/{number:0{_DIGITS}d}",
                (self.path,),
                self.masks.get(number),
                partition=partition_of(self.name.rpartition("/")[0]),
                frame=number,
            )
            for number in sorted({*self.masks, *unlabeled})
        ]


class VideoLayout(Layout):
    """`videos/exam1.mp4` and so on beside `masks/exam1/000123.png`, the mask of its frame 123.

    Frames are numbered from 0 in the order in which they are shown. Those without a mask are
    unlabelled, one of `frame_step`. Frames of one video are never divided among training and test.
    """

    name = "video"
    priority = 8

    def recognizes(self, root: Path) -> bool:
        """Whether a folder of videos holds some, and there are no pictures beside masks."""
        if not root.is_dir():
            return False
        videos = _folder_of(root, VIDEO_NAMES)
        if videos is None or next(_videos(Walk(videos)), None) is None:
            return False
        return not any(folder.masks for folder in find_image_folders(root))

    def read(self, root: Path, settings: ReadingSettings) -> CaseCollection:
        """List frames of the videos below `root`; videos are read, and hardly decoded.

        Raises:
            DataError: If there is no video that can be read.
            MissingExtraError: If PyAV is not installed.
        """
        folder = _folder_of(root, VIDEO_NAMES) if root.is_dir() else None
        walk = Walk(folder or root)
        videos = {} if folder is None else _by_name(folder, walk)
        if not videos:
            raise DataError(
                f"{root}: no videos here; expected videos/ with files such as exam1.mp4, and masks"
                " of their frames as masks/exam1/000123.png."
            )
        masks_folder = _folder_of(root, MASK_NAMES)
        masks = index_files(masks_folder) if masks_folder else FileIndex(root)
        problems = [*walk.problems, *masks.findings("mask"), *_doubles(videos)]
        named = {name: paths[0] for name, paths in videos.items()}
        recordings = list(_recordings(named, masks, settings.frame_step, problems))
        problems += masks_without_video(masks, named)
        if not recordings:
            raise DataError(next(p.sentence() for p in problems if p.severity == "error"))
        problems += _notes(root, recordings, settings.frame_step)
        cases = [case for recording in recordings for case in recording.cases()]
        if not cases:
            raise DataError(f"{root}: no frame has a mask, and `frame_step=0` takes no others.")
        of_patients = _of_patients(cases, root, settings.patient, problems)
        found = collection_of(root, self.name, of_patients, problems)
        # Patients are known by now; a rule looks at each video once.
        asked = settings.model_copy(update={"patient": "none"})
        return collect(found, asked, STRUCTURAL)


def _folder_of(root: Path, names: Sequence[str]) -> Path | None:
    there = {name.lower(): name for name in list_folders(root)}
    return next((root / there[name] for name in names if name in there), None)


def _videos(walk: Walk) -> Iterator[str]:
    return (prefix + name for prefix, name in walk.files() if is_video(Path(name)))


def _by_name(folder: Path, walk: Walk) -> dict[str, list[Path]]:
    """Files by their path below the folder without suffix, sorted."""
    found: dict[str, list[Path]] = {}
    for name in sorted(_videos(walk)):
        suffix = max((s for s in VIDEO_SUFFIXES if name.lower().endswith(s)), key=len)
        found.setdefault(name[: -len(suffix)], []).append(folder / name)
    return found


def _doubles(videos: dict[str, list[Path]]) -> list[Problem]:
    remedy = "Rename or remove one, and its masks with it"
    return [
        Problem("error", f"is called as {paths[0].name}, up to the suffix", remedy, path)
        for paths in videos.values()
        for path in paths[1:]
    ]


def _recordings(
    videos: dict[str, Path], masks: FileIndex, step: int | None, problems: list[Problem]
) -> Iterator[Recording]:
    """Those that can be read; the others become problems."""
    for name, path in videos.items():
        try:
            frames = list_frames(path)
        except UnreadableFileError as error:
            problems += (Problem.from_error(error, [path]), *waiting_masks(masks, name))
            continue
        found = masks_of_frames(masks, name, path, frames, problems)
        every = _one_a_second(frames) if step is None else step
        yield Recording(name, path, len(frames), found, every)


def _one_a_second(frames: FrameList) -> int:
    return max(1, round(frames.frames_per_second))


def _notes(root: Path, recordings: Sequence[Recording], step: int | None) -> list[Problem]:
    """How many frames are cases, and by which rule."""
    total = sum(recording.num_frames for recording in recordings)
    masks = sum(len(recording.masks) for recording in recordings)
    steps = sorted({recording.step for recording in recordings})
    rule = "no others (`frame_step=0`)"
    if steps != [0]:
        every = " to ".join(map(str, dict.fromkeys((steps[0], steps[-1]))))
        why = "about one a second; `frame_step` changes that" if step is None else "`frame_step`"
        rule = f"one of every {every} without a mask ({why})"
    message = (
        f"of {total:,} frames of {len(recordings)} video(s) the {masks:,} with a mask are cases,"
        f" and {rule}; frames of one video stay together"
    )
    return [Problem("note", message, path=root)]


def _of_patients(
    cases: Sequence[Case], root: Path, rule: str, problems: list[Problem]
) -> tuple[Case, ...]:
    """The same with their patients: a video is one where no rule says more."""
    first = {case.images: case for case in reversed(cases)}
    videos = list(first.values())
    found = find_patients(videos, root, rule, {*STRUCTURAL, *VIDEO_NAMES}, None)
    problems += found.problems
    names = found.names or (None,) * len(videos)
    patient = {
        video.images: name or relative_path(video.images[0], root)
        for video, name in zip(videos, names, strict=True)
    }
    return tuple(replace(case, patient=patient[case.images]) for case in cases)
