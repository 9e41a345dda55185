"""Libraries that others import beside what they are asked for."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["sparing_pydicom"]


@contextmanager
def sparing_pydicom() -> Iterator[None]:
    """Let nibabel and MONAI be imported without pydicom, which both take along where it is there.

    Nothing here uses what they offer with it, and it is most of nibabel's time; what reads DICOM
    imports it by itself, later. Only a program may decide so: a library leaves them as they are.
    """
    if "pydicom" in sys.modules:
        yield
        return
    sys.modules["pydicom"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["pydicom"]
