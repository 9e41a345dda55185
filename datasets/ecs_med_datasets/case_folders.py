"""Layout `case_folders`: a folder a case, as in KiTS (imaging, segmentation) and BraTS."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import Layout
from ecs_med.errors import DataError
from ecs_med.types import Case, CaseCollection, Problem
from ecs_med_datasets.collecting import collect, collection_of, partition_of
from ecs_med_datasets.naming import (
    IMAGE_NAMES,
    MASK_NAMES,
    STRUCTURAL,
    UNLABELED_NAMES,
    looks_like_mask,
    mask_base,
    relative_path,
)
from ecs_med_datasets.scanning import FileIndex, index_files, list_folders

__all__ = ["CaseFoldersLayout"]

DEPTH = 3
SAMPLE = 200
"""So many folders are looked at to recognise the layout."""
MOST = 0.5
_VOLUMES = {".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"}


@dataclass(frozen=True, slots=True)
class CaseFolder:
    """One folder and what its files are.

    Attributes:
        index: Its files.
        images: Key by name of the channel: what the key has beside the name of the folder.
        masks: Keys that are called masks, by what they have beside the name of the folder.
    """

    index: FileIndex
    images: Mapping[str, str]
    masks: Mapping[str, str]

    @property
    def is_case(self) -> bool:
        """Whether it holds one mask and what the mask is of: a picture, or volumes of channels."""
        kinds = {self.index.suffixes[key].lower() for key in self.images.values()}
        fitting = len(self.images) == 1 or (len(self.images) > 1 and kinds <= _VOLUMES)
        if not fitting or len(self.masks) != 1:
            return False
        # What is called as one image with a mask word behind is the mask of that image alone.
        return mask_base(*self.masks.values()) not in self.images.values()


class CaseFoldersLayout(Layout):
    """`CASE/imaging.nii.gz` beside `CASE/segmentation.nii.gz`, or `CASE/CASE_t1.nii.gz` and so on.

    What is called a mask (`seg`, `segmentation`, `label`, `mask`) is the mask of the case; all
    other files of its folder are its channels, in the order of their names. Every case has
    the same ones. Partitions may be folders around those of the cases.
    """

    name = "case_folders"
    priority = 5
    reads_names_only = True

    def recognizes(self, root: Path) -> bool:
        """Whether most folders in `root` hold one mask and the images that it is of."""
        if {name.lower() for name in list_folders(root)} & {*IMAGE_NAMES}:
            return False
        folders = list(islice(_case_folders(root), SAMPLE))
        cases = [folder for folder in folders if folder.is_case]
        return len(cases) > MOST * len(folders) and _agree(cases)

    def read(self, root: Path, settings: ReadingSettings) -> CaseCollection:
        """List the cases below `root`.

        Raises:
            DataError: If no folder holds images.
        """
        folders = [folder for folder in _case_folders(root) if folder.images]
        if not folders:
            raise DataError(
                f"{root}: no folder of a case; expected CASE/imaging.nii.gz beside"
                " CASE/segmentation.nii.gz, or CASE/CASE_t1.nii.gz beside CASE/CASE_seg.nii.gz."
            )
        problems: list[Problem] = []
        usual = Counter(tuple(folder.images) for folder in folders).most_common(1)[0][0]
        cases = [_read_case(folder, usual, root, problems) for folder in folders]
        if len(usual) > 1:
            note = f"each case has {len(usual)} channels, in this order: {', '.join(usual)}"
            problems.append(Problem("note", note, path=root))
        found = collection_of(root, self.name, cases, problems)
        return collect(found, settings, STRUCTURAL)


def _case_folders(root: Path, depth: int = DEPTH) -> Iterator[CaseFolder]:
    """Every folder below `root` that holds readable files."""
    for name in list_folders(root):
        if name.lower() in {*IMAGE_NAMES, *MASK_NAMES, *UNLABELED_NAMES}:
            continue
        folder = root / name
        index = index_files(folder, recursive=False)
        if index.suffixes:
            yield _sorted_out(index)
        elif depth > 1 and not folder.is_symlink():
            yield from _case_folders(folder, depth - 1)


def _sorted_out(index: FileIndex) -> CaseFolder:
    images: dict[str, str] = {}
    masks: dict[str, str] = {}
    name = index.folder.name
    for key in index.suffixes:
        own = key.removeprefix(name).strip(" _.-") or key
        (masks if looks_like_mask(own) else images)[own] = key
    return CaseFolder(index, images, masks)


def _agree(cases: Sequence[CaseFolder]) -> bool:
    """Whether most cases have the same channels, and call their masks alike."""
    if not cases:
        return False
    alike = Counter((tuple(case.images), tuple(case.masks)) for case in cases)
    return alike.most_common(1)[0][1] > MOST * len(cases)


def _read_case(
    folder: CaseFolder, usual: tuple[str, ...], root: Path, problems: list[Problem]
) -> Case:
    index = folder.index
    problems += index.findings("image")
    if set(folder.images) != set(usual):
        message = f"holds {', '.join(folder.images)}, where most cases have {', '.join(usual)}"
        remedy = "Give every case the same files, or move this one away"
        problems.append(Problem("error", message, remedy, index.folder))
    if len(folder.masks) > 1:
        names = " and ".join(index.path(key).name for key in [*folder.masks.values()][:2])
        message = f"{len(folder.masks)} files are called masks, such as {names}"
        remedy = "Merge them into one label map, or move away all but one"
        problems.append(Problem("error", message, remedy, index.folder))
    mask = next(iter(folder.masks.values()), None)
    where = relative_path(index.folder, root)
    return Case(
        where,
        tuple(index.path(key) for key in folder.images.values()),
        None if mask is None else index.path(mask),
        partition=partition_of(where.rpartition("/")[0]),
    )
