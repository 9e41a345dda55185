"""Voxels of NRRD and MetaImage, no more of them than the header was found to have."""

import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.nrrd.header import COPY_AGAIN, TextHeader
from ecs_med.errors import UnreadableFileError
from ecs_med.files import regular_file

__all__ = ["read_voxels"]

_PIECE = 2**20
"""Bytes that are unpacked at a time."""

_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


def read_voxels(path: Path, header: TextHeader) -> npt.NDArray[Any]:
    """All voxels, the only copy in memory.

    Args:
        path: The file of the header, for messages.
        header: What it says.

    Returns:
        `(C, X, Y, Z)` in the number type of the file, and the byte order of the machine.

    Raises:
        UnreadableFileError: If the data is damaged, or as long as the header does not say.
    """
    buffer = np.empty(header.num_bytes, np.uint8)
    room = memoryview(buffer.data)
    try:
        with regular_file(header.data).open("rb") as file:
            if header.offset is None:
                file.seek(-header.num_bytes, 2)
            else:
                file.seek(header.offset)
            if header.packed:
                whole = _unpack(file, room)
            else:
                whole = file.readinto(room) == header.num_bytes
    except (OSError, zlib.error) as error:
        raise UnreadableFileError(path, "damaged or truncated", COPY_AGAIN) from error
    if not whole:
        raise UnreadableFileError(path, "has more or fewer voxels than its header says", COPY_AGAIN)
    values = buffer.view(header.dtype)
    if not values.dtype.isnative:
        values = values.byteswap(inplace=True).view(values.dtype.newbyteorder())
    if header.channels_first:
        found = values.reshape((header.num_channels, *header.shape), order="F")
    else:
        stored = values.reshape((*header.shape, header.num_channels), order="F")
        found = np.moveaxis(stored, -1, 0)
    return found


def _unpack(file: BinaryIO, room: memoryview) -> bool:
    """Fill a buffer; whether what was deflated is whole and just as long."""
    done = 0
    packed = b""
    while True:
        stream = zlib.decompressobj(_GZIP_OR_ZLIB)
        while not stream.eof:
            packed = packed or file.read(_PIECE)
            if not packed:
                return False
            # One byte more than there is room shows what is too long.
            part = stream.decompress(packed, min(_PIECE, len(room) - done + 1))
            if done + len(part) > len(room):
                return False
            room[done : done + len(part)] = part
            done += len(part)
            packed = stream.unconsumed_tail
        packed = stream.unused_data or file.read(_PIECE)
        # A file of gzip may be several, one behind the other.
        if done == len(room) or not packed:
            return done == len(room)
