"""Layout `archive`: a zip file as annotation tools export it, unpacked once into the cache."""

import shutil
import zipfile
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from ecs_med.archives import Limits
from ecs_med.config import ReadingSettings
from ecs_med.data.intake.unpacking import state_of, unpack_once
from ecs_med.data.layout import Layout, open_data
from ecs_med.data.readers.dicom.files import SUFFIXES
from ecs_med.errors import DataError
from ecs_med.files import cache_folder, regular_file
from ecs_med.types import CaseCollection
from ecs_med_datasets.scanning import Walk, list_folders

__all__ = ["ArchiveLayout"]

_SUFFIX = ".zip"
LIMITS = Limits(num_members=200_000, total_bytes=32 * 2**30, ratio=200.0)
"""Pictures hardly compress; colour masks of large areas do, by some hundred."""


class ArchiveLayout(Layout):
    """What lies in a zip file, as any other layout reads it: exports of CVAT, COCO, Supervisely.

    It is unpacked into the user's cache, within bounds, and again only where the archive changes.
    DICOM is refused: its names may be those of patients, and stay where they are.
    """

    name = "archive"
    priority = 50

    def recognizes(self, root: Path) -> bool:
        """Whether it is called `.zip` and is one."""
        if not root.name.lower().endswith(_SUFFIX):
            return False
        try:
            return zipfile.is_zipfile(regular_file(root))
        except OSError:
            return False

    def read(self, root: Path, settings: ReadingSettings) -> CaseCollection:
        """Unpack the archive, and read the folder.

        Raises:
            DataError: If it cannot be unpacked, holds DICOM, or nothing that is read.
        """
        if not self.recognizes(root):
            raise DataError(f"{root}: no zip archive; `layout=archive` needs one.")
        folder = _only_folder(_unpacked(root))
        inner = settings.model_copy(update={"layout": "auto"})
        try:
            found = open_data(folder, inner)
        except DataError as error:
            # Nobody knows the cache: what is said is about the archive.
            raise DataError(str(error).replace(str(folder), str(root))) from None
        if found.layout == "dicom":
            shutil.rmtree(_home(root), ignore_errors=True)
            raise _with_dicom(root)
        return replace(found, name=root.stem or "data")


def _with_dicom(archive: Path) -> DataError:
    return DataError(
        f"{archive}: holds DICOM, whose names may be those of patients; unpack it yourself, and "
        "give the folder."
    )


def _home(archive: Path) -> Path:
    """Where it is unpacked, whatever it holds at the time."""
    place = str(archive.resolve()).encode("utf-8", "surrogateescape")
    return cache_folder("archives") / blake2b(place, digest_size=8).hexdigest()


def _names(archive: Path) -> list[str]:
    try:
        with zipfile.ZipFile(archive) as opened:
            return opened.namelist()
    except (OSError, ValueError, zipfile.BadZipFile):  # told when it is unpacked
        return []


def _unpacked(archive: Path) -> Path:
    home = _home(archive)
    target = home / state_of(archive)
    if not target.is_dir() and any(n.lower().endswith(SUFFIXES) for n in _names(archive)):
        raise _with_dicom(archive)
    remedy = "export it again, or unpack it yourself, if you trust it, and give the folder"
    return unpack_once(archive, target, former=home.glob("*-*"), limits=LIMITS, remedy=remedy)


def _only_folder(folder: Path) -> Path:
    """The data, where the archive has them in a folder of their own."""
    names = list_folders(folder)
    alone = len(names) == 1 and not list(Walk(folder, recursive=False).files())
    return folder / names[0] if alone and names[0].lower() not in ("images", "img") else folder
