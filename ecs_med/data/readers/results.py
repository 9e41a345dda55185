"""What formats of volumes ask of a case of another format whose results they write."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.scans import ScanHeader
from ecs_med.errors import UnreadableFileError

__all__ = ["header_in_space", "stored_labels"]


def header_in_space(like: Sequence[Path], frame: int | None, format_name: str) -> ScanHeader:
    """The header of a case, if it has a grid in space.

    Args:
        like: The files of the case.
        frame: As in `Case`.
        format_name: What is to be written, for messages.

    Raises:
        UnreadableFileError: If it has none, or cannot be read.
    """
    # The package of readers imports the modules that import this one.
    from ecs_med.data.readers import read_header

    header = read_header(like, frame)
    if not header.is_volume or header.affine is None:
        raise UnreadableFileError(
            like[0], f"has no place in space, so its labels cannot be {format_name}",
            "write PNG instead",
        )  # fmt: skip
    return header


def stored_labels(labels: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """Labels of a volume in the type that files hold: uint8 if all are below 256, else int16.

    Args:
        labels: Not copied where they have that type.

    Raises:
        ValueError: If labels are negative or beyond 32767.
    """
    highest = int(labels.max(initial=0))
    if labels.min(initial=0) < 0 or highest > np.iinfo(np.int16).max:
        raise ValueError(f"labels must lie in 0..32767, got {labels.min()}..{highest}")
    return labels.astype(np.uint8 if highest < 256 else np.int16, copy=False)
