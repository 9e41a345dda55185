"""Strongly varied views of images, batched on the device, and labels that follow them.

Padding never counts: it does not enter a blur or a mean, and it stays padding where it is pasted.
With several processes every draw is that of the global batch, as in one process.
"""

from ecs_med.views.intensity import vary_intensity
from ecs_med.views.mixing import cutmix_boxes, partner, paste
from ecs_med.views.strong import StrongViews

__all__ = ["StrongViews", "cutmix_boxes", "partner", "paste", "vary_intensity"]
