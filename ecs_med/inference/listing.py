"""What lies in a folder that is to be segmented, by names and first bytes alone."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ecs_med.data.names import MASK_SUFFIX, holds_images, holds_masks, is_foreign, is_litter
from ecs_med.data.readers import available_readers, companions, is_image, stem
from ecs_med.data.video import is_video
from ecs_med.errors import DataError
from ecs_med.inference.scans import PredictionInput
from ecs_med.runs.outputs import own_outputs

__all__ = ["FOREIGN", "Listed", "is_dicom_image", "list_folder", "unsearchable"]

FOREIGN = "of a format that is not read"
_OWN = "written by ecs-med itself"
_MASKS = "masks beside their images"
_BESIDE_DICOM = "videos beside DICOM, which are taken where they are named themselves"


@dataclass(slots=True)
class Listed:
    """What lies in a folder and below it.

    Attributes:
        folder: The folder.
        items: Pictures, volumes and videos, and folders that cannot be searched.
        passed_over: What else is there by the reason why it is not segmented.
        dicom: DICOM files, of which only the first bytes were read.
        num_unknown: How many other files there are.
    """

    folder: Path
    items: list[PredictionInput] = field(default_factory=list)
    passed_over: dict[Path, str] = field(default_factory=dict)
    dicom: list[Path] = field(default_factory=list)
    num_unknown: int = 0

    def put(
        self, path: Path, is_own: bool, dicom: set[Path], images: set[Path], masks: set[Path]
    ) -> None:
        """Put in a file that lies beside those in `dicom`, `images` and `masks`."""
        is_known = path in dicom or path in images or is_video(path)
        if is_known and is_own:
            self.passed_over[path] = _OWN
        elif path in dicom:
            self.dicom.append(path)
        elif is_known and path not in masks:
            self.items.append(PredictionInput((path,), below=self.folder))
        elif not is_known and is_foreign(path.name):
            self.passed_over[path] = FOREIGN
        elif not is_known:
            self.num_unknown += 1

    def pass_over_videos(self) -> None:
        """Take no video: beside DICOM files are called by hashes, which a video has none of."""
        videos = [item for item in self.items if item.is_video]
        self.items = [item for item in self.items if item not in videos]
        self.passed_over |= {item.path: _BESIDE_DICOM for item in videos}


def list_folder(folder: Path, kept_out: Path | None = None) -> Listed:
    """What lies in a folder and below it.

    Args:
        folder: Where to look.
        kept_out: A folder, resolved, that is not searched where it lies inside.
    """
    found = Listed(folder)

    def unreadable(error: OSError) -> None:
        found.items.append(PredictionInput((Path(error.filename),), folder, unsearchable(error)))

    for name, folders, files in os.walk(folder, onerror=unreadable):
        here, own = Path(name), own_outputs(Path(name))
        if own.whole:
            folders[:] = []
            found.passed_over[here] = _OWN
            continue
        paths = [here / entry for entry in sorted(files) if not is_litter(entry)]
        dicom = {path for path in paths if is_dicom_image(path)}
        others = (path for path in paths if path not in dicom and not _is_directory(path))
        images = {path for path in others if is_image(path)}
        masks = _masks(here, folders, images)
        found.passed_over |= dict.fromkeys(sorted(masks), _MASKS)
        folders[:] = sorted(
            entry
            for entry in folders
            if not is_litter(entry)
            and here / entry not in masks
            and (here / entry).resolve() != kept_out
        )
        beside = {*companions(images)}
        for path in paths:
            if path not in beside:
                found.put(path, own.holds(path.name), dicom, images, masks)
    if found.dicom:
        found.pass_over_videos()
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


def unsearchable(error: OSError, shown: Path | None = None) -> DataError:
    """That a folder or file cannot be opened; it is called `shown` where that is given."""
    return DataError(
        f"{shown or error.filename}: cannot be searched ({error.strerror}); check its permissions."
    )


def is_dicom_image(path: Path) -> bool:
    """Whether a file is DICOM by its name or first bytes; a list of such files is not wanted."""
    return not _is_directory(path) and available_readers()["dicom"].recognizes(path)


def _is_directory(path: Path) -> bool:
    """Whether a file lists the DICOM files around it, as on discs; it is DICOM itself."""
    return path.name.upper() == "DICOMDIR"
