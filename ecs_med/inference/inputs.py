"""What a prediction is asked for: pictures and volumes among the files and folders given."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ecs_med.data.readers import is_image, known_formats, reader_of, stem
from ecs_med.errors import DataError, EcsMedError, UnreadableFileError

__all__ = ["PredictionInput", "find_inputs"]

_CHANNEL = re.compile(r"_\d{4}$")
_DICOM_SUFFIXES = (".dcm", ".ima", ".dicom")


@dataclass(frozen=True, slots=True)
class PredictionInput:
    """One scan to be segmented, or one input that turned out to be none.

    Attributes:
        images: Its files, one a channel; the first one names it.
        below: The input folder in which it was found; `None` if the file itself was given.
        problem: Why it cannot be segmented, if that is known before it is read.
    """

    images: tuple[Path, ...]
    below: Path | None = None
    problem: EcsMedError | None = None

    @property
    def path(self) -> Path:
        """The file that names it."""
        return self.images[0]

    @property
    def stem(self) -> str:
        """The name of its results without suffix; that of a scan of several files has no number."""
        name = stem(self.path)
        return _CHANNEL.sub("", name) if len(self.images) > 1 else name

    @property
    def suffix(self) -> str:
        """The suffix of its label map."""
        return reader_of(self.images).output_suffix


def find_inputs(
    inputs: Sequence[Path], *, num_channels: int = 1, leave_out: Path | None = None
) -> list[PredictionInput]:
    """Pictures and volumes among files and folders, each once, in a fixed order.

    Folders are searched with their sub-folders; hidden files and folders, and files of other
    kinds, are passed over. DICOM is told, not passed over.

    Args:
        inputs: Files and folders.
        num_channels: Channels of the model: with more than one, volumes named
            `case_0000`, `case_0001`, ... are the channels of one scan.
        leave_out: Output folder, not searched where it lies inside an input folder.

    Raises:
        DataError: If `inputs` is empty, or the only input is a folder without anything to segment.
    """
    if not inputs:
        raise DataError("Nothing to segment was given; name pictures, NIfTI volumes or folders.")
    found: list[PredictionInput] = []
    for path in inputs:
        found += _in_folder(path, leave_out) if path.is_dir() else [_file(path)]
    if num_channels > 1:
        found = [_with_channels(item, num_channels) for item in found]
    seen: dict[Path, PredictionInput] = {}
    for item in found:
        seen.setdefault(item.path.resolve(), item)
    return list(seen.values())


def _file(path: Path) -> PredictionInput:
    problem: EcsMedError | None = None
    if not path.exists():
        problem = UnreadableFileError(path, "no such file or folder", "check the name")
    elif not is_image(path):
        problem = UnreadableFileError(path, "of unknown kind", f"give {known_formats()}")
        problem = _dicom(path) if _is_dicom(path) else problem
    return PredictionInput((path,), problem=problem)


def _in_folder(folder: Path, leave_out: Path | None) -> list[PredictionInput]:
    kept_out = leave_out.resolve() if leave_out is not None else None
    found: list[PredictionInput] = []
    for name, folders, files in os.walk(folder, onerror=_refuse):
        here = Path(name)
        folders[:] = sorted(
            entry
            for entry in folders
            if not entry.startswith(".") and (here / entry).resolve() != kept_out
        )
        paths = [here / entry for entry in sorted(files) if not entry.startswith(".")]
        images = [path for path in paths if is_image(path)]
        found += [PredictionInput((path,), below=folder) for path in images]
        if any(_is_dicom(path) for path in paths if path not in set(images)):
            found.append(PredictionInput((here,), below=folder, problem=_dicom(here)))
    if not found:
        problem = DataError(
            f"{folder}: no picture or volume in this folder; give {known_formats()}."
        )
        found.append(PredictionInput((folder,), problem=problem))
    return found


def _refuse(error: OSError) -> None:
    raise DataError(
        f"{error.filename}: cannot be searched ({error.strerror}); check its permissions."
    ) from error


def _is_dicom(path: Path) -> bool:
    if path.suffix.lower() in _DICOM_SUFFIXES or path.name.upper() == "DICOMDIR":
        return True
    # Series often come without any suffix, or with the dots of their UID.
    if not re.fullmatch(r"|\.\d+", path.suffix):
        return False
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _dicom(path: Path) -> DataError:
    return DataError(
        f"{path}: DICOM is not read by this version; convert the series to NIfTI first, "
        "for example with dcm2niix."
    )


def _with_channels(item: PredictionInput, num_channels: int) -> PredictionInput:
    name = stem(item.path)
    if item.problem is not None or reader_of(item.images).holds_colors or not _CHANNEL.search(name):
        return item
    suffix = item.path.name[len(name) :]
    names = [f"{name[:-4]}{channel:04d}{suffix}" for channel in range(num_channels)]
    images = tuple(item.path.with_name(name) for name in names)
    missing = [image for image in images if not image.exists()]
    if not missing:
        return replace(item, images=images)
    if len(missing) == num_channels - 1:
        # Alone, it may hold all channels along its fourth axis; reading it will tell.
        return item
    problem = UnreadableFileError(
        missing[0],
        f"no such file, though the model takes {num_channels} channels",
        "put every channel file of the scan beside the others",
    )
    return replace(item, images=images, problem=problem)
