"""Package `dicom-seg`: DICOM series, and the draft of each as a DICOM SEG that refers to it."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ecs_med.acquisition.package.base import Classes, Package, PackagedCase, is_dicom
from ecs_med.data.readers import ResultMeaning, ScanHeader, available_readers
from ecs_med.errors import SettingsError
from ecs_med.runs.outputs import mark_files
from ecs_med.types import Case

__all__ = ["DicomSegPackage"]


class DicomSegPackage(Package):
    """`images/CASE/`, files under names that name nobody, and `masks/CASE.dcm`.

    What is inside the files stays, and that names the patient, in the images as in the
    segmentation, whose header the standard has from them.
    """

    name: ClassVar[str] = "dicom-seg"
    title: ClassVar[str] = "DICOM SEG"

    def __init__(self, folder: Path, classes: Classes) -> None:
        super().__init__(folder, classes)
        (folder / "masks").mkdir()

    @classmethod
    def require(cls, case: Case, header: ScanHeader) -> None:
        """Refuse what is no DICOM, and series for which no segmentation can be written."""
        if not is_dicom(case):
            raise SettingsError(
                f"{case.images[0]}: is no DICOM, to which a DICOM SEG belongs; choose "
                f"{'nifti' if header.is_volume else 'labelme or coco'} for `package`."
            )
        available_readers()["dicom"].require_writable(case.images, case.frame)

    def add(self, case: PackagedCase) -> None:
        """Copy the files of the series, and write the draft."""
        folder = self.folder / "images" / case.name
        folder.mkdir(parents=True)
        width = max(4, len(str(len(case.case.images))))
        for number, path in enumerate(case.case.images, start=1):
            shutil.copyfile(path, folder / f"{number:0{width}d}.dcm")
        if case.draft is None:
            return
        draft = self.folder / "masks" / f"{case.name}.dcm"
        meaning = ResultMeaning(dict(enumerate(self.classes.names)))
        available_readers()["dicom"].write_labels(draft, case.draft, case.case.images, meaning)
        mark_files([draft])

    def steps(self, *, drafted: bool) -> Sequence[str]:
        """As of `Package.steps`."""
        load = "images/ and masks/" if drafted else "images/"
        unchanged = " in place of the draft, which counts for nothing as it is" if drafted else ""
        return (
            f"Import {load} into the DICOM database of 3D Slicer, OHIF or another viewer, and load "
            "a series with its segmentation.",
            "Segment, with the labels " + ", ".join(self.classes.drawn) + ".",
            f"Export each as DICOM SEG into masks/{unchanged}. These files name the patient: keep "
            "them where the images may be.",
        )
