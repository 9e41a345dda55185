"""Accounting for every file of a folder: what is not used is counted and named with its reason."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from ecs_med.data.readers import image_suffixes, known_formats
from ecs_med.types import Case, Problem
from ecs_med_datasets.naming import (
    EXPECTED,
    IMAGE_NAMES,
    mask_base,
    normal,
    numbered_mask_base,
    same_case,
)
from ecs_med_datasets.scanning import Walk
from ecs_med_datasets.unused_files import UnusedFile, files_of, unused_files

__all__ = ["account", "nothing_readable"]

MANY = 0.5
"""A folder that is not used is told where it holds this share of the number of cases."""
MANY_PLACES = 3
"""What is found in more folders is told once for all of them."""
_ANNOTATIONS = (".json", ".xml", ".txt")
_NUM_SHOWN = 3


def account(root: Path, cases: Sequence[Case], told: Sequence[Problem]) -> list[Problem]:
    """What of a folder is not used, and why; names alone are looked at.

    A warning says what looks like a mask or an image, a note what may be one, and what is plainly
    something else is passed over.

    Args:
        root: The folder of the data, or the list that names them.
        cases: What is used of it.
        told: What has been found already; files and folders that it names are left out.
    """
    if not root.is_dir():
        return _not_listed(cases)
    walk = Walk(root)
    unused = list(unused_files(walk, root, cases, told))
    problems = [problem for problem in walk.problems if problem not in told]
    unlabeled = {name for case in cases if case.mask is None for name in _case_names(case)}
    foreign = {normal(file.stem) for file in unused if file.convertible and not file.masklike}
    groups: dict[tuple[str, str, str], list[UnusedFile]] = defaultdict(list)
    for file in unused:
        kind = _kind(file, unlabeled, foreign)
        if kind:
            groups[kind, file.place, "" if file.readable else file.suffix].append(file)
    for (kind, place, _), files in sorted(_together(groups).items()):
        files.sort(key=lambda file: file.name)
        problems.append(_problem(kind, root / place, files, len(cases)))
    problems += _other_versions(root, cases)
    if walk.own:
        number, first = len(walk.own), walk.own[0] or "this folder"
        message = f"{number} file(s) and folder(s) that ecs-med wrote are left out, such as {first}"
        problems.append(Problem("note", message, path=root))
    return problems


def nothing_readable(root: Path) -> str:
    """Why a folder gives no case, and what to do about it, without a full stop."""
    walk = Walk(root)
    unused = sorted(unused_files(walk, root, (), ()), key=lambda file: file.name)
    if walk.problems:
        problem = walk.problems[0]
        return f"{problem.path}: {problem.message}; {problem.remedy}"
    foreign = [file for file in unused if file.convertible]
    foreign = [file for file in foreign if not file.masklike] or foreign
    if foreign:
        kind, place = foreign[0].suffix, foreign[0].name.rpartition("/")[0]
        number = sum(file.suffix == kind for file in foreign)
        where = f"{place}/" if place else "the folder"
        return (
            f"{where} holds {number} {kind} file(s), which are not read: {_names(foreign)}; convert"
            f" them to {known_formats()}"
        )
    readable = [file for file in unused if file.readable]
    if readable:
        found = f"{len(readable)} image file(s), none of them where images are looked for"
    elif unused:
        found = f"no readable image among {len(unused)} file(s), such as {unused[0].name}"
    elif walk.own:
        found = "all that is here was written by ecs-med, which is never data"
    else:
        found = "the folder is empty"
    return f"{found}; {EXPECTED}"


def _other_versions(root: Path, cases: Sequence[Case]) -> list[Problem]:
    """Warnings of unlabelled images that are called like labelled ones of the folder above."""
    labeled = {case.id for case in cases if case.mask is not None}
    found: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        place, _, name = case.id.rpartition("/")
        above = place.rpartition("/")[0]
        if case.mask is None and place and f"{above}/{name}".lstrip("/") in labeled:
            found[place].append(name)
    return [
        Problem(
            "warning",
            f"{len(names)} unlabelled image(s) here are called like labelled ones of the folder"
            f" above: {', '.join(names[:_NUM_SHOWN])}{', ...' if len(names) > _NUM_SHOWN else ''}",
            "Move them away if they are thumbnails or other versions of those, else rename them",
            root / place,
        )
        for place, names in found.items()
    ]


def _not_listed(cases: Sequence[Case]) -> list[Problem]:
    """A note on files that lie beside those of a list, which its author may have left out."""
    folders = dict.fromkeys(path.parent for case in cases for path in files_of(case))
    problems = []
    for folder in folders:
        walk = Walk(folder, recursive=False)
        files = [file for file in unused_files(walk, folder, cases, ()) if file.readable]
        files.sort(key=lambda file: file.name)
        problems += walk.problems
        if files:
            message = f"{len(files)} image(s) here are not in the list: {_names(files)}"
            problems.append(Problem("note", message, path=folder))
    return problems


def _case_names(case: Case) -> tuple[str, str]:
    name = _last(case.id)
    return normal(name), same_case(name, "image")


def _kind(file: UnusedFile, unlabeled: set[str], foreign: set[str]) -> str:
    """What an unused file is taken for; empty: for nothing that matters."""
    base = mask_base(file.stem) or numbered_mask_base(file.stem) or file.stem
    names = {normal(file.stem), normal(base), same_case(file.stem, "mask")}
    if file.readable and file.masklike:
        return "mask" if names.isdisjoint(foreign) else "waiting"
    lost = not names.isdisjoint(unlabeled)
    if file.readable:
        return "perhaps mask" if lost else "image"
    if file.suffix in image_suffixes():
        return "blank"
    if file.convertible:
        return "lost mask" if lost and file.masklike else "foreign"
    return "annotation" if lost and file.suffix in _ANNOTATIONS else ""


def _together(
    groups: Mapping[tuple[str, str, str], list[UnusedFile]],
) -> dict[tuple[str, str, str], list[UnusedFile]]:
    """The same with one group for all places where many places, a folder a case, give the same."""
    places = Counter((kind, suffix) for kind, _, suffix in groups)
    found: dict[tuple[str, str, str], list[UnusedFile]] = defaultdict(list)
    for (kind, place, suffix), files in groups.items():
        many = places[kind, suffix] > MANY_PLACES
        found[kind, "" if many else place, suffix] += files
    return found


def _problem(kind: str, place: Path, files: Sequence[UnusedFile], num_cases: int) -> Problem:
    number, suffix, names = len(files), files[0].suffix, _names(files)
    if kind == "lost mask":
        message = (
            f"{number} {suffix} file(s) here are masks of images that count as unlabelled, because"
            f" this format is not read: {names}"
        )
        return Problem("warning", message, f"Convert them to {_mask_formats()}", place)
    if kind == "blank":
        message = f"{number} file(s) with blanks or more behind the suffix are not read: {names}"
        return Problem("warning", message, "Rename them", place)
    if kind == "foreign":
        message = f"{number} {suffix} file(s), a format that is not read: {names}"
        remedy = f"Convert them to {known_formats()}, or move them away"
        return Problem("warning", message, remedy, place)
    if kind == "mask":
        message = f"{number} file(s) look like masks and are not used: {names}"
        return Problem("warning", message, _mask_remedy(files), place)
    if kind == "waiting":
        message = f"{number} mask(s) are not used, because their images are not read: {names}"
        return Problem("note", message, path=place)
    if kind == "annotation":
        message = f"{number} {suffix} file(s) with names of unlabelled images are not read: {names}"
        return Problem("note", message, path=place)
    of_unlabeled = ", though they have names of unlabelled images" if kind != "image" else ""
    message = f"{number} image file(s) here are not used{of_unlabeled}: {names}"
    if kind == "image" and number < max(2, MANY * num_cases):
        return Problem("note", message, path=place)
    remedy = "Put images into images/ and masks into masks/ beside it, or move them away"
    if place.name.lower() not in IMAGE_NAMES and len({file.place for file in files}) == 1:
        name = f"'{place.name}'" if " " in place.name else place.name
        remedy = f"If these are the masks, say `mask_folder={name}`; else move them away"
    return Problem("warning", message, remedy, place)


def _mask_remedy(files: Sequence[UnusedFile]) -> str:
    if len({file.place for file in files}) > 1:
        return (
            "Merge the masks of a case into one label map beside its image, such as"
            " CASE/segmentation.nii.gz, or put all masks into masks/ beside images/"
        )
    return "Give every mask the name of its image, with or without _mask behind it"


def _mask_formats() -> str:
    return "PNG (pictures) or NIfTI (volumes)"


def _names(files: Sequence[UnusedFile]) -> str:
    shown = ", ".join(_last(file.name) for file in files[:_NUM_SHOWN])
    return shown + (", ..." if len(files) > _NUM_SHOWN else "")


def _last(name: str) -> str:
    return name.rpartition("/")[2]
