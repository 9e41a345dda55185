"""Decoding of PNG, JPEG, TIFF and BMP pictures, every failure as one sentence."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from ecs_med.data.intensities import intensity_range
from ecs_med.data.readers.orientation import QUARTER_TURNS, orientation_tag, turned_image
from ecs_med.errors import UnreadableFileError
from ecs_med.files import regular_file
from ecs_med.memory import free_memory

__all__ = ["Picture", "decode_picture", "exif_orientation", "picture_size", "to_rgb"]

STRETCH_PERCENTILES = (0.5, 99.5)
"""Percentiles of a picture of more than 8 bits that become 0 and 255."""

_BAND_ROWS = 256
_LARGE = 2**24
"""From so many pixels on, it is asked first whether memory holds a picture."""
_BYTES_A_PIXEL = 9
"""At the peak of reading: four in Pillow, three as planes, and its share of what comes after."""

_BYTES_A_DEEP_PIXEL = 28
"""The same where more than 8 bits are stretched, as measured."""

_FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
_LOSSY_FORMATS = ("JPEG", "MPO")
_LOSSY_COMPRESSIONS = ("jpeg", "tiff_jpeg")
_DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture, upright.

    Attributes:
        image: The pixels, in the mode of the file, as viewers show them.
        lossy: Whether its compression alters values (JPEG, also inside TIFF).
        orientation: The orientation tag that was applied; `None`: the file has none.
    """

    image: Image.Image
    lossy: bool
    orientation: int | None = None


def decode_picture(path: Path, frame: int | None = None) -> Picture:
    """Decode one picture and bring it upright, as its orientation tag says and viewers show it.

    Pictures of up to 178,956,970 pixels (13,377 x 13,377) are read, which is
    Pillow's own limit against decompression bombs, as far as memory holds them.

    Raises:
        UnreadableFileError: If the file is missing, empty, truncated, too large, no picture of a
            known format, holds several pictures and none is named by `frame`, or lacks that one.
    """
    with _opened(path) as image:
        pages = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        if pages > 1 and frame is None:
            raise UnreadableFileError(
                path, f"holds {pages} pictures", "store each one in a file of its own"
            )
        _seek(image, frame, pages, path)
        lossy = (
            image.format in _LOSSY_FORMATS or image.info.get("compression") in _LOSSY_COMPRESSIONS
        )
        tag = orientation_tag(image, path)
        _require_memory(image, path)
        image.load()
        # Pillow applies the tags of TIFF files, and of no others.
        upright = image if image.format == "TIFF" else turned_image(image, tag)
        return Picture(upright, lossy, tag)


def picture_size(path: Path, frame: int | None = None) -> tuple[int, int]:
    """Height and width of the upright picture, from the header alone.

    Raises:
        UnreadableFileError: If the file is missing, empty, no picture of a known format, or lacks
            the frame.
    """
    with _opened(path) as image:
        _seek(image, frame, getattr(image, "n_frames", 1), path)
        width, height = image.size
        # Pillow tells the upright size of TIFF files, and of no others.
        turns = image.format != "TIFF" and orientation_tag(image, path) in QUARTER_TURNS
        return (width, height) if turns else (height, width)


def exif_orientation(path: Path) -> int:
    """The orientation tag, 1 to 8; 1 (upright) where there is none or it makes no sense.

    Raises:
        UnreadableFileError: As `picture_size`.
    """
    with _opened(path) as image:
        return orientation_tag(image, path) or 1


def to_rgb(picture: Picture, path: Path) -> npt.NDArray[np.uint8]:
    """Pixels as `(3, H, W)`, uint8.

    Grey becomes three equal channels, alpha is dropped, palettes and CMYK are
    converted. Grey of more than 8 bits and floating point is stretched: its
    percentiles 0.5 and 99.5 become 0 and 255, see `intensity_range` (a constant picture becomes 0).
    Pillow itself brings colour of 16 bits a channel down to 8.

    Args:
        picture: What `decode_picture` gave.
        path: Its file, for messages.

    Raises:
        UnreadableFileError: If a floating-point picture has NaN or infinite pixels.
    """
    image = picture.image
    if image.mode in _DEEP_MODES:
        gray = _stretched(np.asarray(image), path)
    elif image.mode in ("L", "LA", "La", "1"):
        gray = np.asarray(image.getchannel(0).convert("L"))
    else:
        return _color_planes(image)
    return np.repeat(gray[None], 3, axis=0)


