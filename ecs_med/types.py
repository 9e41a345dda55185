"""The nouns of the engine: cases, what a folder holds, batches."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from ecs_med.errors import EcsMedError, UnreadableFileError

if TYPE_CHECKING:
    import torch

__all__ = [
    "IGNORE_INDEX",
    "UNLABELED_INDEX",
    "Batch",
    "Case",
    "CaseCollection",
    "Color",
    "DeclaredLabels",
    "Partition",
    "Problem",
    "ScanKind",
    "StrongView",
    "UnlabeledCase",
    "printable",
]

IGNORE_INDEX = 255
"""Label of void pixels: ignored by every loss and every metric."""

UNLABELED_INDEX = 254
"""Label of pixels that nobody has annotated, in prepared training labels and nowhere else: methods
and metrics get `IGNORE_INDEX` instead, and `Batch.unlabeled_pixels` beside it."""

Partition = Literal["train", "validation", "test"]

Color = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

DeclaredLabels = Mapping[int, str] | Mapping[Color, str]
"""Class name by stored mask value, or by colour, background first."""

ScanKind = Literal["picture", "volume", "sequence"]
"""What a scan is: one plane of colours, a grid in space, or pictures that follow in time."""


def printable(name: str) -> str:
    r"""A file name as text that every encoding of Unicode holds.

    Bytes that are no UTF-8, as in names that were made under Latin-1, become `\xe9` and the like.

    Example:
        >>> printable("caf\udce9"), printable("café")
        ('caf\\xe9', 'café')
    """
    if name.isascii():
        return name
    return os.fsencode(name).decode(errors="backslashreplace")


@dataclass(frozen=True, slots=True)
class Case:
    """One scan, with its mask where there is one.

    A case is never divided: all slices of a volume stay on the same side of a split.

    Attributes:
        id: Unique within a collection, readable, stable: the path of the image
            below the collection's root without its suffix, such as `train/images/12`; made
            `printable`.
        images: The files of one scan: a single one, one a channel, or a series.
        mask: Reference segmentation; `None` means unlabelled.
        patient: Cases of one patient stay together; `None` means a patient of its own.
        partition: The partition that the layout itself gives, if it gives one.
        frame: Which frame of the file is the case, from 0; `None`: the file as a whole.
        annotated: Names of the foreground classes that the mask covers; what it leaves out is
            unknown, not background. `None`: it covers all.

    Example:
        >>> case = Case("p1", images=(Path("p1.png"),), mask=Path("p1_mask.png"))
        >>> hasattr(case.without_mask(), "mask")
        False
    """

    id: str
    images: tuple[Path, ...]
    mask: Path | None = None
    patient: str | None = None
    partition: Partition | None = None
    frame: int | None = None
    annotated: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        # Ids are written into many files, of which UTF-8 holds no byte that is none of its own.
        if not self.id.isascii():
            object.__setattr__(self, "id", printable(self.id))

    def __hash__(self) -> int:
        # Ids are unique within a collection, and paths are slow to hash.
        return hash(self.id)

    def without_mask(self) -> "UnlabeledCase":
        """The same case as training sees it outside the budget."""
        return UnlabeledCase(self.id, self.images, self.frame)


@dataclass(frozen=True, slots=True)
class UnlabeledCase:
    """A case whose mask, if there is any, is out of reach by construction.

    Training on unlabelled images takes this type, so a hidden mask cannot be read by mistake.
    Attributes are those of `Case`.
    """

    id: str
    images: tuple[Path, ...]
    frame: int | None = None

    def __hash__(self) -> int:
        return hash(self.id)


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about a data set.

    Attributes:
        severity: `error` where training would be wrong or impossible, `warning`
            where a person should look, `note` for what was understood and how.
        message: What was found, without the path, without a full stop.
        remedy: What to do about it; empty for notes.
        path: The file or folder concerned.
    """

    severity: Literal["error", "warning", "note"]
    message: str
    remedy: str = ""
    path: Path | None = None

    @classmethod
    def from_error(cls, error: EcsMedError, paths: Sequence[Path]) -> Self:
        """An error with path, message and remedy apart.

        Args:
            error: What was raised.
            paths: Files that it may concern; of these the one that its sentence begins with is
                taken, or the first one.
        """
        if isinstance(error, UnreadableFileError):
            return cls("error", error.reason, _capitalized(error.remedy), error.path)
        text = str(error).rstrip(".")
        start = next((path for path in paths if text.startswith((f"{path}: ", f"{path} "))), None)
        if start is not None:
            text = text.removeprefix(str(start)).lstrip(": ")
        message, _, remedy = text.partition("; ")
        return cls("error", message, _capitalized(remedy), start or next(iter(paths), None))

    def sentence(self) -> str:
        """Where, what and the remedy in one sentence.

        Example:
            >>> Problem("error", "no mask", "Add one", Path("a.png")).sentence()
            'a.png: no mask; add one.'
        """
        remedy = self.remedy
        if remedy[1:2].islower():
            remedy = remedy[0].lower() + remedy[1:]
        where = f"{self.path}: " if self.path else ""
        return f"{where}{'; '.join(filter(None, (self.message, remedy)))}."


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


