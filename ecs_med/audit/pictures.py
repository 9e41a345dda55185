"""Draws one mask that is doubted: the image, the given and the expected outline, the doubt."""

import numpy as np

from ecs_med.acquisition.pictures import doubt_panel, image_of, resized, upright
from ecs_med.audit.judging import Judged
from ecs_med.data.cases import PreparedCase
from ecs_med.reporting.html import embedded_picture
from ecs_med.reporting.run.panels import fit_scale, overlay_panel, scale_image
from ecs_med.types import IGNORE_INDEX

__all__ = ["draw_judged"]

PANEL_SIDE = 360
"""Longer side of a picture on the page, in pixels."""


def draw_judged(case: PreparedCase, judged: Judged, index: int, num_classes: int) -> dict[str, str]:
    """Pictures of one slice as JPEG data URIs, by title.

    Args:
        case: The prepared case.
        judged: With the map of doubt of that slice.
        index: Of the slice.
        num_classes: N; given labels beyond are void.
    """
    image = image_of(case, index)
    panel = scale_image(image, fit_scale(*image.shape[:2]))
    given = np.where(judged.given[index] < num_classes, judged.given[index], IGNORE_INDEX)

    def shown(labels: np.ndarray) -> np.ndarray:
        return resized(upright(case, labels), panel.shape).astype(np.uint8)

    panels = {
        "Image": panel,
        "Given mask": overlay_panel(panel, shown(given)),
        "Expected mask": overlay_panel(panel, shown(judged.expected[index])),
    }
    if judged.doubt is not None:
        doubt = resized(upright(case, judged.doubt), panel.shape)
        panels["Doubt"] = doubt_panel(panel, doubt)
    return {title: embedded_picture(drawn, PANEL_SIDE) for title, drawn in panels.items()}
