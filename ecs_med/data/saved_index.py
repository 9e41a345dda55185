"""What a layout found in a large folder, kept so that the next start need not list it again.

A folder of a million cases takes most of a minute to list and to match. Kept are the cases and, of
every folder and text file that the answer came from, what changes when anything in it does: the
answer holds as long as all of them are as they were. Where that cannot be known, nothing is kept:
where the layout reads more than names, where ecs-med itself wrote into the folder (whose files
count as data once somebody changes them), and where something changed so shortly before that the
file system's clock could not tell another change from it.
"""

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

from ecs_med.config import ReadingSettings
from ecs_med.data.readers import image_suffixes
from ecs_med.errors import RunFolderError
from ecs_med.files import cache_folder, write_bytes
from ecs_med.types import Case, CaseCollection, Problem

__all__ = ["FEWEST_CASES", "SavedIndex"]

FEWEST_CASES = 50_000
"""Fewer are listed in seconds."""

_FORMAT = 3
_MOST_TEXTS = 10_000
_OWN = ".ecs-med"
"""How the name of a file begins by which ecs-med knows its own folders."""
_SETTLED_SECONDS = 2.0
"""The coarsest clock of a file system, FAT's."""
_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"),
    *(".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".nhdr"),
)
"""Of files that no layout here opens; DICOM and annotations are looked into."""

Witness = list[tuple[str, int, int, int]]
"""Path, inode, and the times of the last change of content and of status, of each."""


@dataclass(frozen=True, slots=True)
class SavedIndex:
    """The kept answer to one question: these settings on this folder.

    Attributes:
        root: The folder or list that is opened.
        question: Whatever the answer depends on beside the files, as JSON.
    """

    root: Path
    question: str

    @classmethod
    def of(cls, root: Path, settings: ReadingSettings, layouts: Iterable[str]) -> "SavedIndex":
        """The index of `root`.

        Args:
            root: As the user gives it: paths of cases begin with it.
            settings: How files become cases.
            layouts: Names of those that are installed, in the order in which they are asked.
        """
        asked = [
            *(_FORMAT, str(root), str(root.resolve())),
            *(settings.model_dump_json(), list(layouts), image_suffixes()),
        ]
        return cls(root, json.dumps(asked))

    @property
    def file(self) -> Path:
        """Where it is kept."""
        name = blake2b(self.question.encode(), digest_size=16).hexdigest()
        return cache_folder("index") / f"{name}.json.gz"

    def load(self) -> CaseCollection | None:
        """The answer, if it was kept and still holds; a damaged file is as good as none."""
        try:
            with gzip.open(self.file, "rb") as file:
                kept = dict(json.loads(line) for line in file)
            if kept["question"] != self.question or not _holds(kept["witness"]):
                return None
            return _collection(self.root, kept)
        except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, IndexError):
            return None

    def save(self, found: CaseCollection, started: float) -> bool:
        """Keep an answer, where it is large and it can be known how long it holds.

        Args:
            found: By a layout that reads names and small text files alone.
            started: `time.time()` before the layout began.

        Returns:
            Whether it was kept. A cache that cannot be written is no reason to fail.
        """
        if len(found.cases) < FEWEST_CASES:
            return False
        witness = _witness(found, started)
        if witness is None:
            return False
        named = chain((("question", self.question), ("witness", witness)), _columns(found))
        content = BytesIO()
        # A column a line: all of them at once would take as much memory as the cases.
        with gzip.GzipFile(fileobj=content, mode="wb", compresslevel=1, mtime=0) as file:
            for column in named:
                file.write(json.dumps(column).encode() + b"\n")
        with suppress(RunFolderError, OSError):
            # Names of files may name patients.
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_bytes(self.file, content.getvalue())
            return True
        return False


def _witness(found: CaseCollection, started: float) -> Witness | None:
    """Everything that the answer came from; `None`: it cannot be known whether it changes."""
    places = {str(problem.path) for problem in found.problems if problem.path is not None}
    for path in _files_of(found):
        if not path.name.lower().endswith(_SUFFIXES):
            return None
        places.add(str(path.parent))
    tree = _tree(str(found.root)) if found.root.is_dir() else {str(found.root)}
    if tree is None:
        return None
    witness = [(place, *_state(place)) for place in sorted(places | tree)]
    settled = (started - _SETTLED_SECONDS) * 1e9
    return witness if all(max(state[2:]) < settled for state in witness) else None


def _files_of(found: CaseCollection) -> Iterator[Path]:
    for case in found.cases:
        yield from case.images
        if case.mask is not None:
            yield case.mask


