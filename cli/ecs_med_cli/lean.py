"""Libraries that others import beside what they are asked for."""

import sys

__all__ = ["import_nibabel"]


def import_nibabel() -> None:
    """Import nibabel without pydicom, which it takes along for one kind of header extension.

    That is four fifths of its time, and of no use to a command that reads no DICOM; one that does
    imports pydicom itself. Only a program may decide so: a library leaves nibabel as it is.
    """
    if "pydicom" in sys.modules:
        return
    sys.modules["pydicom"] = None  # type: ignore[assignment]
    try:
        import nibabel  # noqa: F401
    finally:
        del sys.modules["pydicom"]
