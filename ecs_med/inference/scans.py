"""The scans of a prediction: which files make one, and what its results are called."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from ecs_med.data.readers import read_header, reader_of, stem
from ecs_med.data.video import is_video
from ecs_med.errors import EcsMedError, UnreadableFileError

__all__ = ["PredictionInput", "with_channels", "without_numbers"]

_CHANNEL = re.compile(r"_\d{4}$")
_FIRST_CHANNEL = "_0000"
_NNUNET_IMAGES = re.compile(r"images(Tr|Ts|Val)")


@dataclass(frozen=True, slots=True)
class PredictionInput:
    """One scan to be segmented, or one input that turned out to be none.

    Attributes:
        images: Its files, one a channel; the first one names it.
        below: The input folder in which it was found; `None` if the file itself was given.
        problem: Why it cannot be segmented, if that is known before it is read.
        case: What its results are called, where that is not the name of its file.
        frame: As in `Case`.
        source: Files of the series that `images` was resampled from; empty: it was not.
    """

    images: tuple[Path, ...]
    below: Path | None = None
    problem: EcsMedError | None = None
    case: str | None = None
    frame: int | None = None
    source: tuple[Path, ...] = ()

    @property
    def path(self) -> Path:
        """The file that names it."""
        return self.images[0]

    @property
    def is_video(self) -> bool:
        """Whether it is a video, whose frames are segmented one by one."""
        return self.problem is None and is_video(self.path)

    @property
    def shown(self) -> Path:
        """What it is called in reports: its path, of a frame with the number, from 1, behind."""
        return self.path if self.frame is None else Path(f"{self.path}#{self.frame + 1}")

    @property
    def folder(self) -> Path:
        """The folder of its results, relative to that of all."""
        if self.below is None:
            return Path()
        parent = (self.source or self.images)[0].parent
        # A series that is called as its folder lies beside it.
        if self.case == parent.resolve().name and parent.resolve() != self.below.resolve():
            parent = parent.parent
        return parent.relative_to(self.below) if parent.is_relative_to(self.below) else Path()

    @property
    def stem(self) -> str:
        """The name of its results without suffix; that of a scan of several files has no number."""
        name = stem(self.path)
        return self.case or (_CHANNEL.sub("", name) if len(self.images) > 1 else name)


def with_channels(item: PredictionInput, num_channels: int) -> PredictionInput:
    """The scan that a channel file belongs to, or what is missing of it."""
    name = stem(item.path)
    if item.problem is not None or item.is_video or reader_of(item.images).holds_colors:
        return item
    if len(item.images) > 1:  # a series, whose slices are no channels
        no_channel = UnreadableFileError(
            item.path,
            f"is a slice of a series, which is 1 of the {num_channels} channels that the model "
            "takes",
            "convert the series of a scan to NIfTI and number them as the channels of training",
        )
        return replace(item, problem=no_channel)
    if not _CHANNEL.search(name):
        return _alone(item, num_channels, name)
    images = tuple(_channel(item.path, channel) for channel in range(num_channels))
    missing = [image for image in images if not image.exists()]
    surplus = _channel(item.path, num_channels)
    problem: EcsMedError | None = None
    is_alone = len(missing) >= num_channels - 1
    if is_alone and _holds_all(item.path, num_channels):
        return item
    if missing:
        problem = UnreadableFileError(
            missing[0],
            f"no such file, though the model takes {num_channels} channels",
            "put every channel file of the scan beside the others",
        )
    elif surplus.exists():
        problem = UnreadableFileError(
            surplus,
            f"is one channel more than the {num_channels} that the model takes",
            "name a model for such scans, or move the file away if it is not of this scan",
        )
    return replace(item, images=images, problem=problem)


def _alone(item: PredictionInput, num_channels: int, name: str) -> PredictionInput:
    """A file without a channel number, which has to hold all of them."""
    if _holds_all(item.path, num_channels, unless_one=True):
        return item
    suffix = item.path.name[len(name) :]
    problem = UnreadableFileError(
        item.path,
        f"holds 1 of the {num_channels} channels that the model takes",
        f"name the channel files of a scan {name}{_FIRST_CHANNEL}{suffix}, {name}_0001{suffix} and "
        "so on, in the order of training",
    )
    return replace(item, problem=problem)


def _channel(path: Path, channel: int) -> Path:
    name = stem(path)
    return path.with_name(f"{name[:-4]}{channel:04d}{path.name[len(name) :]}")


def _holds_all(path: Path, num_channels: int, *, unless_one: bool = False) -> bool:
    """Whether a single file holds every channel, along its fourth axis.

    True too where the file cannot be read, as reading it will say why; and, with `unless_one`,
    where it holds some other number than one.
    """
    try:
        held = read_header((path,)).num_channels
    except (EcsMedError, OSError):
        return True
    return held != 1 if unless_one else held == num_channels


def without_numbers(items: list[PredictionInput], numbered: bool) -> list[PredictionInput]:
    """The only channel of a scan of nnU-Net loses its number, as label maps have none.

    Frames, which are numbered too, keep theirs, as does what would share its name with another.
    """
    taken = {(item.path.parent, item.stem) for item in items}

    def named(item: PredictionInput) -> PredictionInput:
        path, name = item.path, item.stem
        if item.problem is not None or len(item.images) > 1 or not name.endswith(_FIRST_CHANNEL):
            return item
        case = name.removesuffix(_FIRST_CHANNEL)
        if not (numbered or _NNUNET_IMAGES.fullmatch(path.absolute().parent.name)):
            return item
        if not case or (path.parent, case) in taken or _channel(path, 1).exists():
            return item
        return replace(item, case=case)

    return [named(item) for item in items]
