"""Whether MONAI's transforms give tensors with metadata, without a trace in the process."""

import contextlib
from collections.abc import Iterator

from monai.data import get_track_meta, set_track_meta

__all__ = ["tracking_metadata"]


@contextlib.contextmanager
def tracking_metadata(on: bool) -> Iterator[None]:
    """Switch MONAI's metadata on or off, and leave the switch as it was.

    It is one of the whole process, and what else uses MONAI there relies on it: training crops are
    quicker as plain tensors, a bundle's preprocessing does not work without metadata.
    """
    before = get_track_meta()
    set_track_meta(on)
    try:
        yield
    finally:
        set_track_meta(before)
