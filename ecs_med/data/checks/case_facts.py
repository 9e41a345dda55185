"""What decoding one case tells about it."""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.reading import read_labels
from ecs_med.data.readers import Scan, reader_of
from ecs_med.errors import DataError
from ecs_med.types import IGNORE_INDEX, Case, Problem

__all__ = ["CaseFacts", "gather_facts"]


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
        scan = reader_of(case.images).read(case.images, case.frame)
        problems = _content_problems(case, scan)
    except DataError as error:
        return CaseFacts(case, problems=(Problem.from_error(error, case.images),))
    class_pixels = None
    if case.mask is not None:
        try:
            any_values = scheme or _any_values(scan)
            labels = read_labels(case.images, case.mask, any_values, case.frame)
            class_pixels = _count(labels, scheme.num_classes) if scheme else None
        except DataError as error:
            problems.append(Problem.from_error(error, (case.mask, *case.images)))
    return CaseFacts(
        case,
        shape=scan.spatial_shape,
        num_channels=scan.array.shape[0],
        spacing_mm=scan.spacing_mm,
        digest=_digest(scan),
        class_pixels=class_pixels,
        problems=tuple(problems),
    )


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
    orientation = reader_of([path]).orientation(path)
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
