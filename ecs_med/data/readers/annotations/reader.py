"""The reader of annotation files, which are masks of the pictures that they name."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ecs_med.data.readers.annotations.base import AnnotatedPicture, AnnotationFile
from ecs_med.data.readers.annotations.opening import SUFFIXES, open_annotations
from ecs_med.data.readers.annotations.regions import Shape, draw
from ecs_med.data.readers.base import ReadOnly
from ecs_med.data.readers.grids import times
from ecs_med.data.readers.scans import Scan, ScanHeader, StoredMask
from ecs_med.errors import UnreadableFileError

__all__ = ["AnnotationReader"]


class AnnotationReader(ReadOnly):
    """Regions of one picture as a mask that names its structures; drawn when it is asked for."""

    name = "annotations"
    formats = ("COCO", "LabelMe", "CVAT XML", "Label Studio", "VIA", "Supervisely")
    suffixes = SUFFIXES
    output_suffix = ".png"
    result_format = "png"
    holds_colors = True
    shares_masks = True

    def header(self, files: Sequence[Path], frame: int | None = None) -> ScanHeader:
        """No annotation file is an image."""
        _refuse(files[0])

    def read(self, files: Sequence[Path], frame: int | None = None) -> Scan:
        """No annotation file is an image."""
        _refuse(files[0])

    def mask_header(self, path: Path, images: Sequence[Path] = ()) -> ScanHeader:
        """Height and width as the file gives them, else those of the picture."""
        file, picture = _entry(path, images)
        return ScanHeader(_shape(file, picture, images[0]), 1, None, "picture")

    def mask_problems(self, path: Path, images: Sequence[Path] = ()) -> tuple[()]:
        """There is nothing odd about headers."""
        return ()

    def read_stored_labels(self, path: Path, images: Sequence[Path] = ()) -> StoredMask:
        """`(H, W)`, the number of the region on top of each pixel, see `draw`."""
        file, picture = _entry(path, images)
        shape = _shape(file, picture, images[0])
        try:
            values = draw(file.regions(picture), shape, larger_first=file.larger_first)
        except ValueError as error:
            raise UnreadableFileError(
                path, f"of the picture {picture.name} {error}", "correct it, or export it again"
            ) from None
        return StoredMask(values, "picture", names=file.names, drawn=True)


def _entry(path: Path, images: Sequence[Path]) -> tuple[AnnotationFile, AnnotatedPicture]:
    if len(images) != 1:
        raise UnreadableFileError(
            path, "holds annotations of single pictures", "name one picture for each of its masks"
        )
    file = open_annotations(path)
    return file, file.picture_of(images[0])


def _shape(file: AnnotationFile, picture: AnnotatedPicture, image: Path) -> Shape:
    """Height and width of the label map, once they are known to be those of the picture.

    A picture that was drawn on as it is stored may be turned against what the file says.
    """
    # The package of readers imports this module.
    from ecs_med.data.readers import read_header

    header = read_header([image])
    if header.kind != "picture":
        raise UnreadableFileError(
            file.path,
            f"annotates {image}, which is no picture",
            "give pictures, or a volume's mask",
        )
    height, width = header.shape
    shape = picture.shape or (height, width)
    if shape not in ((height, width), (width, height)):
        raise UnreadableFileError(
            file.path, f"says that {image} is {times(shape)} (height x width), but it is "
            f"{times(header.shape)}", "put the picture that was annotated here",
        )  # fmt: skip
    return shape


def _refuse(path: Path) -> NoReturn:
    raise UnreadableFileError(
        path, "is an annotation file, which is no image", "name it as the mask of a picture"
    )
