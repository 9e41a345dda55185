"""What formats of volumes ask of a case of another format whose results they write."""

from collections.abc import Sequence
from pathlib import Path

from ecs_med.data.readers.base import ScanHeader
from ecs_med.errors import UnreadableFileError

__all__ = ["header_in_space"]


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
