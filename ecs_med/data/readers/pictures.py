"""The reader of PNG, JPEG, TIFF and BMP pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ecs_med.data.readers.base import Reader
from ecs_med.data.readers.grids import require_equal_shapes
from ecs_med.data.readers.picture_decoding import (
    decode_picture,
    exif_orientation,
    picture_size,
    to_rgb,
)
from ecs_med.data.readers.picture_masks import stored_mask
from ecs_med.data.readers.scans import ResultMeaning, Scan, ScanHeader, StoredMask
from ecs_med.errors import UnreadableFileError
from ecs_med.files import RESULT_REMEDY, write_atomically

__all__ = ["PictureReader", "write_png"]


class PictureReader(Reader):
    """Pictures as RGB of 8 bits, upright: an orientation tag is applied, as viewers do it.

    Results are written upright, without a tag, so that they fit what viewers show.
    Two or three grey files become the first channels of one picture; a missing third channel is 0.
    """

    name = "pictures"
    formats = ("PNG", "JPEG", "TIFF", "BMP")
    suffixes = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
    output_format = "png"
    output_suffix = ".png"
    priority = 10
    holds_colors = True

    def header(self, files: Sequence[Path], frame: int | None = None) -> ScanHeader:
        """Height and width; several files must agree."""
        sizes = [picture_size(path, frame) for path in files]
        require_equal_shapes(sizes, files)
        return ScanHeader(sizes[0], 3, None, "picture")

    def read(self, files: Sequence[Path], frame: int | None = None) -> Scan:
        """`(3, H, W)` uint8, see `to_rgb`; several files must be grey and of one size."""
        pictures = [to_rgb(decode_picture(path, frame), path) for path in files]
        return Scan(
            pictures[0] if len(pictures) == 1 else _joined(pictures, files), None, "picture"
        )

    def read_stored_labels(self, path: Path, images: Sequence[Path] = ()) -> StoredMask:
        """Grey values, palette indices, or colours, see `stored_mask`."""
        return stored_mask(decode_picture(path), path)

    def orientation(self, path: Path) -> int:
        """The tag of EXIF, or of TIFF itself."""
        return exif_orientation(path)

    def require_writable(self, like: Sequence[Path], frame: int | None = None) -> None:
        """Pictures and frames of any format can have results as PNG."""
        # The package of readers imports this module.
        from ecs_med.data.readers import read_header

        if read_header(like, frame).kind != "picture":
            raise UnreadableFileError(
                like[0], "is no picture, so its labels cannot be a PNG", "write NIfTI instead"
            )

    def write_labels(
        self,
        path: Path,
        labels: npt.NDArray[np.integer],
        like: Sequence[Path],
        meaning: ResultMeaning | None = None,
    ) -> None:
        """Write a grey PNG of label values."""
        write_png(path, labels.astype(np.uint8))

    def write_map(self, path: Path, values: npt.NDArray[np.floating], like: Sequence[Path]) -> None:
        """Write a grey PNG in which 255 stands for 1."""
        write_png(path, np.rint(values * 255).astype(np.uint8))


def write_png(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    """Write `(H, W)` grey or `(H, W, 3)` RGB as PNG, all of it or nothing.

    Raises:
        EcsMedError: If the file cannot be written; what was there before stays.
    """
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    write_atomically(path, lambda temporary: picture.save(temporary, "PNG"), remedy=RESULT_REMEDY)


def _joined(pictures: list[npt.NDArray[np.uint8]], files: Sequence[Path]) -> npt.NDArray[np.uint8]:
    require_equal_shapes([picture.shape[1:] for picture in pictures], files)
    if len(pictures) > 3:
        raise UnreadableFileError(
            files[3], "is the fourth picture of one case", "three channels at most for pictures"
        )
    joined = np.zeros_like(pictures[0])
    for channel, (picture, path) in enumerate(zip(pictures, files, strict=True)):
        if not ((picture[0] == picture[1]) & (picture[1] == picture[2])).all():
            raise UnreadableFileError(
                path, "is coloured, but one of several channel files",
                "store every channel as grey, or all of them as one RGB picture",
            )  # fmt: skip
        joined[channel] = picture[0]
    return joined
