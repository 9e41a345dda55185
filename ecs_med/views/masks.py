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
        labels: `(B, *spatial)` in 0..N-1, without void; class 0 is what remains where an object
            goes.
        num_classes: N.

    Returns:
        The same shape and type. A mask without the object that is drawn may stay as it is.

    Source:
        The kinds of errors are those that networks for the refinement and the quality of masks
        learn from, such as Cheng et al. 2020, "CascadePSP".
    """
    # Drawn on the CPU for the global batch: sizes are needed before kernels can be started.
    dims = labels.ndim - 1
    # A side and a shift an axis: those of the third one come last.
    draws = own_rows(torch.rand(len(labels) * world_size(), 8 + 2 * (dims - 2))).tolist()
    other = partner(labels)
    images = torch.zeros(len(labels), 1, *labels.shape[1:], device=labels.device)
    low, high = _BOX
    of_axes = [[*row[3:5], *row[8 : 6 + dims]] for row in draws]
    sides = torch.tensor([[low + (high - low) * draw for draw in row] for row in of_axes])
    inside = boxes(images, sides.to(images, non_blocking=True))
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
    """`mask` with all that is `category` grown or worn off by a square or a cube."""
    low, high = _RADIUS
    radius = max(1, round((low + (high - low) * extent) * min(mask.shape)))
    shown = (mask == category)[None, None].float()
    if swells:
        return mask.masked_fill(_spread(shown, radius)[0, 0] > 0, category)
    worn = _spread(1 - shown, radius)[0, 0] > 0
    return mask.masked_fill(worn & (mask == category), 0)


def _spread(values: torch.Tensor, radius: int) -> torch.Tensor:
    """The maximum over a square or a cube, axis by axis; what is outside counts nowhere."""
    dims = values.ndim - 2
    pool = F.max_pool2d if dims == 2 else F.max_pool3d
    for axis in range(dims):
        sides = [2 * radius + 1 if a == axis else 1 for a in range(dims)]
        values = pool(values, sides, 1, [side // 2 for side in sides])
    return values


def _move(labels: torch.Tensor, draws: list[list[float]]) -> torch.Tensor:
    """Shifted, scaled and turned in the plane of the last two axes; class 0 comes in."""
    theta = []
    is_flat = labels.ndim == 3
    for row in draws:
        angle = (2 * row[2] - 1) * _TURN
        scale = _SCALE[0] + (_SCALE[1] - _SCALE[0]) * row[5]
        cosine, sine = math.cos(angle) / scale, math.sin(angle) / scale
        down, right = (2 * (2 * draw - 1) * _SHIFT for draw in row[6:8])
        turned = [[cosine, -sine, right], [sine, cosine, down]]
        if not is_flat:
            through = 2 * (2 * row[-1] - 1) * _SHIFT
            turned = [[a, b, 0.0, shift] for a, b, shift in turned]
            turned.append([0.0, 0.0, 1 / scale, through])
        theta.append(turned)
    matrices = torch.tensor(theta).to(labels.device, non_blocking=True)
    values = labels[:, None].float()
    grid = F.affine_grid(matrices, list(values.shape), align_corners=False)
    return F.grid_sample(values, grid, mode="nearest", align_corners=False)[:, 0].to(labels.dtype)
