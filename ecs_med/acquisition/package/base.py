"""The contract of a package for annotators: images with drafts as one tool opens them."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers import Scan, ScanHeader, reader_of
from ecs_med.errors import SettingsError
from ecs_med.registry import Registry
from ecs_med.types import Case

__all__ = ["PACKAGES", "Classes", "Package", "PackagedCase", "write_object"]


@dataclass(frozen=True, slots=True)
class Classes:
    """What an annotator may draw.

    Attributes:
        names: Background first.
        values: Value that stands for each in label maps, those of the masks of training.
    """

    names: tuple[str, ...]
    values: tuple[int, ...]

    @property
    def drawn(self) -> tuple[str, ...]:
        """Names without the background."""
        return self.names[1:]


@dataclass(frozen=True, slots=True)
class PackagedCase:
    """A case that goes into a package.

    Attributes:
        name: Of its files, without suffix; unique in the package, and safe as a file name.
        case: Where its files lie.
        scan: Its pixels.
        draft: What the model draws: class indices on the grid of the scan; `None` without a model.
    """

    name: str
    case: Case
    scan: Scan
    draft: npt.NDArray[np.uint8] | None


class Package(ABC):
    """Writes the images of one package and what a model draws on them.

    To add one, derive from this class and name it under the entry-point group `ecs_med.packages`.

    Args:
        folder: Empty; what is written there becomes the package as a whole, or is thrown away.
        classes: What may be drawn.

    Example:
        >>> from ecs_med.acquisition.package import PACKAGES
        >>> PACKAGES.get("labelme").title
        'LabelMe'
    """

    name: ClassVar[str]
    """Value of `package`, and the name of the folder."""
    title: ClassVar[str]
    """Of the tool or format, in messages."""
    kind: ClassVar[Literal["picture", "volume"]] = "picture"
    """Of the scans that it can hold."""

    def __init__(self, folder: Path, classes: Classes) -> None:
        self.folder = folder
        self.classes = classes

    @classmethod
    def require(cls, case: Case, header: ScanHeader) -> None:
        """Refuse a case that such a package cannot hold.

        Raises:
            SettingsError: One sentence that names what can.
        """
        if header.kind != cls.kind:
            others = "nifti" if cls.kind == "picture" else "labelme, coco, cvat or label-studio"
            raise SettingsError(
                f"{case.images[0]}: is a {header.kind}, and {cls.title} takes {cls.kind}s; choose "
                f"{others} for `package`."
            )

    @abstractmethod
    def add(self, case: PackagedCase) -> None:
        """Write the image of a case, and keep or write its draft.

        Raises:
            EcsMedError: If it cannot be written.
        """

    def close(self) -> None:
        """Write what all cases share; called once, at the end."""
        return

    @abstractmethod
    def steps(self, *, drafted: bool) -> Sequence[str]:
        """How it is opened, what an annotator does, and where the result goes; a sentence each.

        Args:
            drafted: Whether there are drafts.
        """

    def steps_of_data(self) -> str:
        """The sentence that says how ecs-med reads the folder."""
        return "`ecs-med check FOLDER`, with this folder, shows what is labelled by then."


PACKAGES: Registry[Package] = Registry("ecs_med.packages", "package", Package)
"""Every kind of package that is installed or registered."""


def is_dicom(case: Case) -> bool:
    """Whether its files are DICOM."""
    return reader_of(case.images).name == "dicom"


def write_object(path: Path, content: Any) -> None:
    """Write JSON into a folder that is not in its place yet."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1)
    path.write_text(f"{text}\n", encoding="utf-8")
