"""Preparation of pictures and volumes as transforms of a bundle, and the way back.

Transforms are MONAI's; what they calculate in another way than `predict` (resampling with
anti-aliasing, percentiles of small structures, sixteen bits) is an expression of PyTorch or NumPy.
Expressions that others use stand under a name of their own, as `@size`.
"""

from ecs_med.export.bundle.shaping import (
    MULTIPLE,
    RESIZED,
    Transform,
    fitted,
    on,
    ranged,
    too_large,
)
from ecs_med.export.bundle.volumes import volume_expressions, volume_transforms
from ecs_med.runs import ModelSpec

__all__ = ["expressions", "transforms"]


def transforms(spec: ModelSpec) -> list[Transform]:
    """From a file to what the network sees, `(C, *spatial)`."""
    is_volume = spec.kind == "volume"
    repeated = 2 * spec.context + 1
    return [
        *(volume_transforms(spec) if is_volume else _of_picture()),
        on(
            "NormalizeIntensityd",
            subtrahend=list(spec.mean * repeated),
            divisor=list(spec.std * repeated),
            channel_wise=True,
        ),
        # Windows of volumes have sides that fit the network.
        *([on("Lambdad", func="@pad")] if spec.spatial_dims == 2 else []),
    ]


def expressions(spec: ModelSpec) -> dict[str, str]:
    """Expressions that transforms refer to, by name."""
    slices = volume_expressions(spec) if spec.kind == "volume" else _of_pixels(spec)
    return {
        **slices,
        "refuse": "$lambda words: (_ for _ in ()).throw(ValueError(words))",
        "kept": "$lambda x, like: monai.data.MetaTensor(torch.as_tensor(x), meta=like.meta, "
        "applied_operations=like.applied_operations)",
    }


def _of_picture() -> list[Transform]:
    reader = {"_target_": "PILReader", "converter": "@opened"}
    return [
        {"_target_": "LoadImaged", "keys": "image", "reader": reader},
        {"_target_": "EnsureChannelFirstd", "keys": "image"},
        # Pillow's reader gives width before height.
        {"_target_": "Transposed", "keys": "image", "indices": [0, 2, 1]},
        on("Lambdad", func="@checked"),
        on("Lambdad", func="@bring"),
        ranged(0.0, 255.0),
    ]


def _of_pixels(spec: ModelSpec) -> dict[str, str]:
    return {
        "opened": "$lambda picture, refuse=@refuse: PIL.ImageOps.exif_transpose(picture)"
        ".convert('RGB') if picture.mode in ('1', 'L', 'RGB') else refuse('pictures are grey or "
        "RGB of 8 bits, and this one is ' + picture.mode + '; ecs-med predict takes others')",
        "size": f"$lambda shape: {fitted(spec.preparation, 'shape')}",
        "checked": "$lambda x, size=@size, refuse=@refuse: x if "
        f"max(size(x.shape[1:])) <= {spec.tile} else refuse({too_large(spec)!r})",
        "bring": "$lambda x, size=@size, kept=@kept: (x.meta.update(native_shape="
        "np.array(x.shape[1:])), x if list(x.shape[1:]) == size(x.shape[1:]) else kept("
        + RESIZED.format(maps="x.as_tensor()[None]", size="size(x.shape[1:])")
        + "[0].round().clamp(0, 255), x))[1]",
        "pad": f"$lambda x: torch.nn.functional.pad(x, (0, -x.shape[2] % {MULTIPLE}, 0, "
        f"-x.shape[1] % {MULTIPLE}))",
        "back": "$lambda scores, image, size=@size, kept=@kept: (lambda native: kept((lambda maps: "
        + RESIZED.format(maps="maps", size="native")
        + " if list(maps.shape[2:]) != native else maps)(torch.as_tensor(scores)[None, :, "
        ":size(native)[0], :size(native)[1]].cpu())[0], image))"
        "([int(n) for n in image.meta['native_shape']])",
    }
