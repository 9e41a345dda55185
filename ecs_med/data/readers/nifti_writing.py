"""Writing label maps and other results on the grid of a NIfTI volume, all or nothing."""

import gzip
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.nifti_header import open_volume_header
from ecs_med.errors import EcsMedError

__all__ = ["write_labels_like", "write_map_like"]


def write_labels_like(path: Path, labels: npt.NDArray[np.integer], like: Path) -> None:
    """Write a label volume on the grid of another volume.

    Affine, spacing, units and the codes of sform and qform are those of `like`,
    to the last bit; scaling, intent, descriptions and header extensions (which may name a
    patient) are not taken over. The same input gives the same bytes. The file
    appears whole or not at all.

    Args:
        path: `.nii` or `.nii.gz`; an existing file is replaced.
        labels: `(X, Y, Z)` integers, 0 or more; stored as uint8 below 256, else int16.
        like: Volume whose grid the labels have.

    Raises:
        ValueError: If the shape is not that of `like`, or labels are negative or beyond 32767.
        UnreadableFileError: If `like` cannot be read.
        EcsMedError: If the file cannot be written.
    """
    highest = int(labels.max(initial=0))
    if labels.min(initial=0) < 0 or highest > np.iinfo(np.int16).max:
        raise ValueError(f"labels must lie in 0..32767, got {labels.min()}..{highest}")
    _write_like(path, labels.astype(np.uint8 if highest < 256 else np.int16), like)


def write_map_like(path: Path, values: npt.NDArray[np.floating], like: Path) -> None:
    """Write a map of real numbers, such as certainty, on the grid of another volume.

    Args:
        path: `.nii` or `.nii.gz`; an existing file is replaced.
        values: `(X, Y, Z)`, stored as float32.
        like: Volume whose grid the map has.

    Raises:
        ValueError: If the shape is not that of `like`.
        UnreadableFileError: If `like` cannot be read.
        EcsMedError: If the file cannot be written.
    """
    _write_like(path, values.astype(np.float32), like)


def _write_like(path: Path, values: npt.NDArray[Any], like: Path) -> None:
    reference = open_volume_header(like)
    grid = (*reference.shape, 1)[:3]
    if values.shape != grid:
        raise ValueError(f"{values.shape} does not fit the grid {grid} of {like}")
    # nibabel leaves sform and qform alone where the affine is the header's own.
    image = type(reference)(values, reference.affine, _clean_header(reference.header, values))
    _write_whole(path, image)


def _clean_header(header: Any, values: npt.NDArray[Any]) -> Any:
    clean = header.copy()
    zooms = (*header.get_zooms(), 1.0)[:3]
    clean.set_data_dtype(values.dtype)
    clean.set_data_shape(values.shape)
    clean.set_zooms(zooms)
    clean.set_slope_inter(1, 0)
    clean.set_intent("none")
    clean.extensions.clear()
    clean["vox_offset"] = 0
    for field in ("cal_min", "cal_max", "slice_start", "slice_end", "slice_code", "toffset"):
        clean[field] = 0
    for field in ("descrip", "aux_file", "db_name"):
        if field in clean:
            clean[field] = b""
    return clean


def _write_whole(path: Path, image: Any) -> None:
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=".ecs-med-", suffix=".tmp", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            if path.name.lower().endswith(".gz"):
                # No name and no time inside, so that equal labels are equal files.
                with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
                    image.to_stream(cast(BinaryIO, packed))
            else:
                image.to_stream(file)
            file.flush()
            os.fsync(file.fileno())
        with suppress(PermissionError):  # some network drives have no modes
            temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise EcsMedError(
            f"{path}: cannot be written ({reason}); check the folder's permissions and free space."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
