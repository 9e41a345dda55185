"""Finding annotation files below a folder, by their names and a few words in them."""

from collections.abc import Iterator
from pathlib import Path

from ecs_med.data.readers.annotations.opening import SUFFIXES, AnnotationKind, looks_like
from ecs_med_datasets.folder import find_image_folders
from ecs_med_datasets.naming import PARTITION_NAMES
from ecs_med_datasets.scanning import Walk, index_files, list_folders

__all__ = ["find_files", "holds_masks"]

_FOLDERS = ("annotations", "annotation", "labels", "images", *PARTITION_NAMES)
"""Where annotation files lie below the data, lower case."""
_MOST = 64
"""Files of a folder that are all looked into; of more, those alone that are called as usual, since
the others are of one picture each."""
_USUAL = ("annotation", "instances", "coco", "via")


def find_files(root: Path, kind: AnnotationKind) -> list[Path]:
    """Annotation files that list pictures, in `root` and in the usual folders below it, sorted.

    Where files of one folder are called `instances_...`, as those of COCO, others there list the
    same pictures for other purposes and are left out.
    """
    found: list[Path] = []
    for folder in _folders(root):
        files = [path for path in _files(folder) if looks_like(path, kind)]
        usual = [path for path in files if path.name.lower().startswith("instances_")]
        found += usual or files
    return found


def holds_masks(root: Path) -> bool:
    """Whether a folder of masks beside images has readable files in it."""
    folders = {mask for found in find_image_folders(root) for mask in found.masks}
    return any(index_files(folder).suffixes for folder in folders)


def _folders(root: Path, depth: int = 2) -> Iterator[Path]:
    yield root
    for name in list_folders(root):
        if depth and name.lower() in _FOLDERS:
            yield from _folders(root / name, depth - 1)


def _files(folder: Path) -> list[Path]:
    names = (name for _, name in Walk(folder, recursive=False).files())
    found = sorted(name for name in names if name.lower().endswith(SUFFIXES))
    if len(found) > _MOST:
        found = [name for name in found if any(word in name.lower() for word in _USUAL)]
    return [folder / name for name in found]
