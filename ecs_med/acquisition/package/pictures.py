"""Pictures as every annotation tool opens them the same way round."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from ecs_med.acquisition.package.base import PackagedCase
from ecs_med.data.readers import reader_of

__all__ = ["put_picture", "size_of"]

_AS_THEY_ARE = (".png", ".jpg", ".jpeg")


def put_picture(case: PackagedCase, folder: Path) -> str:
    """Put the picture of a case into a folder, which is made.

    PNG and JPEG are copied, not linked: folders for annotators are sent, mounted into containers
    and uploaded, and a tool that saves into a picture must not change the data. What tools would
    show otherwise than it is read becomes a PNG of the pixels as read: pictures with an orientation
    tag, of 16 bits, transparent ones, of several files, frames, and other formats.

    Returns:
        The name of the file.
    """
    folder.mkdir(exist_ok=True)
    (source, *others), frame = case.case.images, case.case.frame
    if not others and frame is None and _is_shown_as_read(source):
        name = f"{case.name}{source.suffix.lower()}"
        shutil.copyfile(source, folder / name)
        return name
    pixels = np.ascontiguousarray(np.moveaxis(case.scan.array, 0, -1), np.uint8)
    Image.fromarray(pixels).save(folder / f"{case.name}.png")
    return f"{case.name}.png"


def size_of(case: PackagedCase) -> tuple[int, int]:
    """Height and width of its picture."""
    height, width = case.scan.spatial_shape
    return height, width


def _is_shown_as_read(path: Path) -> bool:
    reader = reader_of([path])
    if path.suffix.lower() not in _AS_THEY_ARE or reader.orientation(path) != 1:
        return False
    with Image.open(path) as image:
        return image.mode in ("L", "RGB", "P") and "transparency" not in image.info
