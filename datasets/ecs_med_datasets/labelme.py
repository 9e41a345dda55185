"""Layout `labelme`: a JSON file of LabelMe for each picture that is labelled."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import Layout
from ecs_med.data.readers.annotations.drafts import DRAFT
from ecs_med.data.readers.annotations.labelme import LabelMeFile
from ecs_med.data.readers.annotations.opening import holds_word, looks_like, open_annotations
from ecs_med.errors import DataError, UnreadableFileError
from ecs_med.types import Case, CaseCollection, Problem
from ecs_med_datasets.annotation_files import holds_masks
from ecs_med_datasets.collecting import collect, collection_of, partition_of
from ecs_med_datasets.naming import STRUCTURAL, relative_path
from ecs_med_datasets.scanning import FileIndex, Walk, index_files, list_folders, split_name

__all__ = ["LabelMeLayout"]

_MOST_FILES = 200
"""JSON files of which one at least must be of LabelMe, for a folder to be taken for it."""
_MOST_FOLDERS = 30
"""Folders of each level in which these are looked for, since other layouts have thousands."""


class LabelMeLayout(Layout):
    """Pictures, and a JSON file of LabelMe for each of them that is labelled.

    The picture is the one of the same name in the same folder, else what `imagePath` says, else
    the one of that name in `images/` beside the folder of the file. A picture without a JSON file
    is unlabelled.
    """

    name = "labelme"
    priority = 34

    def recognizes(self, root: Path) -> bool:
        """Whether files of LabelMe lie in `root`, and no folder of masks."""
        if not root.is_dir():
            return False
        some = islice(_json_files(root), _MOST_FILES)
        return any(looks_like(path, "labelme") for path in some) and not holds_masks(root)

    def read(self, root: Path, settings: ReadingSettings) -> CaseCollection:
        """List the pictures below `root`.

        Raises:
            DataError: If there is no picture, or no file of LabelMe.
        """
        if not root.is_dir():
            raise DataError(f"{root}: not a folder; give the one with pictures and LabelMe files.")
        images = index_files(root)
        names = [name for name in images.foreign if name.lower().endswith(".json")]
        files = [root / name for name in names if looks_like(root / name, "labelme")]
        if not files:
            raise DataError(
                f"{root}: holds no JSON file of LabelMe; expected one beside each picture."
            )
        problems = images.findings("image")
        mask_of = _without_drafts(_pair(files, images, problems), root, problems)
        if not images.suffixes:
            raise DataError(next(problem.sentence() for problem in problems))
        cases = [
            Case(key, (images.path(key),), mask_of.get(key), partition=partition_of(_folder(key)))
            for key in images.suffixes
        ]
        found = collection_of(root, self.name, cases, problems)
        return collect(found, settings, STRUCTURAL)


def _json_files(root: Path, depth: int = 2) -> Iterator[Path]:
    """JSON files in a folder and in some of those below it."""
    for _, name in Walk(root, recursive=False).files():
        if name.lower().endswith(".json"):
            yield root / name
    for name in list_folders(root)[: _MOST_FOLDERS * bool(depth)]:
        yield from _json_files(root / name, depth - 1)


def _pair(files: list[Path], images: FileIndex, problems: list[Problem]) -> dict[str, Path]:
    """File of each picture that has one; what goes wrong is added to `problems`."""
    found: dict[str, Path] = {}
    for path in files:
        try:
            key = _picture_of(path, images)
        except UnreadableFileError as error:
            problems.append(Problem.from_error(error, [path]))
            continue
        if key in found:
            message = f"is of the same picture as {found[key]}"
            problems.append(Problem("error", message, "Keep one of them", path))
        else:
            found[key] = path
    return found


def _without_drafts(found: dict[str, Path], root: Path, problems: list[Problem]) -> dict[str, Path]:
    """The files of which somebody has changed what a model drew; the others are told."""
    kept, drafts = {}, 0
    for key, path in found.items():
        if _is_draft(path):
            drafts += 1
        else:
            kept[key] = path
    if drafts:
        message = (
            f"{drafts:,} of {len(found):,} LabelMe files are drafts of a model that nobody has "
            "changed or marked as checked, and their pictures count as unlabelled"
        )
        problems.append(Problem("note", message, path=root))
    return kept


def _is_draft(path: Path) -> bool:
    try:
        file = open_annotations(path) if holds_word(path, DRAFT) else None
    except UnreadableFileError:  # told when the mask is read
        return False
    return file is not None and file.is_draft


def _picture_of(path: Path, images: FileIndex) -> str:
    """The key of the picture that a file of LabelMe is of.

    Raises:
        UnreadableFileError: If it is not there; a copy inside the file is none.
    """
    key = relative_path(path, images.folder)[: -len(".json")]
    if key in images.suffixes:
        return key
    file = open_annotations(path)
    if not isinstance(file, LabelMeFile):
        raise UnreadableFileError(path, "is no file of LabelMe", "move it away")
    written = file.image_path
    name = os.path.normpath(os.path.join(_folder(key), written)).replace(os.sep, "/")  # noqa: PTH118
    last = split_name(written.rpartition("/")[2])[0]
    if name.startswith("../") or os.path.isabs(written) or written[1:2] == ":":  # noqa: PTH117
        name = ""
    beside = _folder(_folder(key)), "images", last
    for known in (split_name(name)[0], "/".join(filter(None, beside))):
        if known in images.suffixes:
            return known
    reason = f"its picture '{written[:80]}' is not below the data"
    if file.embeds_image:
        reason += ", and the copy inside the file is not used"
    raise UnreadableFileError(path, reason, "put the picture beside it, under the same name")


def _folder(key: str) -> str:
    return key.rpartition("/")[0]
