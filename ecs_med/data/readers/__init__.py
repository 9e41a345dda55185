"""Formats of images: how files are recognized, read and written.

One module a format. A format of one's own is a class that derives from `Reader`, in any package,
named under the entry-point group `ecs_med.readers`.
"""

from ecs_med.data.readers.base import (
    READERS,
    Reader,
    Scan,
    ScanHeader,
    StoredMask,
    available_readers,
    reader_of,
)

__all__ = [
    "READERS",
    "Reader",
    "Scan",
    "ScanHeader",
    "StoredMask",
    "available_readers",
    "reader_of",
]
