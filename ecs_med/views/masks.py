"""Masks that are made wrong on purpose, as segmentations are wrong on images that are new to them.

A corrector that sees nothing but the errors of a segmenter on its own labelled images soon sees
none. These errors do not run out: an object is missed, swollen, shrunk, out of place; a part is
missed or found where nothing is; the mask is that of another image.
"""

import math

import torch
from torch.nn import functional as F

from ecs_med.distributed import own_rows, world_size
from ecs_med.views.mixing import boxes, partner

__all__ = ["corrupt_masks"]

_RADIUS = 0.02, 0.1
"""Range of the radius by which objects swell or shrink, as a share of the image's shorter side."""
_SHIFT, _SCALE, _TURN = 0.25, (0.75, 1.25), math.pi / 6
_BOX = 0.15, 0.5
"""Range of the sides of a box that gets one class, as shares of the image's."""
_SHARES = {"drop": 0.21, "swell": 0.17, "shrink": 0.17, "move": 0.17, "box": 0.13, "swap": 0.15}


def corrupt_masks(labels: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Make each mask wrong in one way that is drawn, with a class and an extent that are drawn.

    Args:
        labels: `(B, H, W)` in 0..N-1, without void; class 0 is what remains where an object goes.
        num_classes: N.

    Returns:
        The same shape and type. A mask without the object that is drawn may stay as it is.

    Source:
        The kinds of errors are those that networks for the refinement and the quality of masks
        learn from, such as Cheng et al. 2020, "CascadePSP".
    """
    # Drawn on the CPU for the global batch: sizes are needed before kernels can be started.
    draws = own_rows(torch.rand(len(labels) * world_size(), 8)).tolist()
    other = partner(labels)
    images = torch.zeros(len(labels), 1, *labels.shape[1:], device=labels.device)
    low, high = _BOX
    sides = torch.tensor([[low + (high - low) * draw for draw in row[3:5]] for row in draws])
    inside = boxes(images, sides.to(images))
    moved = _move(labels, draws)
    found = []
    for number, (kind, chosen, extent, *_) in enumerate(draws):
        mask = labels[number]
        category = 1 + int(chosen * (num_classes - 1))
        match _kind(kind):
            case "drop":
                mask = mask.masked_fill(mask == category, 0)
            case "swell" | "shrink" as way:
                mask = _resize(mask, category, extent, swells=way == "swell")
            case "move":
                mask = moved[number]
            case "box":
                mask = mask.masked_fill(inside[number], int(draws[number][5] * num_classes))
            case _:
                mask = other[number]
        found.append(mask)
    return torch.stack(found)


def _kind(draw: float) -> str:
    for kind, share in _SHARES.items():
        draw -= share
        if draw < 0:
            return kind
    return kind


def _resize(mask: torch.Tensor, category: int, extent: float, *, swells: bool) -> torch.Tensor:
    """`mask` with all that is `category` grown or worn off by a square."""
    low, high = _RADIUS
    radius = max(1, round((low + (high - low) * extent) * min(mask.shape)))
    shown = (mask == category)[None, None].float()
    if swells:
        return mask.masked_fill(_spread(shown, radius)[0, 0] > 0, category)
    worn = _spread(1 - shown, radius)[0, 0] > 0
    return mask.masked_fill(worn & (mask == category), 0)


def _spread(values: torch.Tensor, radius: int) -> torch.Tensor:
    """The maximum over a square, in two passes; what is outside of the image counts nowhere."""
    side = 2 * radius + 1
    values = F.max_pool2d(values, (side, 1), 1, (radius, 0))
    return F.max_pool2d(values, (1, side), 1, (0, radius))


def _move(labels: torch.Tensor, draws: list[list[float]]) -> torch.Tensor:
    """Shifted, scaled and turned; class 0 comes in."""
    theta = []
    for row in draws:
        angle = (2 * row[2] - 1) * _TURN
        scale = _SCALE[0] + (_SCALE[1] - _SCALE[0]) * row[5]
        cosine, sine = math.cos(angle) / scale, math.sin(angle) / scale
        down, right = (2 * (2 * draw - 1) * _SHIFT for draw in row[6:8])
        theta.append([[cosine, -sine, right], [sine, cosine, down]])
    matrices = torch.tensor(theta, device=labels.device)
    values = labels[:, None].float()
    grid = F.affine_grid(matrices, list(values.shape), align_corners=False)
    return F.grid_sample(values, grid, mode="nearest", align_corners=False)[:, 0].to(labels.dtype)
