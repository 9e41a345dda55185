"""Bringing a mask onto the upright picture that it was drawn on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ecs_med.data.readers import ScanHeader, StoredMask, reader_of
from ecs_med.data.readers.grids import times
from ecs_med.data.readers.orientation import QUARTER_TURNS, turned
from ecs_med.errors import DataError
from ecs_med.types import Problem

__all__ = ["fitted_to_picture", "turning_problems"]


def fitted_to_picture(
    header: ScanHeader, stored: StoredMask, image: Path, mask: Path
) -> StoredMask:
    """The mask on the grid of its upright picture.

    A mask that fits it is taken as it is. One without a tag of its own that fits only the picture
    as stored was drawn there, by a program that knows no orientation tag: it is turned with the
    picture.

    Raises:
        DataError: If the mask has another size than its picture.
    """
    size = stored.values.shape[: len(header.shape)]
    if size == header.shape:
        return stored
    remedy = "store both in one size"
    if size == header.shape[::-1]:
        tag = reader_of([image]).orientation(image)
        if tag in QUARTER_TURNS and stored.orientation is None:
            return replace(stored, values=turned(stored.values, tag))
        if stored.orientation in QUARTER_TURNS:
            remedy = "the mask's own orientation tag turns it: remove the tag from the mask"
    raise DataError(
        f"{mask} is {times(size)} (height x width), but its picture {image} is "
        f"{times(header.shape)}; {remedy}."
    )


def turning_problems(images: Sequence[Path], mask: Path, frame: int | None = None) -> list[Problem]:
    """What is to be said where a picture has an orientation tag and its mask has none.

    A warning where sizes cannot tell on which pixels the mask was drawn, a note where they do.

    Args:
        images: Files of the picture, or of a volume, which has no tag.
        mask: File of its mask.
        frame: As in `Case`.

    Raises:
        DataError: If the mask cannot be read.
    """
    reader = reader_of(images)
    tag = reader.orientation(images[0])
    if tag == 1:
        return []
    stored = reader_of([mask]).read_stored_labels(mask, images)
    if stored.orientation is not None:
        return []
    header = reader.header(images, frame)
    size = stored.values.shape[: len(header.shape)]
    if size != header.shape:
        message = f"is turned with its picture, whose orientation tag is {tag}"
        return [Problem("note", message, path=mask)] if size == header.shape[::-1] else []
    if tag in QUARTER_TURNS and header.shape[0] != header.shape[1]:
        return []
    return [
        Problem(
            "warning",
            f"its picture {images[0]} has an orientation tag ({tag}), and the size does not tell "
            "whether the mask was drawn on what viewers show, as is assumed, or on the pixels as "
            "they are stored",
            "Look at both in a viewer: where they fit, turn the pixels of the picture and remove "
            "its tag (mogrify -auto-orient), where they do not, remove its tag alone (exiftool "
            "-Orientation=)",
            mask,
        )
    ]