@dataclass(frozen=True, slots=True)
class CaseCollection:
    """Everything that a layout found below a folder, before any split.

    Attributes:
        name: Short name for run folders and reports, such as `kvasir-seg`.
        root: The folder or list file that was opened.
        layout: Name of the layout that understood it.
        cases: All cases, sorted by id, ids unique.
        labels: Class name by stored mask value or colour, where the layout declares them
            (`dataset.json`, `labelmap.txt`); `None` where it does not.
        problems: What the layout noticed while scanning; files are not decoded yet.
        is_upright: Whether its pictures are known to have an up, as photographs do, so that
            training does not turn them.

    Example:
        >>> case = Case("p1", images=(Path("p1.png"),))
        >>> len(CaseCollection("mine", Path("."), "folder", (case,)).cases)
        1
    """

    name: str
    root: Path
    layout: str
    cases: tuple[Case, ...]
    labels: DeclaredLabels | None = None
    problems: tuple[Problem, ...] = field(default=())
    is_upright: bool = False


@dataclass(frozen=True, slots=True)
class StrongView:
    """Images that were varied in intensity and mixed with one another, so that labels must follow.

    Attributes:
        images: `(M, C, *spatial)`, normalised, floating point.
        bring: From a map of the images as they were, `(M, *spatial)` of any type, to the map of
            these.

    Example:
        >>> import torch
        >>> view = StrongView(torch.zeros(2, 1, 4, 4), bring=lambda labels: labels.flip(0))
        >>> view.bring(torch.tensor([[1], [2]])).tolist()
        [[2], [1]]
    """

    images: "torch.Tensor"
    bring: "Callable[[torch.Tensor], torch.Tensor]"


@dataclass(frozen=True, slots=True)
class Batch:
    """What one training step consumes, already on the device.

    Attributes:
        images: Labelled images, `(N, C, *spatial)`, normalised, floating point.
        labels: Their reference labels, `(N, *spatial)`, int64, `IGNORE_INDEX` where void.
        unlabeled_images: `(M, C, *spatial)`, or `None` where the method uses none.
        unlabeled_valid: `(M, *spatial)`, bool, `False` in zero padding.
        unlabeled_strong: Strongly varied views of `unlabeled_images`, as many as the method asks
            for (`Method.strong_views`).
        valid: `(N, *spatial)`, bool, `False` in zero padding of labelled images, which is void.
            `None`: there is no padding.
        unlabeled_pixels: `(N, *spatial)`, bool: pixels of labelled images that nobody has labelled,
            as in sparse labels, so that a method may learn from them as from unlabelled images;
            `labels` are void there. `None`: every pixel that is void is to be ignored.

    Example:
        >>> import torch
        >>> batch = Batch(torch.zeros(2, 1, 8, 8, 8), torch.zeros(2, 8, 8, 8, dtype=torch.long))
        >>> batch.unlabeled_images is None
        True
    """

    images: "torch.Tensor"
    labels: "torch.Tensor"
    unlabeled_images: "torch.Tensor | None" = None
    unlabeled_valid: "torch.Tensor | None" = None
    unlabeled_strong: "tuple[StrongView, ...]" = ()
    valid: "torch.Tensor | None" = None
    unlabeled_pixels: "torch.Tensor | None" = None
