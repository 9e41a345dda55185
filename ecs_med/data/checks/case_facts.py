"""What decoding one case tells about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.reading import read_labels
from ecs_med.data.scans import Scan, exif_orientation, read_scan
from ecs_med.errors import DataError, UnreadableFileError
from ecs_med.types import IGNORE_INDEX, Case, Problem

__all__ = ["CaseFacts", "gather_facts", "problem_from"]


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """Small facts about a decoded case; its pixels are not kept.

    Attributes:
        case: The case.
        shape: `(H, W)` or `(X, Y, Z)`; empty if the image cannot be read.
        num_channels: 3 for pictures; 0 if the image cannot be read.
        spacing_mm: Voxel sides; `None` for pictures.
        digest: Equal for images with equal pixels; empty if the image cannot be read.
        class_pixels: Pixels of every class, then of void; `None` without a readable mask.
        problems: What is wrong with the files of this case.
    """

    case: Case
    shape: tuple[int, ...] = ()
    num_channels: int = 0
    spacing_mm: tuple[float, float, float] | None = None
    digest: bytes = b""
    class_pixels: tuple[int, ...] | None = None
    problems: tuple[Problem, ...] = ()


def gather_facts(case: Case, scheme: LabelScheme | None) -> CaseFacts:
    """Decode the image and the mask of a case.

    Files that cannot be read become problems; nothing is raised for them. The mask
    of an image that cannot be read is not looked at.

    Args:
        case: The case.
        scheme: What mask values mean; with `None`, masks must fit their images but may
            hold any values, and no classes are counted.
    """
    try:
        scan = read_scan(case.images)
        problems = _content_problems(case, scan)
    except DataError as error:
        return CaseFacts(case, problems=(problem_from(error, case.images),))
    class_pixels = None
    if case.mask is not None:
        try:
            labels = read_labels(case.images, case.mask, scheme or _any_values(scan))
            class_pixels = _count(labels, scheme.num_classes) if scheme else None
        except DataError as error:
            problems.append(problem_from(error, (case.mask, *case.images)))
    return CaseFacts(
        case,
        shape=scan.spatial_shape,
        num_channels=scan.array.shape[0],
        spacing_mm=scan.spacing_mm,
        digest=_digest(scan),
        class_pixels=class_pixels,
        problems=tuple(problems),
    )


def problem_from(error: DataError, paths: Sequence[Path]) -> Problem:
    """An error as a row of a table: path, message and remedy apart.

    Args:
        error: What a reader raised.
        paths: Files that it may concern, to find the one that its sentence begins with;
            a single one, or the first of several of one case, is taken where none fits.
    """
    if isinstance(error, UnreadableFileError):
        return Problem("error", error.reason, _sentence(error.remedy), error.path)
    text = str(error).rstrip(".")
    start = next((path for path in paths if text.startswith((f"{path}: ", f"{path} "))), None)
    if start is not None:
        text = text.removeprefix(str(start)).lstrip(": ")
    message, _, remedy = text.partition("; ")
    return Problem("error", message, _sentence(remedy), start or next(iter(paths), None))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _any_values(scan: Scan) -> LabelScheme:
    """A scheme that takes all masks, for looking at sizes and positions alone."""
    names = ("background", "foreground")
    if scan.is_volume:
        return LabelScheme(class_names=names, threshold=1)
    return LabelScheme(class_names=names, colors=((0, 0, 0), (255, 255, 255)), nearest=True)


def _count(labels: npt.NDArray[np.uint8], num_classes: int) -> tuple[int, ...]:
    counts = np.bincount(labels.ravel(), minlength=IGNORE_INDEX + 1)
    return (*(int(count) for count in counts[:num_classes]), int(counts[IGNORE_INDEX]))


def _content_problems(case: Case, scan: Scan) -> list[Problem]:
    path = case.images[0]
    problems: list[Problem] = []
    if not scan.is_volume:
        orientation = exif_orientation(path)
        if orientation != 1:
            problems.append(
                Problem(
                    "warning",
                    f"has an orientation tag ({orientation}), which is not applied",
                    "Check that the mask lies as the pixels are stored, or remove the tag",
                    path,
                )
            )
    if scan.array.size and scan.array.min() == scan.array.max():
        problems.append(
            Problem("warning", "every pixel has the same value", "Check the export", path)
        )
    return problems


def _digest(scan: Scan) -> bytes:
    digest = blake2b(repr(scan.array.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(scan.array).data)
    return digest.digest()
