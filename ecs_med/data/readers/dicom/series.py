"""Which files of a folder make one series."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ecs_med.data.readers.dicom.files import open_dataset

__all__ = ["Series", "find_series"]


@dataclass(frozen=True, slots=True)
class Series:
    """Files that are one scan.

    Attributes:
        files: In the order of their names.
        uid: Series instance UID, an identifier of the patient's examination: never shown.
        modality: Such as `CT`.
    """

    files: tuple[Path, ...]
    uid: str
    modality: str


def find_series(files: Iterable[Path]) -> tuple[Series, ...]:
    """Group DICOM files.

    Args:
        files: DICOM files.

    Raises:
        UnreadableFileError: If one cannot be read.
    """
    groups: dict[str, list[Path]] = {}
    modalities: dict[str, str] = {}
    for path in files:
        dataset = open_dataset(path)
        uid = str(dataset.get("SeriesInstanceUID", ""))
        groups.setdefault(uid, []).append(path)
        modalities[uid] = str(dataset.get("Modality", ""))
    return tuple(Series(tuple(paths), uid, modalities[uid]) for uid, paths in groups.items())
