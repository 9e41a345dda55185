"""Package `nifti`: volumes and drafts as NIfTI, and tables of labels for 3D Slicer and ITK-SNAP."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from ecs_med.acquisition.package.base import Classes, Package, PackagedCase
from ecs_med.data.readers import available_readers
from ecs_med.data.readers.nifti_making import write_volume
from ecs_med.data.readers.results import stored_labels
from ecs_med.palette import class_color
from ecs_med.runs.outputs import mark_files

__all__ = ["NiftiPackage"]

SNAP_TABLE = "itk-snap-labels.txt"
SLICER_TABLE = "slicer-colors.ctbl"


class NiftiPackage(Package):
    """`images/NAME.nii.gz`, and drafts as `masks/NAME.nii.gz`, which are corrected in place.

    Volumes are written anew, without descriptions and names that their files may hold. Drafts are
    marked as ours, so that no layout takes one for a label before a person has saved it again.
    """

    name: ClassVar[str] = "nifti"
    title: ClassVar[str] = "NIfTI"
    kind: ClassVar[Literal["picture", "volume"]] = "volume"

    def __init__(self, folder: Path, classes: Classes) -> None:
        super().__init__(folder, classes)
        for name in ("images", "masks"):
            (folder / name).mkdir()
        (folder / SNAP_TABLE).write_text(_for_snap(classes), encoding="utf-8")
        (folder / SLICER_TABLE).write_text(_for_slicer(classes), encoding="utf-8")

    def add(self, case: PackagedCase) -> None:
        """Write the volume, all channels of it, and the draft on its grid."""
        channels = case.scan.array
        values = channels[0] if len(channels) == 1 else np.moveaxis(channels, 0, -1)
        image = self.folder / "images" / f"{case.name}.nii.gz"
        write_volume(image, values, case.scan)
        if case.draft is None:
            return
        stored = np.array(self.classes.values, np.int16)
        labels = stored_labels(stored[case.draft])
        draft = self.folder / "masks" / image.name
        available_readers()["nifti"].write_labels(draft, labels, [image])
        mark_files([draft])

    def steps(self, *, drafted: bool) -> Sequence[str]:
        """As of `Package.steps`."""
        masks = " with masks/NAME.nii.gz as segmentation" if drafted else ""
        saved = "Correct it and save it in place" if drafted else "Draw, and save"
        unchanged = " A draft that was not saved again counts as unlabelled." if drafted else ""
        return (
            f"ITK-SNAP: open images/NAME.nii.gz{masks}, and import {SNAP_TABLE} as label "
            f"descriptions. 3D Slicer: load the image{masks}, with {SLICER_TABLE} as color node.",
            f"{saved} as masks/NAME.nii.gz, on the grid of the image.{unchanged}",
            "suggest.csv names the slices of each volume that stand out, where a model was asked.",
        )


def _for_snap(classes: Classes) -> str:
    """Value, red, green, blue, opacity, visibility in slices and in 3-D, name."""
    lines = ["# ITK-SnAP Label Description File", '0 0 0 0 0 0 0 "Clear Label"']
    for index, (value, name) in _drawn(classes):
        red, green, blue = class_color(index)
        plain = name.replace('"', "'")
        lines.append(f'{value} {red} {green} {blue} 1 1 1 "{plain}"')
    return "\n".join(lines) + "\n"


def _for_slicer(classes: Classes) -> str:
    """Value, name without blanks, red, green, blue, opacity."""
    lines = ["# Color table file of 3D Slicer", f"{classes.values[0]} background 0 0 0 0"]
    for index, (value, name) in _drawn(classes):
        red, green, blue = class_color(index)
        one_word = "_".join(name.split())
        lines.append(f"{value} {one_word} {red} {green} {blue} 255")
    return "\n".join(lines) + "\n"


def _drawn(classes: Classes) -> "Sequence[tuple[int, tuple[int, str]]]":
    """Index, value and name of each class but the background."""
    return list(enumerate(zip(classes.values[1:], classes.drawn, strict=True), start=1))
