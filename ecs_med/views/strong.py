"""Strong views: intensities varied, a box of another image, a window brought to size."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from ecs_med.config import StrongSettings
from ecs_med.devices import memory_format
from ecs_med.types import StrongView
from ecs_med.views.intensity import vary_intensity
from ecs_med.views.mixing import cutmix_boxes, partner, paste, zoom_windows

__all__ = ["StrongViews"]


@dataclass(frozen=True, slots=True)
class StrongViews:
    """Makes strong views of unlabelled images; draws from torch's generator.

    Attributes:
        settings: How much they vary.
        count: Views of each batch.
        has_colors: Whether three channels are red, green and blue, as in pictures.

    Example:
        >>> make = StrongViews(StrongSettings(cutmix=1), count=2)
        >>> images, valid = torch.rand(2, 3, 8, 8), torch.ones(2, 8, 8, dtype=torch.bool)
        >>> [view.images.shape for view in make(images, valid, lambda values: values)]
        [torch.Size([2, 3, 8, 8]), torch.Size([2, 3, 8, 8])]
    """

    settings: StrongSettings
    count: int
    has_colors: bool = True

    def __call__(
        self,
        images: torch.Tensor,
        valid: torch.Tensor,
        normalize: Callable[[torch.Tensor], torch.Tensor],
    ) -> tuple[StrongView, ...]:
        """Views that differ by their draws.

        Args:
            images: `(B, C, *spatial)`, floating point in 0..1.
            valid: `(B, *spatial)`, bool, `False` in padding.
            normalize: What networks expect of images in 0..1.
        """
        return tuple(self._view(images, valid, normalize) for _ in range(self.count))

    def _view(
        self,
        images: torch.Tensor,
        valid: torch.Tensor,
        normalize: Callable[[torch.Tensor], torch.Tensor],
    ) -> StrongView:
        varied = vary_intensity(images, valid, self.settings, self.has_colors)
        inside = cutmix_boxes(images, self.settings.cutmix, self.settings.cutmix_area)
        is_zoomed = self.settings.zoom != (1.0, 1.0)
        resample = zoom_windows(images, self.settings.zoom) if is_zoomed else None

        def bring(values: torch.Tensor) -> torch.Tensor:
            mixed = paste(values, partner(values), inside)
            if resample is None:
                return mixed
            return resample(mixed[:, None].to(images.dtype), "nearest")[:, 0].to(values.dtype)

        varied = paste(varied, partner(varied), inside, channels=True)
        if resample is not None:
            # Padding is 0 in the images: what it adds to a mean is taken out of the divisor, too.
            weight = paste(valid, partner(valid), inside)[:, None].to(images)
            varied = resample(varied, "bilinear") / resample(weight, "bilinear").clamp(min=1e-3)
        normalized = normalize(varied) * bring(valid)[:, None]
        return StrongView(normalized.contiguous(memory_format=memory_format(images)), bring)
