"""Libraries that others import beside what they are asked for."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["LEAN_TRAINING", "sparing_imports"]

LEAN_TRAINING = ("ecs_med_cli.lean_training",)
"""What the processes of a sweep are forked with, see `ExecutorOptions.preload`."""

_SPARED = ("matplotlib", "pandas", "pydicom", "scipy.signal", "tensorboard")
"""What MONAI and nibabel take along where it is there, for parts of them that nothing here uses."""


@contextmanager
def sparing_imports() -> Iterator[None]:
    """Let nibabel and MONAI be imported without the large libraries that they can do without.

    They are a quarter of what training imports. What draws charts, reads DICOM or writes for
    TensorBoard imports them by itself, later. Only a program may decide so: a library leaves them
    as they are.
    """
    spared = [name for name in _SPARED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(spared))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in spared:
            del sys.modules[name]
