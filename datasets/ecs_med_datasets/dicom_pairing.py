"""Which mask is of which DICOM series: by references, by name, by place, and by grid."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecs_med.data.readers import reader_of, stem
from ecs_med.data.readers.dicom.headers import read_header
from ecs_med.data.readers.dicom.references import references_of
from ecs_med.data.readers.dicom.series import Series
from ecs_med.data.readers.grids import is_turned_only
from ecs_med.errors import DataError
from ecs_med.types import Problem
from ecs_med_datasets.naming import looks_like_mask, same_case

__all__ = ["Pairing", "pair_masks"]


@dataclass(slots=True)
class Pairing:
    """What was found.

    Attributes:
        mask_of: Mask by place of its series in the list.
        problems: Masks that are of no series, or of several, and series of several masks.
        unused: Files that could have been masks, beside ones that are called so.
    """

    mask_of: dict[int, Path] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unused: list[Path] = field(default_factory=list)


def pair_masks(
    series: Sequence[Series], objects: Sequence[Path], files: Sequence[Path], root: Path
) -> Pairing:
    """Find the series of each mask.

    Args:
        series: All there are.
        objects: DICOM SEG and RTSTRUCT: they say what they were drawn on.
        files: Masks of other formats: named as their series or its folder, or the only one beside
            a single series, or on its very grid.
        root: The folder of the data.
    """
    found = Pairing()
    masks: dict[int, list[Path]] = defaultdict(list)
    for path in objects:
        try:
            own = _referenced(path, series)
        except DataError as error:
            found.problems.append(Problem.from_error(error, [path]))
            continue
        _settle(path, own, series, masks, found)
    for path in files:
        _settle(path, _beside(path, series, root), series, masks, found)
    for index, paths in masks.items():
        found.mask_of[index] = _only_one(paths, found)
    return found


def _settle(
    path: Path,
    own: Sequence[int],
    series: Sequence[Series],
    masks: dict[int, list[Path]],
    found: Pairing,
) -> None:
    """Give a mask to its series, or tell that it has none."""
    if len(own) == 1 or (own and all(series[index].kind == "picture" for index in own)):
        for index in own:
            masks[index].append(path)
    elif own:
        described = " and ".join(series[index].describe() for index in own[:2])
        message = f"may be the mask of any of {len(own)} series, such as {described}"
        remedy = "Put it into the folder of its series, or call it as that folder is called"
        found.problems.append(Problem("error", message, remedy, path))
    else:
        message = "is the mask of no series here, and is not used"
        remedy = "Add the series that it was drawn on, or move it away"
        found.problems.append(Problem("warning", message, remedy, path))


def _only_one(paths: Sequence[Path], found: Pairing) -> Path:
    """The mask of one series: of several the one that is called a mask, if that settles it."""
    if len(paths) == 1:
        return paths[0]
    called = [path for path in paths if looks_like_mask(stem(path))]
    if len(called) == 1:
        found.unused += [path for path in paths if path != called[0]]
        return called[0]
    message = f"is one of {len(paths)} masks of one series"
    remedy = "Merge them into one, or move away all but one"
    found.problems.append(Problem("error", message, remedy, paths[1]))
    return paths[0]


def _referenced(path: Path, series: Sequence[Series]) -> list[int]:
    """The series that a DICOM mask says it was drawn on, else those in its own space."""
    said = references_of(path)
    shown = [i for i, s in enumerate(series) if said.instances & {*s.sop_instance_uids}]
    if not shown:
        shown = [i for i, s in enumerate(series) if s.uid and s.uid in said.series]
    if shown or said.series or said.instances:
        return shown
    return [i for i, s in enumerate(series) if _space_of(s) in said.frames_of_reference]


def _space_of(series: Series) -> str:
    return read_header(series.files[0]).frame_of_reference_uid


def _beside(path: Path, series: Sequence[Series], root: Path) -> list[int]:
    """The series that a file may be the mask of: those of its name, else the nearest ones."""
    fitting = [i for i, s in enumerate(series) if s.kind == _kind_of(path)]
    named = [i for i in fitting if _names_of(series[i], root) & _names(stem(path), "mask")]
    if len(named) == 1:
        return named
    near: list[int] = []
    for folder in (path.parent, *path.parents):
        near = [i for i in named or fitting if series[i].files[0].is_relative_to(folder)]
        if near or folder == root:
            break
    if len(near) > 1 and _kind_of(path) == "volume":
        return [i for i in near if _on_grid(path, series[i])] or near
    return near


def _kind_of(path: Path) -> str:
    return "picture" if reader_of([path]).holds_colors else "volume"


def _names_of(series: Series, root: Path) -> set[str]:
    """What a mask of it may be called: as its folders, or as its file where there is one."""
    first = series.files[0]
    names = set()
    for folder in first.parents:
        if folder == root:
            break
        names |= _names(folder.name, "image")
    if len(series.files) == 1:
        names |= _names(stem(first), "image")
    return names


def _names(name: str, role: str) -> set[str]:
    return {same_case(name, role)} - {""}


def _on_grid(path: Path, series: Series) -> bool:
    """Whether the voxels of a mask are those of a series, in whatever order."""
    try:
        mask = reader_of([path]).header([path])
        image = reader_of(series.files).header(series.files)
    except DataError:
        return False
    if mask.affine is None or image.affine is None:
        return False
    (a, b, c), (d, e, f) = mask.shape, image.shape
    return is_turned_only((a, b, c), mask.affine, (d, e, f), image.affine)
