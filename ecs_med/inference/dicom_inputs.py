"""DICOM among the inputs of a prediction, from files, folders and archives."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ecs_med.data.intake.links import LinkFolder
from ecs_med.data.intake.pseudonyms import Pseudonyms
from ecs_med.data.intake.unpacking import unpacked
from ecs_med.errors import DataError, EcsMedError, UnreadableFileError
from ecs_med.inference.dicom_choice import Choice, DicomInputs, DicomSettings
from ecs_med.inference.dicom_names import Namer
from ecs_med.inference.listing import Listed, is_dicom_image, unsearchable
from ecs_med.inference.scans import PredictionInput
from ecs_med.types import Problem, ScanKind

if TYPE_CHECKING:
    from ecs_med.data.readers.dicom.series import Series

__all__ = ["DicomInputs", "DicomSettings", "take_in_archive", "take_in_dicom", "take_in_folder"]

_MASKS = "DICOM segmentations or contours"
_OTHERS = "DICOM that is no image"


def take_in_dicom(
    place: Path | Sequence[Path],
    files: Sequence[Path],
    settings: DicomSettings,
    below: Path | None,
    kind: ScanKind | None = None,
) -> DicomInputs:
    """Find the scans among DICOM files.

    Series are told apart within one examination, or where that is not known within one folder. If
    it has several volumes, one has to be named. Pictures are scans by themselves, and so are the
    frames of a file that has several without places in space.

    Args:
        place: What the user named: a folder, an archive, or files.
        files: DICOM files that lie there.
        settings: What the user says.
        below: The input folder that they lie in; `None` if they were named one by one.
        kind: What the model takes; beside such scans others of an examination are passed over.
    """
    from ecs_med.data.readers.dicom.series import find_series

    found = find_series(files)
    namer = Namer(place, below, found.series, keep_names=settings.keep_names)
    taken = DicomInputs()
    for path, error in found.unreadable:
        shown = namer.shown(path)
        problem = UnreadableFileError(shown, error.reason, error.remedy)
        taken.items.append(PredictionInput((shown,), below, problem))
    choice = Choice(settings, namer, taken, kind)
    choice.choose(found.series)
    taken.passed_over |= {namer.shown(path): _MASKS for path in found.masks}
    taken.passed_over |= {namer.shown(path): _OTHERS for path in found.others}
    taken.text_in_pixels = _text_in_pixels(choice.chosen, namer)
    if not settings.keep_names:
        namer.links.clear()
    if below is None:
        _require_scan(taken, next(iter(taken.passed_over), None))
    return taken


def take_in_folder(
    folder: Path, listed: Listed, settings: DicomSettings, kind: ScanKind | None = None
) -> DicomInputs:
    """The DICOM files of a folder, and what else lies there, under names that tell as little.

    Args:
        folder: What the user named.
        listed: What lies there.
        settings: As of `take_in_dicom`.
        kind: As of `take_in_dicom`.
    """
    taken = take_in_dicom(folder, listed.dicom, settings, folder, kind)
    taken.notes += _beside(listed.num_unknown)
    if settings.keep_names:
        taken.items += listed.items
        taken.passed_over |= listed.passed_over
        _require_scan(taken, folder)
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
    _require_scan(taken, links.other(folder))
    return taken


def take_in_archive(
    path: Path, settings: DicomSettings, kind: ScanKind | None = None
) -> DicomInputs:
    """The DICOM files of a zip archive, or why there are none; arguments as of `take_in_dicom`."""
    links = LinkFolder(path, Pseudonyms.local())
    shown = path if settings.keep_names else links.other(path)
    try:
        folder = unpacked(path, links, keep_names=settings.keep_names)
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        dicom = [file for file in files if is_dicom_image(file)]
        if not dicom:
            raise UnreadableFileError(shown, "holds no DICOM file", "unpack it yourself")
    except (EcsMedError, OSError) as error:
        problem = error if isinstance(error, EcsMedError) else unsearchable(error, shown)
        return DicomInputs([PredictionInput((shown,), problem=problem)])
    taken = take_in_dicom(path, dicom, settings, folder, kind)
    taken.notes += _beside(len(files) - len(dicom))
    _require_scan(taken, shown)
    return taken


def _require_scan(taken: DicomInputs, shown: Path | None) -> None:
    """Say that there is nothing to segment where all is passed over."""
    if taken.items or shown is None:
        return
    reasons = ", ".join(dict.fromkeys(taken.passed_over.values()))
    problem = DataError(f"{shown}: no scan to segment here, only {reasons}; give a series.")
    taken.items.append(PredictionInput((shown,), problem=problem))


def _beside(num_unknown: int) -> list[str]:
    if not num_unknown:
        return []
    return [f"{num_unknown} file(s) beside DICOM are no images and are passed over."]


def _text_in_pixels(series: Sequence["Series"], namer: Namer) -> Problem | None:
    """The first file into whose pixels names may be written."""
    from ecs_med.data.readers.dicom.files import guarded, open_dataset
    from ecs_med.data.readers.dicom.frames import burned_in

    for scan in series:
        try:
            header = open_dataset(scan.files[0], tags=["BurnedInAnnotation", "Modality"])
            with guarded(scan.files[0]):
                problem = burned_in(header, scan.files[0])
        except EcsMedError:
            continue
        if problem is not None:
            return replace(problem, path=namer.shown(scan.files[0]))
    return None
