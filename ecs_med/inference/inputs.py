"""What a prediction is asked for: pictures and volumes among the files and folders given."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecs_med.data.intake.links import LinkFolder
from ecs_med.data.intake.pseudonyms import Pseudonyms
from ecs_med.data.intake.unpacking import is_archive
from ecs_med.data.names import holds_masks
from ecs_med.data.readers import is_image, known_formats
from ecs_med.data.video import is_video
from ecs_med.errors import DataError, EcsMedError, UnreadableFileError
from ecs_med.inference.dicom_inputs import (
    DicomInputs,
    DicomSettings,
    take_in_archive,
    take_in_dicom,
    take_in_folder,
)
from ecs_med.inference.listing import FOREIGN, is_dicom_image, list_folder
from ecs_med.inference.scans import PredictionInput, with_channels, without_numbers
from ecs_med.types import Problem, ScanKind

__all__ = ["FoundInputs", "find_inputs"]


@dataclass(slots=True)
class FoundInputs:
    """What is segmented, and what lies in the folders beside it.

    Attributes:
        items: Each scan once, in a fixed order.
        passed_over: What a file or folder is that is not segmented, in a few words.
        notes: Sentences about what is segmented all the same.
        text_in_pixels: The first file into whose pixels names may be written, which is told once.
    """

    items: list[PredictionInput] = field(default_factory=list)
    passed_over: dict[Path, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    text_in_pixels: Problem | None = None

    def add(self, taken: DicomInputs) -> None:
        """Put in what was found of DICOM."""
        self.items += taken.items
        self.passed_over |= taken.passed_over
        self.notes += taken.notes
        if taken.text_in_pixels is not None and self.text_in_pixels is None:
            self.text_in_pixels = taken.text_in_pixels
            self.notes.append(taken.text_in_pixels.sentence())

    def told(self) -> list[str]:
        """A sentence for each reason why something is passed over."""
        by_reason: dict[str, list[Path]] = {}
        for path, reason in self.passed_over.items():
            by_reason.setdefault(reason, []).append(path)
        return [
            f"passed over, {reason}: {_named(paths)}"
            + (f"; convert to {known_formats()}" if reason == FOREIGN else "")
            for reason, paths in by_reason.items()
        ]


def find_inputs(
    inputs: Sequence[Path],
    *,
    num_channels: int = 1,
    numbered: bool = False,
    leave_out: Path | None = None,
    dicom: DicomSettings | None = None,
    kind: ScanKind | None = None,
) -> FoundInputs:
    """Pictures and volumes among files and folders, each once, in a fixed order.

    Folders are searched with their sub-folders, and so are zip archives that are named. What is
    passed over there: litter without a word; what ecs-med wrote, folders of masks beside images,
    and images in formats that are not read with one. A file that is named itself is always taken.
    Where DICOM is among them, files are shown as links, see `ecs_med.data.intake`.

    Args:
        inputs: Files, folders, zip archives.
        num_channels: Channels of the model: with more than one, volumes named
            `case_0000`, `case_0001`, ... are the channels of one scan.
        numbered: Whether the model was trained on names like these, so that also the only
            channel of a scan has a number, which its label map has not.
        leave_out: Output folder, not searched where it lies inside an input folder.
        dicom: What the user says of DICOM inputs.
        kind: What the model takes; `None`: anything.

    Raises:
        DataError: If `inputs` is empty.
    """
    if not inputs:
        raise DataError("Nothing to segment was given; name pictures, NIfTI volumes or folders.")
    found, settings = FoundInputs(), dicom or DicomSettings()
    loose: list[Path] = []
    for path in inputs:
        if path.is_dir():
            _search(path, leave_out, found, settings, kind)
        elif path.is_file() and is_archive(path):
            found.add(take_in_archive(path, settings, kind))
        elif path.is_file() and is_dicom_image(path):
            loose.append(path)
        else:
            found.items.append(_file(path, settings))
    if loose:
        found.add(take_in_dicom(loose, loose, settings, None, kind))
    if num_channels > 1:
        found.items = [with_channels(item, num_channels) for item in found.items]
    seen: dict[tuple[Path, int | None], PredictionInput] = {}
    for item in found.items:
        seen.setdefault((item.path.resolve(), item.frame), item)
    found.items = without_numbers(list(seen.values()), numbered)
    return found


def _named(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{len(paths)}, such as {paths[0]}"


def _file(path: Path, settings: DicomSettings) -> PredictionInput:
    problem: EcsMedError | None = None
    if not path.exists():
        if not settings.keep_names and (is_archive(path) or is_dicom_image(path)):
            path = LinkFolder(path, Pseudonyms.local()).other(path)
        problem = UnreadableFileError(path, "no such file or folder", "check the name")
    elif not is_image(path) and not is_video(path):
        problem = UnreadableFileError(path, "of unknown kind", f"give {known_formats()}")
    return PredictionInput((path,), problem=problem)


def _search(
    folder: Path,
    leave_out: Path | None,
    found: FoundInputs,
    settings: DicomSettings,
    kind: ScanKind | None,
) -> None:
    """Add what lies in a folder and below it."""
    kept_out = leave_out.resolve() if leave_out is not None else None
    listed = list_folder(folder, kept_out)
    if holds_masks(folder.resolve().name):
        hides = listed.dicom and not settings.keep_names
        shown = LinkFolder(folder, Pseudonyms.local()).other(folder) if hides else folder
        found.notes.append(
            f"{shown}: is called like a folder of masks; its files are segmented as images."
        )
    if listed.dicom:
        found.add(take_in_folder(folder, listed, settings, kind))
        return
    found.passed_over |= listed.passed_over
    if not listed.items:
        told = FoundInputs([], listed.passed_over).told()
        others = f" ({'; '.join(told)})" if told else ""
        problem = DataError(
            f"{folder}: no picture or volume to segment in this folder{others}; give "
            f"{known_formats()}, one by one where they are results or masks."
        )
        listed.items = [PredictionInput((folder,), problem=problem)]
    found.items += listed.items
