"""Grey pictures as they are shown: 8 bits, by the window of the file or by percentiles."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.intensities import intensity_range
from ecs_med.data.readers.dicom.files import guarded
from ecs_med.data.readers.dicom.pixel_format import PixelFormat
from ecs_med.errors import UnreadableFileError

if TYPE_CHECKING:
    import pydicom

__all__ = ["shown_gray"]

STRETCH_PERCENTILES = (0.5, 99.5)
"""Percentiles that become 0 and 255 where a picture of more than 8 bits has no window."""

_Numbers = npt.NDArray[Any]
_Shown = npt.NDArray[np.float32]


def shown_gray(
    stored: _Numbers, dataset: "pydicom.Dataset", found: PixelFormat, frame: int, path: Path
) -> npt.NDArray[np.uint8]:
    """One grey frame as viewers show it.

    Values are rescaled, then the file's VOI table or its first window makes 0 to 255 of them.
    Without one, or where it would leave a picture of a single grey, 8 bits stay as they are, and
    more are stretched: their percentiles 0.5 and 99.5 become 0 and 255, see `intensity_range`.
    MONOCHROME1 is inverted at the end; padding is black.

    Args:
        stored: `(H, W)`, as decoded.
        dataset: The header.
        found: What it says of the pixels.
        frame: Which frame it is, for headers that say something of each.
        path: The file, for messages.

    Returns:
        `(H, W)`.

    Raises:
        UnreadableFileError: If pixels are not finite, or the header's tables make no sense.
    """
    if stored.dtype.kind == "f" and not np.isfinite(stored).all():
        raise UnreadableFileError(path, "some of its pixels are NaN or infinite", "export it again")
    with guarded(path, "its rescaling or window makes no sense"):
        padding = _padding(stored, dataset)
        values = _rescaled(stored, dataset, frame)
        inside = values if padding is None else values[~padding]
        shown = _by_window(values, inside, dataset, frame)
        if shown is None:
            shown = _without_window(values, inside, stored, found)
        gray = np.asarray(np.clip(np.rint(shown), 0, 255), np.uint8)
    if found.photometric == "MONOCHROME1":
        gray = 255 - gray
    if padding is not None:
        gray[padding] = 0
    return gray


def _padding(stored: _Numbers, dataset: "pydicom.Dataset") -> npt.NDArray[np.bool_] | None:
    """Where nothing was measured; `None`: everywhere, or nowhere."""
    value = dataset.get("PixelPaddingValue")
    if not isinstance(value, int):
        return None
    limit = dataset.get("PixelPaddingRangeLimit")
    other = limit if isinstance(limit, int) else value
    found: npt.NDArray[np.bool_] = (stored >= min(value, other)) & (stored <= max(value, other))
    return found if found.any() and not found.all() else None


def _rescaled(stored: _Numbers, dataset: "pydicom.Dataset", frame: int) -> _Shown:
    if "ModalityLUTSequence" in dataset:
        from pydicom.pixels.processing import apply_modality_lut

        return np.asarray(apply_modality_lut(stored, dataset), np.float32)
    values = stored.astype(np.float32)
    for place in _places(dataset, "PixelValueTransformationSequence", frame):
        if "RescaleSlope" in place or "RescaleIntercept" in place:
            slope = _first_number(place.get("RescaleSlope"), 1.0)
            return values * slope + _first_number(place.get("RescaleIntercept"), 0.0)
    return values


def _by_window(
    values: _Shown, inside: _Shown, dataset: "pydicom.Dataset", frame: int
) -> _Shown | None:
    """As the file asks for it; `None` if it does not, or if that would show nothing."""
    shown = None
    if "VOILUTSequence" in dataset:
        shown = _by_table(values, dataset.VOILUTSequence[0])
    else:
        for place in _places(dataset, "FrameVOILUTSequence", frame):
            if "WindowCenter" in place and "WindowWidth" in place:
                shown = _windowed(values, inside, place)
                break
    return shown


def _windowed(values: _Shown, inside: _Shown, place: "pydicom.Dataset") -> _Shown | None:
    center = _first_number(place.WindowCenter, np.nan)
    width = _first_number(place.WindowWidth, np.nan)
    function = str(place.get("VOILUTFunction") or "LINEAR")
    if not np.isfinite([center, width]).all() or width < (function == "LINEAR"):
        return None
    if width == 0:
        return None
    low, high = float(inside.min()), float(inside.max())
    if high <= center - width / 2 or low >= center + width / 2:
        return None  # everything would be black, or white
    if function == "SIGMOID":
        return np.asarray(255 / (1 + np.exp(-4 * (values - center) / width)), np.float32)
    if function == "LINEAR":  # PS3.3 C.11.2.1.2.1
        center, width = center - 0.5, width - 1
        if width == 0:
            return np.asarray((values > center) * 255, np.float32)
    return np.asarray(((values - center) / width + 0.5) * 255, np.float32)


def _by_table(values: _Shown, item: "pydicom.Dataset") -> _Shown:
    number, first, bits = (int(value) for value in item.LUTDescriptor)
    data = item.LUTData
    table = np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.asarray(data)
    table = table[: number or 2**16]
    if not 8 <= bits <= 16 or not len(table):
        raise ValueError
    places = np.clip(np.rint(values).astype(np.int64) - first, 0, len(table) - 1)
    return np.asarray(table[places] * (255 / (2**bits - 1)), np.float32)


def _without_window(values: _Shown, inside: _Shown, stored: _Numbers, found: PixelFormat) -> _Shown:
    if found.bits_stored <= 8 and stored.dtype.kind == "u":
        return np.asarray(stored * (255 / (2**found.bits_stored - 1)), np.float32)
    lower, upper = intensity_range(inside, STRETCH_PERCENTILES)
    if upper <= lower:
        return np.zeros(values.shape, np.float32)
    return np.asarray((values - lower) * (255 / (upper - lower)), np.float32)


def _places(dataset: "pydicom.Dataset", group: str, frame: int) -> Iterator["pydicom.Dataset"]:
    """Where a header may speak of a frame: of it alone, of all of them, or of the file."""
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    for items in (per_frame[frame : frame + 1], shared[:1]):
        for item in items:
            yield from (item.get(group) or [])[:1]
    yield dataset


def _first_number(value: Any, otherwise: float) -> float:
    """The first of several; a header may offer more than one window."""
    if value is None or value == "":
        return otherwise
    return float(value) if isinstance(value, float | int | str) else float(value[0])
