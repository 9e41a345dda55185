"""The Semantic Boundaries Dataset (SBD): finding it, and its MATLAB masks as PNG.

SBD (Hariharan et al., ICCV 2011) gives masks of VOC's 21 classes to 11,355 images of PASCAL
VOC. Its archive holds `benchmark_RELEASE/dataset/` with `img/`, `cls/`, `inst/`, `train.txt`
and `val.txt`. A mask is the field `Segmentation` of the struct `GTcls` in a `.mat` file.
"""

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ecs_med.errors import DataError, UnreadableFileError
from ecs_med.files import cache_folder, write_atomically
from ecs_med.types import IGNORE_INDEX, Problem

__all__ = ["NUM_SBD", "convert_masks", "find_sbd", "list_masks", "read_mat_labels"]

NUM_SBD = 11_355
"""Masks in the published archive: 8,498 in its `train.txt`, 2,857 in its `val.txt`."""

HIGHEST_CLASS = 20
MAX_BYTES = 64 * 2**20
NUM_WRITERS = 8
PLACES = ("benchmark_RELEASE/dataset", "dataset", ".")
REMEDY = "unpack it again from the archive of SBD"
CACHE_REMEDY = "free disk space, or name another cache folder in XDG_CACHE_HOME"


def find_sbd(root: Path) -> Path | None:
    """The folder of SBD's `cls/`, in `root` or in its `SBD/` or `sbd/`; `None` without it."""
    places = (base / place for base in (root, root / "SBD", root / "sbd") for place in PLACES)
    return next((folder for folder in places if (folder / "cls").is_dir()), None)


def list_masks(folder: Path) -> dict[str, Path]:
    """Path of the `.mat` mask by image name, in SBD's folder `folder`."""
    with os.scandir(folder / "cls") as entries:
        names = sorted(entry.name for entry in entries if entry.name.endswith(".mat"))
    return {name[:-4]: folder / "cls" / name for name in names if not name.startswith(".")}


def convert_masks(
    paths: Iterable[Path], cache: Path | None = None
) -> tuple[dict[str, Path], list[Problem]]:
    """Write MATLAB masks as PNG, once; later calls find them by size and time of the `.mat`.

    Args:
        paths: The `.mat` files.
        cache: Where the PNG files go; by default the user's cache folder.

    Returns:
        Path of the PNG by stem, and an error for each file that could not be read.

    Raises:
        EcsMedError: If the cache folder cannot be written.
    """
    folder = cache or cache_folder("sbd-masks")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{folder}: cannot be made ({reason}); {CACHE_REMEDY}.") from None
    converted: dict[str, Path] = {}
    problems: list[Problem] = []
    # Waiting for the disk takes longer than decoding, so several are written at a time.
    with ThreadPoolExecutor(NUM_WRITERS) as pool:
        for path, outcome in pool.map(lambda path: (path, _convert(path, folder)), paths):
            if isinstance(outcome, Path):
                converted[path.stem] = outcome
            else:
                problems.append(outcome)
    return converted, problems


def read_mat_labels(path: Path) -> npt.NDArray[np.uint8]:
    """The class map of one SBD mask.

    Returns:
        `(H, W)` uint8: 0 background, 1 to 20 VOC's classes, 255 void.

    Raises:
        UnreadableFileError: If the file is damaged, or no mask of SBD.
    """
    from scipy.io import loadmat

    try:
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableFileError(path, "is larger than any mask of SBD", REMEDY)
        stored = loadmat(path, variable_names=["GTcls"])["GTcls"]
        labels = np.asarray(stored["Segmentation"][0, 0])
    except UnreadableFileError:
        raise
    except Exception as error:  # a damaged file may fail anywhere inside of SciPy's reader
        reason = f"is no readable mask of SBD ({type(error).__name__}: {error})".rstrip(".")
        raise UnreadableFileError(path, reason, REMEDY) from None
    if labels.ndim != 2 or not labels.size or labels.dtype.kind not in "iuf":
        raise UnreadableFileError(path, "holds no class map in GTcls.Segmentation", REMEDY)
    found = np.unique(labels)
    strange = found[~np.isin(found, (*range(HIGHEST_CLASS + 1), IGNORE_INDEX))]
    if strange.size:
        raise UnreadableFileError(path, f"holds the value {strange[0]}, no class of VOC", REMEDY)
    return labels.astype(np.uint8)


def _convert(path: Path, folder: Path) -> Path | Problem:
    """The PNG of one mask, written if it is not there; an error if the mask cannot be read."""
    try:
        return _png_of(path, folder)
    except UnreadableFileError as error:
        return Problem("error", error.reason, error.remedy, path)


def _png_of(path: Path, folder: Path) -> Path:
    try:
        status = path.stat()
    except OSError as error:
        raise UnreadableFileError(path, str(error.strerror), REMEDY) from None
    key = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
    target = folder / f"{path.stem}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.png"
    if target.is_file():
        return target
    picture = Image.fromarray(read_mat_labels(path))

    def write(temporary: Path) -> None:
        picture.save(temporary, format="PNG")
        # The same time as its origin: what was prepared from it stays valid if it is made anew.
        os.utime(temporary, ns=(status.st_mtime_ns, status.st_mtime_ns))

    write_atomically(target, write, remedy=CACHE_REMEDY)
    return target
