"""Series whose slices are tilted or unevenly apart, brought onto a grid once and kept as NIfTI."""

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import nibabel
import numpy as np

from ecs_med.data.readers import read_header
from ecs_med.data.readers.dicom.geometry import ResamplableError
from ecs_med.errors import EcsMedError
from ecs_med.files import write_atomically

__all__ = ["resampled"]


def resampled(files: Sequence[Path], folder: Path) -> Path | None:
    """A NIfTI file of a series that is no grid; `None` where it is one, or cannot be read.

    Args:
        files: Of the series.
        folder: Where the file is kept, and found again until one of `files` changes.

    Raises:
        UnreadableFileError: If the pixels cannot be read.
    """
    try:
        read_header(files)
    except ResamplableError as error:
        refused = error
    except (EcsMedError, OSError):  # reading it will say why
        return None
    else:
        return None
    path = folder / f"resampled-{_state(files)}.nii"
    if path.exists():
        return path
    for old in folder.glob("resampled-*.nii"):
        old.unlink(missing_ok=True)
    from ecs_med.data.readers.dicom.resampling import resample_series

    found = resample_series(refused)
    image = nibabel.Nifti1Image(found.array.astype(np.float32, copy=False), found.affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(found.affine, code="scanner")
    image.set_qform(found.affine, code="scanner")

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            image.to_stream(file)

    write_atomically(path, write, remedy="check the folder's permissions and free space")
    return path


def _state(files: Sequence[Path]) -> str:
    """What changes whenever a file does, or which files there are."""
    digest = blake2b(digest_size=8)
    for file in files:
        state = file.stat()
        digest.update(f"{file.name} {state.st_size} {state.st_mtime_ns};".encode())
    return digest.hexdigest()
