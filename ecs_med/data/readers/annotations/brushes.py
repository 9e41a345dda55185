"""What a brush of Label Studio has painted: RGBA pixels, packed bit by bit."""

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.annotations.regions import Mask, Shape
from ecs_med.data.readers.annotations.run_lengths import run_lengths

__all__ = ["brush_mask", "packed_brush"]

_CHANNELS = 4
_VALUE_BITS = 8
_LENGTH_BITS = (3, 4, 8, 16)
"""Widths of lengths, those that Label Studio itself writes."""


def brush_mask(packed: object, shape: Shape) -> Mask:
    """The pixels that are not transparent.

    A head tells the number of values (32 bits), the bits of a value (5) and four widths of
    lengths (4 each), each but the first less one. Then come runs: whether one value is repeated
    (1 bit), which width its length has (2), the length less one, and one value or as many.

    Args:
        packed: Bytes as a list of numbers.
        shape: Height and width of the picture.

    Raises:
        ValueError: If they are damaged, or of a picture of another size.
    """
    bits = _Bits(packed)
    total = bits.number(32)
    if total != shape[0] * shape[1] * _CHANNELS:
        raise ValueError(f"has a brush of {total // _CHANNELS:,} pixels, not those of its picture")
    width = bits.number(5) + 1
    lengths = [bits.number(4) + 1 for _ in range(4)]
    is_opaque = np.zeros(total, np.bool_)
    place = 0
    while place < total:
        is_repeated = bits.number(1)
        end = place + bits.number(lengths[bits.number(2)]) + 1
        if end > total:
            raise ValueError("has a brush with more pixels than its picture")
        is_opaque[place:end] = bits.numbers(1 if is_repeated else end - place, width) > 0
        place = end
    return is_opaque.reshape(*shape, _CHANNELS)[..., -1]


def packed_brush(mask: Mask) -> list[int]:
    """The bytes of a brush that has painted these pixels; what `brush_mask` undoes.

    Args:
        mask: `(H, W)`.
    """
    widths = "".join(f"{width - 1:04b}" for width in _LENGTH_BITS)
    bits = [f"{mask.size * _CHANNELS:032b}{_VALUE_BITS - 1:05b}{widths}"]
    for place, length in enumerate(run_lengths(mask)):
        left = length * _CHANNELS
        while left:
            part = min(left, 2 ** _LENGTH_BITS[-1])
            kind = next(i for i, width in enumerate(_LENGTH_BITS) if part <= 2**width)
            value = 255 * (place % 2)
            bits.append(f"1{kind:02b}{part - 1:0{_LENGTH_BITS[kind]}b}{value:08b}")
            left -= part
    text = "".join(bits)
    digits = np.frombuffer(text.encode(), np.uint8) - ord("0")
    packed: list[int] = np.packbits(digits).tolist()
    return packed


class _Bits:
    """Numbers out of bytes, highest bit first."""

    def __init__(self, packed: object) -> None:
        if not isinstance(packed, list) or not all(
            type(byte) is int and 0 <= byte < 256 for byte in packed
        ):
            raise ValueError("has a brush that is no list of bytes")
        self._bits = np.unpackbits(np.array(packed, np.uint8))
        self._place = 0

    def number(self, width: int) -> int:
        return int(self.numbers(1, width)[0])

    def numbers(self, count: int, width: int) -> npt.NDArray[np.int64]:
        end = self._place + count * width
        if end > len(self._bits):
            raise ValueError("has a brush that ends too early")
        found = self._bits[self._place : end].reshape(count, width).astype(np.int64)
        self._place = end
        weighted: npt.NDArray[np.int64] = found @ (1 << np.arange(width - 1, -1, -1))
        return weighted
