"""What can go wrong, as one tree.

Every error that a user can cause derives from `EcsMedError`. Its message is one
sentence that says what is wrong, where, and what to do about it; the command
line prints that sentence and ends with `exit_code`.

    EcsMedError                 2
    ├── DataError               2   the data set as a whole cannot be used
    │   ├── UnreadableFileError 2   one file is missing, truncated, or not what its name says
    │   └── MaskValueError      2   mask values do not map onto classes
    ├── BudgetError             2   `labeled` asks for something that is not there
    ├── SettingsError           2   a setting is unknown, out of range, or contradicts another
    ├── RunFolderError          2   a run folder is missing, damaged, or belongs to another run
    ├── MissingExtraError       2   an optional dependency is not installed
    ├── DeviceMemoryError       2   the device ran out of memory
    ├── TrainingDivergedError   2   the loss is not finite
    ├── SomeInputsFailed        3   the rest was done; failures.json lists the others
    └── TrainingInterrupted     75  stopped by a signal; `resume` goes on
"""

import re
from pathlib import Path
from typing import ClassVar

__all__ = [
    "BudgetError",
    "DataError",
    "DeviceMemoryError",
    "EcsMedError",
    "MaskValueError",
    "MissingExtraError",
    "RunFolderError",
    "SettingsError",
    "SomeInputsFailed",
    "TrainingDivergedError",
    "TrainingInterrupted",
    "UnreadableFileError",
]


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Line ends and terminal commands, which names and values out of files may hold."""


class EcsMedError(Exception):
    r"""Base of all errors that end in one sentence instead of a traceback.

    Args:
        message: The sentence; control characters in it become `\n` and the like.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str = "") -> None:
        super().__init__(_CONTROL.sub(lambda found: repr(found[0])[1:-1], message))


class DataError(EcsMedError):
    """The data set as a whole cannot be used as asked."""


class UnreadableFileError(DataError):
    """One file is missing, truncated, or not what its name says.

    Args:
        path: The file.
        reason: What is wrong with it, without a full stop.
        remedy: What the user can do, without a full stop.
    """

    def __init__(self, path: Path, reason: str, remedy: str) -> None:
        super().__init__(f"{path}: {reason}; {remedy}.")
        self.path = path
        self.reason = reason
        self.remedy = remedy


class MaskValueError(DataError):
    """The stored values of masks cannot be mapped onto classes."""


class BudgetError(EcsMedError):
    """The labelled share asked for cannot be drawn from this data."""


class SettingsError(EcsMedError):
    """A setting is unknown, out of range, or contradicts another one."""


class RunFolderError(EcsMedError):
    """A run folder is missing, damaged, or belongs to a different run."""


class MissingExtraError(EcsMedError):
    """An optional dependency is not installed.

    Args:
        what: The feature that needs it, as the subject of a sentence.
        extra: Name of the extra of the `ecs-med` distribution that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an extra; install it with: pip install 'ecs-med[{extra}]'.")
        self.extra = extra


class DeviceMemoryError(EcsMedError):
    """The device ran out of memory."""


class TrainingDivergedError(EcsMedError):
    """The loss became infinite or NaN."""


class SomeInputsFailed(EcsMedError):  # noqa: N818 - an outcome, not a fault
    """Some of several inputs failed; the others are done."""

    exit_code: ClassVar[int] = 3


class TrainingInterrupted(EcsMedError):  # noqa: N818 - an outcome, not a fault
    """Training was stopped by a signal after saving; it can be resumed."""

    exit_code: ClassVar[int] = 75
