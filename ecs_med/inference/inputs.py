"""What a prediction is asked for: pictures and volumes among the files and folders given."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecs_med.data.intake.links import LinkFolder
from ecs_med.data.intake.pseudonyms import Pseudonyms
from ecs_med.data.intake.unpacking import is_archive, unpacked
from ecs_med.data.names import MASK_SUFFIX, holds_images, holds_masks, is_foreign, is_litter
from ecs_med.data.readers import available_readers, is_image, known_formats, stem
from ecs_med.errors import DataError, EcsMedError, UnreadableFileError
from ecs_med.inference.dicom_inputs import DicomInputs, DicomSettings, take_in_dicom
from ecs_med.inference.scans import PredictionInput, with_channels, without_numbers
from ecs_med.runs.outputs import own_outputs
from ecs_med.types import ScanKind

__all__ = ["FoundInputs", "find_inputs"]

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

    def add(self, taken: DicomInputs) -> None:
        """Put in what was found of DICOM."""
        self.items += taken.items
        self.passed_over |= taken.passed_over
        self.notes += taken.notes

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
            _search_archive(path, found, settings, kind)
        elif path.is_file() and _is_dicom(path):
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
        if not settings.keep_names and (is_archive(path) or _is_dicom(path)):
            path = LinkFolder(path, Pseudonyms.local()).other(path)
        problem = UnreadableFileError(path, "no such file or folder", "check the name")
    elif not is_image(path):
        problem = UnreadableFileError(path, "of unknown kind", f"give {known_formats()}")
    return PredictionInput((path,), problem=problem)


def _search_archive(
    path: Path, found: FoundInputs, settings: DicomSettings, kind: ScanKind | None
) -> None:
    """Add the DICOM files of a zip archive."""
    links = LinkFolder(path, Pseudonyms.local())
    shown = path if settings.keep_names else links.other(path)
    try:
        folder = unpacked(path, links, keep_names=settings.keep_names)
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        dicom = [file for file in files if _is_dicom(file)]
        if not dicom:
            raise UnreadableFileError(shown, "holds no DICOM file", "unpack it yourself")
    except (EcsMedError, OSError) as error:
        problem = error if isinstance(error, EcsMedError) else _unsearchable(error, shown)
        found.items.append(PredictionInput((shown,), problem=problem))
        return
    taken = take_in_dicom(path, dicom, settings, folder, kind)
    taken.notes += _beside(len(files) - len(dicom))
    found.add(taken)


def _beside(num_unknown: int) -> list[str]:
    if not num_unknown:
        return []
    return [f"{num_unknown} file(s) beside DICOM are no images and are passed over."]


def _search(
    folder: Path,
    leave_out: Path | None,
    found: FoundInputs,
    settings: DicomSettings,
    kind: ScanKind | None,
) -> None:
    """Add what lies in a folder and below it."""
    kept_out = leave_out.resolve() if leave_out is not None else None
    listed = _in_folder(folder, kept_out)
    if holds_masks(folder.resolve().name):
        hides = listed.dicom and not settings.keep_names
        shown = LinkFolder(folder, Pseudonyms.local()).other(folder) if hides else folder
        found.notes.append(
            f"{shown}: is called like a folder of masks; its files are segmented as images."
        )
    if listed.dicom:
        found.add(_with_dicom(folder, listed, settings, kind))
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


def _with_dicom(
    folder: Path, listed: "_Listed", settings: DicomSettings, kind: ScanKind | None
) -> DicomInputs:
    """The DICOM files of a folder, and what else lies there, under names that tell as little."""
    taken = take_in_dicom(folder, listed.dicom, settings, folder, kind)
    taken.notes += _beside(listed.num_unknown)
    if settings.keep_names:
        taken.items += listed.items
        taken.passed_over |= listed.passed_over
        return taken
    pseudonyms = Pseudonyms.local()
    links = LinkFolder(folder, pseudonyms)
    for item in listed.items:
        if item.problem is not None:
            shown = links.other(item.path)
            problem = DataError(f"{shown}: cannot be searched; check its permissions.")
            taken.items.append(PredictionInput((shown,), problem=problem))
            continue
        name = pseudonyms.of("case", str(item.path.relative_to(folder)))
        images, _ = links.case(name, item.images)
        taken.items.append(PredictionInput(images, images[0].parent, case=name))
    taken.passed_over |= {links.other(path): why for path, why in listed.passed_over.items()}
    return taken


@dataclass(slots=True)
class _Listed:
    """What lies in a folder and below it; DICOM files are not opened yet."""

    items: list[PredictionInput] = field(default_factory=list)
    passed_over: dict[Path, str] = field(default_factory=dict)
    dicom: list[Path] = field(default_factory=list)
    num_unknown: int = 0


def _in_folder(folder: Path, kept_out: Path | None) -> _Listed:
    found = _Listed()

    def unreadable(error: OSError) -> None:
        found.items.append(PredictionInput((Path(error.filename),), folder, _unsearchable(error)))

    for name, folders, files in os.walk(folder, onerror=unreadable):
        here, own = Path(name), own_outputs(Path(name))
        if own.whole:
            folders[:] = []
            found.passed_over[here] = _OWN
            continue
        paths = [here / entry for entry in sorted(files) if not is_litter(entry)]
        dicom = {path for path in paths if _is_dicom(path)}
        images = {path for path in paths if path not in dicom and is_image(path)}
        masks = _masks(here, folders, images)
        found.passed_over |= dict.fromkeys(sorted(masks), _MASKS)
        folders[:] = sorted(
            entry
            for entry in folders
            if not is_litter(entry)
            and here / entry not in masks
            and (here / entry).resolve() != kept_out
        )
        for path in paths:
            if path in (dicom | images) and own.holds(path.name):
                found.passed_over[path] = _OWN
            elif path in dicom:
                found.dicom.append(path)
            elif path in images - masks:
                found.items.append(PredictionInput((path,), below=folder))
            elif path not in images and is_foreign(path.name):
                found.passed_over[path] = _FOREIGN
            elif path not in images:
                found.num_unknown += 1
    return found


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


def _unsearchable(error: OSError, shown: Path | None = None) -> DataError:
    return DataError(
        f"{shown or error.filename}: cannot be searched ({error.strerror}); check its permissions."
    )


def _is_dicom(path: Path) -> bool:
    """Whether a file is DICOM by its name or first bytes; a list of such files is not wanted."""
    return path.name.upper() != "DICOMDIR" and available_readers()["dicom"].recognizes(path)
