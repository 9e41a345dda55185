"""Draws one suggestion: the image, what the model draws, and where the corrector doubts that."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from ecs_med.acquisition.chunks import doubt_map, model_chunks
from ecs_med.acquisition.look import Look
from ecs_med.acquisition.lookers import Looker, ModelLooker, looker_for
from ecs_med.data.cases import PreparedCase
from ecs_med.inference.model import Model
from ecs_med.reporting.html import embedded_picture
from ecs_med.reporting.run.panels import fit_scale, overlay_panel, scale_image
from ecs_med.types import UnlabeledCase

__all__ = ["doubt_panel", "draw_case", "drawer_for", "image_of", "resized", "upright"]

PANEL_SIDE = 400
"""Longer side of a picture on the page, in pixels."""
_DOUBT_COLOR = (255, 64, 32)

Picture = npt.NDArray[np.uint8]
Map = npt.NDArray[Any]


def drawer_for(model: Model | None) -> Looker:
    """What reads the suggested cases for their pictures."""
    return looker_for("nothing" if model is None else "model", model, torch.device("cpu"))


def draw_case(looker: Looker, case: UnlabeledCase, look: Look) -> dict[str, str]:
    """Pictures of a suggestion as JPEG data URIs, by title.

    Args:
        looker: Of `drawer_for`.
        case: The suggestion, which is read and, with a model, segmented again.
        look: What the pass saw of it.

    Raises:
        DataError: If a file cannot be read any more.
    """
    found = looker.prepare(case)
    index = min(look.slice_index, len(found.slices) - 1)
    maps: Mapping[str, Map] = {}
    if isinstance(looker, ModelLooker):
        maps = _maps(looker.model, found, index)
    image = image_of(found, index)
    panel = scale_image(image, fit_scale(*image.shape[:2]))
    panels = {"Image": panel}
    turned = {name: resized(upright(found, plane), panel.shape) for name, plane in maps.items()}
    if "labels" in turned:
        panels["The model's draft"] = overlay_panel(panel, turned["labels"].astype(np.uint8))
    if "doubt" in turned:
        panels["The corrector's doubt"] = doubt_panel(panel, turned["doubt"])
    return {title: embedded_picture(panel, PANEL_SIDE) for title, panel in panels.items()}


def doubt_panel(image: Picture, doubt: Map) -> Picture:
    """Doubt in red over the image in grey; relative to the highest one, or 0.05 where it is lower.

    Args:
        image: `(H, W, 3)`.
        doubt: `(H, W)`, 0..1.
    """
    grey = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) * 0.6
    weight = np.clip(doubt / max(float(doubt.max()), 0.05), 0, 1)[..., None]
    shown = (1 - weight) * grey[..., None] + weight * np.array(_DOUBT_COLOR, np.float32)
    drawn: Picture = np.rint(shown).astype(np.uint8)
    return drawn


def _maps(model: Model, case: PreparedCase, index: int) -> Mapping[str, Map]:
    """Labels and doubt of one prepared slice."""
    seen = case
    if model.spec.spatial_dims == 2 and not model.spec.context and len(case.slices) > 1:
        seen, index = _alone(case, index), 0
    parts: dict[str, list[Map]] = {"labels": [], "doubt": []}
    for chunk in model_chunks(model, seen):
        place = index - chunk.start
        if place < 0:
            break
        if place < len(chunk.labels):
            parts["labels"].append(chunk.labels[place].to(torch.uint8).cpu().numpy())
            if chunk.judged is not None:
                parts["doubt"].append(doubt_map(chunk)[place].float().cpu().numpy())
    # A large picture comes in rows.
    return {name: np.concatenate(maps) for name, maps in parts.items() if maps}


def _alone(case: PreparedCase, index: int) -> PreparedCase:
    return replace(case, slices=case.slices[index : index + 1])


def image_of(case: PreparedCase, index: int) -> Picture:
    """A picture as it is, a slice of a volume as the networks see it, upright, in grey."""
    if case.scan is not None and not case.scan.is_volume:
        array = np.moveaxis(case.scan.array, 0, -1).astype(np.uint8)
    else:
        values = case.slices[index, 0].float().numpy()
        grey = values if case.slices.dtype == torch.uint8 else 255 * values
        array = upright(case, np.clip(np.rint(grey), 0, 255).astype(np.uint8))[..., None]
    return np.ascontiguousarray(np.repeat(array, 3, axis=-1) if array.shape[-1] == 1 else array)


def upright(case: PreparedCase, plane: Map) -> Map:
    """A slice as a person sees it: rows from the upper end, columns from the patient's right."""
    if case.header.affine is None:
        return plane
    # Slices of the turned grid run to the right, front and head; stored ones are shown likewise.
    return plane.T[::-1, ::-1]


def resized(plane: Map, shape: tuple[int, ...]) -> Map:
    """A map at the size of a panel: smooth where it is floating point, else nearest neighbour."""
    size = (shape[1], shape[0])
    if plane.dtype.kind == "f":
        smooth = Image.fromarray(np.ascontiguousarray(plane, np.float32))
        return np.asarray(smooth.resize(size, Image.Resampling.BILINEAR))
    whole = Image.fromarray(np.ascontiguousarray(plane, np.uint8))
    return np.asarray(whole.resize(size, Image.Resampling.NEAREST))
