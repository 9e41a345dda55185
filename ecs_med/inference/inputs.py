"""What a prediction is asked for: pictures and volumes among the files and folders given."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecs_med.data.names import MASK_SUFFIX, holds_images, holds_masks, is_foreign, is_litter
from ecs_med.data.readers import is_image, known_formats, stem
from ecs_med.data.readers.dicom.series import find_series
from ecs_med.errors import DataError, EcsMedError, UnreadableFileError
from ecs_med.files import regular_file
from ecs_med.inference.scans import PredictionInput, with_channels, without_numbers
from ecs_med.runs.outputs import own_outputs

__all__ = ["FoundInputs", "find_inputs"]

_DICOM_SUFFIXES = (".dcm", ".ima", ".dicom")

_OWN = "written by ecs-med itself"
_MASKS = "masks beside their images"
_FOREIGN = "of a format that is not read"


@dataclass(slots=True)
class FoundInputs:
    """What is segmented, and what lies in the folders beside it.

    Attributes:
        items: Each scan once, in a fixed order.
        passed_over: What a file or folder is that is not segmented, in a few words.
        notes: Sentences about what is segmented all the same.
    """

    items: list[PredictionInput] = field(default_factory=list)
    passed_over: dict[Path, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def told(self) -> list[str]:
        """A sentence for each reason why something is passed over."""
        by_reason: dict[str, list[Path]] = {}
        for path, reason in self.passed_over.items():
            by_reason.setdefault(reason, []).append(path)
        return [
            f"passed over, {reason}: {_named(paths)}"
            + (f"; convert to {known_formats()}" if reason == _FOREIGN else "")
            for reason, paths in by_reason.items()
        ]


def find_inputs(
    inputs: Sequence[Path],
    *,
    num_channels: int = 1,
    numbered: bool = False,
    leave_out: Path | None = None,
) -> FoundInputs:
    """Pictures and volumes among files and folders, each once, in a fixed order.

    Folders are searched with their sub-folders. What is passed over there: litter without a word;
    what ecs-med wrote, folders of masks beside images, and images in formats that are not read
    with one. A file that is named itself is always taken.

    Args:
        inputs: Files and folders.
        num_channels: Channels of the model: with more than one, volumes named
            `case_0000`, `case_0001`, ... are the channels of one scan.
        numbered: Whether the model was trained on names like these, so that also the only
            channel of a scan has a number, which its label map has not.
        leave_out: Output folder, not searched where it lies inside an input folder.

    Raises:
        DataError: If `inputs` is empty.
    """
    if not inputs:
        raise DataError("Nothing to segment was given; name pictures, NIfTI volumes or folders.")
    found = FoundInputs()
    for path in inputs:
        if path.is_dir():
            _search(path, leave_out, found)
        else:
            found.items.append(_file(path))
    if num_channels > 1:
        found.items = [with_channels(item, num_channels) for item in found.items]
    seen: dict[Path, PredictionInput] = {}
    for item in found.items:
        seen.setdefault(item.path.resolve(), item)
    found.items = without_numbers(list(seen.values()), numbered)
    return found


def _named(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{len(paths)}, such as {paths[0]}"


def _file(path: Path) -> PredictionInput:
    problem: EcsMedError | None = None
    if not path.exists():
        problem = UnreadableFileError(path, "no such file or folder", "check the name")
    elif not is_image(path):
        problem = UnreadableFileError(path, "of unknown kind", f"give {known_formats()}")
    return PredictionInput((path,), problem=problem)


def _search(folder: Path, leave_out: Path | None, found: FoundInputs) -> None:
    """Add what lies in a folder and below it."""
    if holds_masks(folder.resolve().name):
        found.notes.append(
            f"{folder}: is called like a folder of masks; its files are segmented as images."
        )
    kept_out = leave_out.resolve() if leave_out is not None else None
    items, passed_over = _in_folder(folder, kept_out)
    found.passed_over |= passed_over
    if not items:
        others = f" ({'; '.join(FoundInputs([], passed_over).told())})" if passed_over else ""
        problem = DataError(
            f"{folder}: no picture or volume to segment in this folder{others}; give "
            f"{known_formats()}, one by one where they are results or masks."
        )
        items = [PredictionInput((folder,), problem=problem)]
    found.items += items


def _in_folder(
    folder: Path, kept_out: Path | None
) -> tuple[list[PredictionInput], dict[Path, str]]:
    items: list[PredictionInput] = []
    passed_over: dict[Path, str] = {}

    def unreadable(error: OSError) -> None:
        items.append(PredictionInput((Path(error.filename),), folder, _unsearchable(error)))

    for name, folders, files in os.walk(folder, onerror=unreadable):
        here, own = Path(name), own_outputs(Path(name))
        if own.whole:
            folders[:] = []
            passed_over[here] = _OWN
            continue
        paths = [here / entry for entry in sorted(files) if not is_litter(entry)]
        images = {path for path in paths if is_image(path)}
        masks = _masks(here, folders, images)
        passed_over |= dict.fromkeys(sorted(masks), _MASKS)
        folders[:] = sorted(
            entry
            for entry in folders
            if not is_litter(entry)
            and here / entry not in masks
            and (here / entry).resolve() != kept_out
        )
        for path in paths:
            if path in images and own.holds(path.name):
                passed_over[path] = _OWN
            elif path in images - masks and not _is_dicom(path):
                items.append(PredictionInput((path,), below=folder))
            elif path not in images and is_foreign(path.name) and not _is_dicom(path):
                passed_over[path] = _FOREIGN
        dicom = [path for path in paths if _is_dicom(path)]
        series = find_series(dicom)
        items += [PredictionInput(scan.files, below=folder) for scan in series.series]
        items += [PredictionInput((p,), folder, problem) for p, problem in series.unreadable]
    return items, passed_over


def _masks(here: Path, folders: Iterable[str], images: set[Path]) -> set[Path]:
    """Folders of masks beside images, and masks that lie beside their images themselves."""
    stems = {stem(path) for path in images}
    beside = {
        path
        for path in images
        if (match := MASK_SUFFIX.fullmatch(stem(path))) and match["base"] in stems
    }
    if images or any(holds_images(entry) for entry in folders):
        beside |= {here / entry for entry in folders if holds_masks(entry)}
    return beside


def _unsearchable(error: OSError) -> DataError:
    return DataError(
        f"{error.filename}: cannot be searched ({error.strerror}); check its permissions."
    )


def _is_dicom(path: Path) -> bool:
    if path.suffix.lower() in _DICOM_SUFFIXES or path.name.upper() == "DICOMDIR":
        return True
    # Series often come without any suffix, or with the dots of their UID.
    if not re.fullmatch(r"|\.\d+", path.suffix):
        return False
    try:
        with regular_file(path).open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False
