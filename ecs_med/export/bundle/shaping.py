"""What preparations of pictures and of volumes have in common: transforms and sizes of slices."""

from collections.abc import Mapping
from typing import Any

from ecs_med.config import Preparation
from ecs_med.config.preparation import MAX_SIDE
from ecs_med.runs import ModelSpec

__all__ = ["MULTIPLE", "RESIZED", "Transform", "fitted", "on", "ranged", "too_large"]

Transform = Mapping[str, Any] | str

MULTIPLE = 32
"""Of which sides are multiples when a network of slices sees them, as in `predict`."""
RESIZED = (
    "torch.nn.functional.interpolate({maps}.contiguous(), size={size}, mode='bilinear', "
    "antialias=any(b < a for a, b in zip({maps}.shape[2:], {size})))"
)
"""Expression of `maps` `(B, K, H, W)` at another size."""


def on(target: str, **fields: Any) -> Transform:
    """A transform of the image."""
    return {"_target_": target, "keys": "image", **fields}


def ranged(lower: float, upper: float) -> Transform:
    """A transform that brings this range to 0..1, and what is beyond it to its ends."""
    return on("ScaleIntensityRanged", a_min=lower, a_max=upper, b_min=0.0, b_max=1.0, clip=True)


def fitted(preparation: Preparation, shape: str) -> str:
    """Height and width after the bounds of the longer side, as `target_size` calculates them.

    Args:
        preparation: The settings.
        shape: An expression of height and width.
    """
    longest, shortest = preparation.max_size or MAX_SIDE * 2**10, preparation.min_size
    wanted = f"min(max(*{shape}, {shortest}), {longest})"
    return f"[max(1, round(n * ({wanted} / max({shape})))) for n in {shape}]"


def too_large(spec: ModelSpec) -> str:
    """Why a slice is refused that `predict` would cut into tiles."""
    return (
        f"slices of more than {spec.tile} pixels go through in overlapping tiles, which this "
        "bundle does not do; ecs-med predict takes them"
    )