def _color_planes(image: Image.Image) -> npt.NDArray[np.uint8]:
    """`(3, H, W)`, a band of rows at a time: Pillow's copy and this one are all there is."""
    width, height = image.size
    planes = np.empty((3, height, width), np.uint8)
    for top in range(0, height, _BAND_ROWS):
        band = image.crop((0, top, width, min(top + _BAND_ROWS, height)))
        pixels = np.asarray(_with_three_or_four_channels(band))
        planes[:, top : top + _BAND_ROWS] = pixels[..., :3].transpose(2, 0, 1)
    return planes


def _require_memory(image: Image.Image, path: Path) -> None:
    """Refuse a picture that the memory which is left cannot hold."""
    width, height = image.size
    each = _BYTES_A_DEEP_PIXEL if image.mode in _DEEP_MODES else _BYTES_A_PIXEL
    needed = width * height * each
    free = free_memory() if width * height >= _LARGE else None
    if free is not None and needed > free:
        raise UnreadableFileError(
            path, f"{width:,} x {height:,} pixels need {needed / 1e9:.1f} GB of memory, and "
            f"{max(free, 0) / 1e9:.1f} GB are free",
            "close other programs, cut it into tiles or scale it down",
        )  # fmt: skip


def _seek(image: Image.Image, frame: int | None, num_frames: int, path: Path) -> None:
    if frame is None:
        return
    if not 0 <= frame < num_frames:
        raise UnreadableFileError(
            path, f"has no frame {frame}", f"name one of 0 to {num_frames - 1}"
        )
    image.seek(frame)


def _stretched(values: npt.NDArray[np.generic], path: Path) -> npt.NDArray[np.uint8]:
    numbers = values.astype(np.float32)
    broken = numbers.size - int(np.count_nonzero(np.isfinite(numbers)))
    if broken:
        raise UnreadableFileError(
            path, f"{broken} of its {numbers.size} pixels are NaN or infinite", "export it again"
        )
    lower, upper = intensity_range(numbers, STRETCH_PERCENTILES)
    if upper <= lower:
        return np.zeros(numbers.shape, np.uint8)
    scaled = np.rint((numbers - lower) * (255 / (upper - lower)))
    return np.asarray(np.clip(scaled, 0, 255), np.uint8)


def _with_three_or_four_channels(image: Image.Image) -> Image.Image:
    if image.mode in ("RGB", "RGBA", "RGBX"):
        return image
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of transparency in palettes, which is dropped anyway
        return image.convert("RGBA" if image.mode in ("PA", "RGBa") else "RGB")


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    _require_file(path)
    try:
        with warnings.catch_warnings():
            # Broken metadata is no concern here, and Pillow warns of bombs at half its limit.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as image:
                yield image
    except (UnreadableFileError, MemoryError):
        raise
    except PermissionError as error:
        reason = f"cannot be opened ({error.strerror})"
        raise UnreadableFileError(path, reason, "check the path and its permissions") from error
    except UnidentifiedImageError:
        raise UnreadableFileError(path, _not_a_picture(path), "export it again as PNG") from None
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise UnreadableFileError(
            path, f"has more than {limit:,} pixels", "cut it into tiles"
        ) from None
    except Exception as error:  # Pillow's decoders raise anything on broken input
        said = " ".join(str(error).split()) or type(error).__name__
        reason = f"damaged or truncated ({said})"
        raise UnreadableFileError(path, reason, "copy or export it again") from error


def _require_file(path: Path) -> None:
    try:
        regular_file(path)
    except FileNotFoundError:
        raise UnreadableFileError(path, "no such file", "check the name") from None
    except OSError as error:
        reason = f"cannot be opened ({error.strerror})"
        raise UnreadableFileError(path, reason, "check the path and its permissions") from error


def _not_a_picture(path: Path) -> str:
    if path.stat().st_size == 0:
        return "empty file"
    return "not a PNG, JPEG, TIFF or BMP picture, whatever its name says, or its header is damaged"
