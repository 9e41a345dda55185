"""Writing of pictures and texts that a prediction or an evaluation gives, all or nothing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ecs_med.errors import EcsMedError, RunFolderError
from ecs_med.files import write_atomically

__all__ = ["write_picture", "write_result_text"]


def write_picture(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    """Write a PNG.

    Args:
        path: An existing file is replaced.
        pixels: `(H, W)` grey or labels, or `(H, W, 3)` RGB.

    Raises:
        EcsMedError: If the file cannot be written; what was there before stays.
    """
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    _write(path, lambda temporary: picture.save(temporary, format="PNG"))


def write_result_text(path: Path, text: str) -> None:
    """Write UTF-8 text with a final newline.

    Raises:
        EcsMedError: If the file cannot be written; what was there before stays.
    """
    content = text.rstrip("\n") + "\n"

    def write(temporary: Path) -> None:
        temporary.write_bytes(content.encode())

    _write(path, write)


def _write(path: Path, write: Callable[[Path], None]) -> None:
    try:
        write_atomically(path, write)
    except RunFolderError as error:
        # Raised for run folders, whose remedy (--resume) is none here.
        reason = getattr(error.__cause__, "strerror", None) or error.__cause__
        raise EcsMedError(
            f"{path}: cannot be written ({reason}); check the folder's permissions and free space."
        ) from error
