"""What the images of a collection have in common."""

from typing import Literal, NamedTuple

from ecs_med.config import Plane
from ecs_med.training.augmentation import ImagesWithUp

__all__ = ["Images"]


class Images(NamedTuple):
    """What the images of a collection have in common."""

    kind: Literal["picture", "volume"]
    """Volumes are segmented slice by slice unless `dims` says otherwise, pictures whole."""
    channels: int
    """Channels of every image."""
    size: tuple[int, int]
    """Median height and width of a slice in pixels, once these have their `spacing_mm`."""
    usual_plane: Plane | None = None
    """Of volumes, see `ecs_med.data.planes`; `None` for pictures."""
    spacing_mm: float | None = None
    """Side of a pixel that slices are resampled to; `None`: they are not."""
    notes: tuple[str, ...] = ()
    """What was decided that a person should know, one sentence each."""
    up: ImagesWithUp | None = None
    """Why they have an up, by which it is decided whether training turns them."""
    depth: int = 1
    """Median number of slices, once they have their `slice_spacing_mm`."""
    slice_spacing_mm: float | None = None
    """Distance of slices that volumes are resampled to in 3-D; `None`: they are not."""
    depth_notes: tuple[str, ...] = ()
    """As `notes`, of what is done in 3-D alone."""
    anisotropy: float | None = None
    """Median distance of slices in sides of a pixel; `None` for what is not in space."""

    @property
    def has_colors(self) -> bool:
        """Whether three channels are red, green and blue, and not three contrasts of a scan."""
        return self.kind == "picture"
