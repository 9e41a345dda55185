"""Settings of how files become cases, and stored values classes and intensities."""

from typing import Annotated, Literal

from pydantic import Field

from ecs_med.config.base import Settings
from ecs_med.config.preparation import Percentiles, Window

__all__ = ["OutsideMask", "ReadingSettings", "StoredValue"]

OutsideMask = Literal["ask", "background", "void"]
"""What voxels are that a mask does not cover; `ask`: void, and refused where they are many."""

Byte = Annotated[int, Field(ge=0, le=255)]
StoredValue = Annotated[int, Field(ge=-(2**31), lt=2**32)]
"""What a mask may hold."""


class ReadingSettings(Settings):
    """How files become cases, and stored values become classes and intensities."""

    layout: str = "auto"
    """Name of the layout, or `auto` to recognise it."""
    patient: str = "auto"
    """Where the patient of a case is known from: `none`, `folder` (the innermost one that is not
    part of the layout), `column` (of a list file), `regex:PATTERN` with one group searched in the
    path, or `auto` (the column where a list has one, else folders that are called as patients are,
    such as `patient03`)."""
    keep_names: bool = False
    """Whether cases of DICOM are called as their files and folders, which may name patients; else
    by hashes with a key of this machine."""
    resample: bool = False
    """Whether series of DICOM with tilted slices or uneven steps are brought onto a grid, and not
    refused."""
    frame_step: int | None = Field(None, ge=0)
    """Of videos, every frame of so many is an unlabelled case, beside those with masks; 0: no
    other is; `None`: about one a second."""
    mask_folder: str | None = None
    """Name of the folder of masks beside a folder of images; `None`: the one that is called so."""
    mask_values: tuple[StoredValue, ...] | None = None
    """Stored value of each class in order, such as `(0, 50, 100)`; `None` to understand it."""
    mask_threshold: int | None = Field(None, ge=1, le=255)
    """Two classes: stored values from here on are class 1; `None` to understand it."""
    mask_colors: tuple[tuple[Byte, Byte, Byte], ...] | None = None
    """RGB colour of each class in order, for colour-coded masks."""
    void_values: tuple[StoredValue, ...] | None = None
    """Stored values to ignore; `None`: 255 where the masks are label maps."""
    unlabeled_values: tuple[StoredValue, ...] | None = None
    """Stored values of pixels that nobody has annotated, such as 0 where scribbles are drawn on an
    empty mask; ignored by scores and labelled losses as void is, but methods may learn what they
    show (`learn_unlabeled_pixels`). `None`: the value that the data set calls `ignore`."""
    outside_mask: OutsideMask = "ask"
    """What voxels of a volume are that its mask does not cover: `background` (annotation programs
    save the extent of the drawing alone), `void`, or `ask`: void, refused where they are many."""
    class_names: tuple[str, ...] | None = None
    """Names in class order, background first; `None`: from the data set, else numbered."""
    window: Window | None = None
    """CT window (lower, upper) in the units of the file (HU); `None`: percentiles."""
    percentiles: Percentiles = (0.5, 99.5)
    """Percentiles of a volume's own intensities that become 0 and 1."""