def _tree(root: str) -> set[str] | None:
    """All folders below `root`, links followed, and files that a layout may have read."""
    found, entered, texts = set[str](), set[tuple[int, int]](), 0
    suffixes = image_suffixes()
    for folder, inner, files in os.walk(root, followlinks=True):
        try:
            status = os.stat(folder)  # noqa: PTH116 - called with plain strings
        except OSError:  # gone since it was listed
            return None
        if any(name.startswith(_OWN) for name in files):
            return None
        if (status.st_dev, status.st_ino) in entered:
            inner.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        found.add(folder)
        read = [name for name in files if not name.lower().endswith(suffixes)]
        texts += len(read)
        if texts > _MOST_TEXTS:
            return None
        found.update(f"{folder}{os.sep}{name}" for name in read)
    return found


def _state(place: str) -> tuple[int, int, int]:
    try:
        status = os.stat(place)  # noqa: PTH116 - called with plain strings
    except OSError:
        return 0, 0, 0
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def _holds(witness: Iterable[Sequence[Any]]) -> bool:
    return all(_state(place) == tuple(state) for place, *state in witness)


def _numbered(paths: Iterable[Path | None], folders: dict[str, int]) -> list[int | None]:
    """The number of each one's folder among `folders`, to which new ones are added."""
    # Not the texts of the paths themselves, which these would keep from then on.
    return [
        None if path is None else folders.setdefault(str(path.parent), len(folders))
        for path in paths
    ]


def _columns(found: CaseCollection) -> Iterator[tuple[str, Any]]:
    """A collection in few long lists, which JSON reads ten times as fast as many small objects."""
    cases = found.cases
    patients = list(dict.fromkeys(case.patient for case in cases))
    number = {name: index for index, name in enumerate(patients)}
    yield "name", found.name
    yield "layout", found.layout
    yield "is_upright", found.is_upright
    yield "labels", None if found.labels is None else list(found.labels.items())
    yield (
        "problems",
        [
            {**asdict(problem), "path": None if problem.path is None else str(problem.path)}
            for problem in found.problems
        ],
    )
    yield "id", [case.id for case in cases]
    folders: dict[str, int] = {}
    images = [case.images[0] for case in cases]
    masks = [case.mask for case in cases]
    yield "image name", [path.name for path in images]
    yield "image folder", _numbered(images, folders)
    # Most masks are called like their images: a name that is kept once is one text in memory.
    yield (
        "mask name",
        [
            mask and (mask.name == image.name or mask.name)
            for mask, image in zip(masks, images, strict=True)
        ],
    )
    yield "mask folder", _numbered(masks, folders)
    yield "folders", list(folders)
    yield "patients", patients
    yield "patient", [number[case.patient] for case in cases]
    yield "partition", [case.partition for case in cases]
    yield (
        "rest",
        {
            index: [list(map(str, case.images)), case.frame, case.annotated]
            for index, case in enumerate(cases)
            if len(case.images) != 1 or case.frame is not None or case.annotated is not None
        },
    )


def _collection(root: Path, kept: Mapping[str, Any]) -> CaseCollection:
    patients, folders = kept["patients"], list(map(Path, kept["folders"]))
    # A name below a folder becomes a path in half the time of one that is parsed as a whole.
    images = map(Path.joinpath, map(folders.__getitem__, kept["image folder"]), kept["image name"])
    names = zip(kept["mask name"], kept["mask folder"], kept["image name"], strict=True)
    masks = [
        None if mask is None else folders[folder].joinpath(image if mask is True else mask)
        for mask, folder, image in names
    ]
    columns = kept["id"], masks, kept["patient"], kept["partition"]
    if len({len(column) for column in (*columns, kept["image folder"])}) > 1:
        raise ValueError("columns of different length")
    ids, masks, patient, partition = columns
    owners = map(patients.__getitem__, patient)
    cases = list(map(Case, ids, zip(images, strict=True), masks, owners, partition))
    for index, (images, frame, annotated) in kept["rest"].items():
        cases[int(index)] = replace(
            cases[int(index)],
            images=tuple(map(Path, images)),
            frame=frame,
            annotated=None if annotated is None else tuple(annotated),
        )
    labels = kept["labels"]
    return CaseCollection(
        name=kept["name"],
        root=root,
        layout=kept["layout"],
        cases=tuple(cases),
        labels=None if labels is None else {_key(value): name for value, name in labels},
        problems=tuple(_problem(values) for values in kept["problems"]),
        is_upright=kept["is_upright"],
    )


def _key(value: Any) -> Any:
    """A stored value or a colour, which JSON keeps as a list."""
    return tuple(value) if isinstance(value, list) else value


def _problem(values: Mapping[str, Any]) -> Problem:
    path = values["path"]
    return Problem(**{**values, "path": None if path is None else Path(path)})
