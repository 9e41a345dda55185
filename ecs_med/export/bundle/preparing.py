"""Preparation of pictures and volumes as transforms of a bundle, and the way back.

Transforms are MONAI's; what they calculate in another way than `predict` (resampling with
anti-aliasing, percentiles of small structures, sixteen bits) is an expression of PyTorch or NumPy.
Expressions that others use stand under a name of their own, as `@size`.
"""

from collections.abc import Mapping
from typing import Any

from ecs_med.config import Preparation
from ecs_med.config.preparation import MAX_SIDE
from ecs_med.data.intensities import CRUMBS, FEW, STRAY
from ecs_med.data.planes import NEAR_TIE
from ecs_med.runs import ModelSpec

__all__ = ["MULTIPLE", "Transform", "expressions", "slice_dimension", "transforms"]

Transform = Mapping[str, Any] | str

MULTIPLE = 32
"""Of which sides are multiples when a network sees them, as in `predict`."""
_PLANES = ("sagittal", "coronal", "axial")
_RESIZED = (
    "torch.nn.functional.interpolate({maps}.contiguous(), size={size}, mode='bilinear', "
    "antialias=any(b < a for a, b in zip({maps}.shape[2:], {size})))"
)


def transforms(spec: ModelSpec) -> list[Transform]:
    """From a file to what the network sees, `(C, *spatial)`."""
    before = _of_volume(spec) if spec.kind == "volume" else _of_picture()
    return [
        *before,
        _on("Lambdad", func="@bring"),
        *([_on("Lambdad", func="@as_sixteen_bits")] if spec.kind == "volume" else []),
        *([_range(0.0, 255.0)] if spec.kind == "picture" else []),
        _on(
            "NormalizeIntensityd",
            subtrahend=list(spec.mean),
            divisor=list(spec.std),
            channel_wise=True,
        ),
        _on("Lambdad", func="@pad"),
    ]


def slice_dimension(preparation: Preparation) -> int:
    """Axis of a volume's tensor, from 0, along which slices follow one another."""
    plane = preparation.usual_plane if preparation.plane == "auto" else preparation.plane
    return _PLANES.index(plane)


def expressions(spec: ModelSpec) -> dict[str, str]:
    """Expressions that transforms refer to, by name."""
    slices = _of_slices(spec) if spec.kind == "volume" else _of_pixels(spec)
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
        _on("Lambdad", func="@checked"),
    ]


def _of_pixels(spec: ModelSpec) -> dict[str, str]:
    return {
        "opened": "$lambda picture, refuse=@refuse: PIL.ImageOps.exif_transpose(picture)"
        ".convert('RGB') if picture.mode in ('1', 'L', 'RGB') else refuse('pictures are grey or "
        "RGB of 8 bits, and this one is ' + picture.mode + '; ecs-med predict takes others')",
        "size": f"$lambda shape: {_fitted(spec.preparation, 'shape')}",
        "checked": "$lambda x, size=@size, refuse=@refuse: x if "
        f"max(size(x.shape[1:])) <= {spec.tile} else refuse({_too_large(spec)!r})",
        "bring": "$lambda x, size=@size, kept=@kept: (x.meta.update(native_shape="
        "np.array(x.shape[1:])), x if list(x.shape[1:]) == size(x.shape[1:]) else kept("
        + _RESIZED.format(maps="x.as_tensor()[None]", size="size(x.shape[1:])")
        + "[0].round().clamp(0, 255), x))[1]",
        "pad": f"$lambda x: torch.nn.functional.pad(x, (0, -x.shape[2] % {MULTIPLE}, 0, "
        f"-x.shape[1] % {MULTIPLE}))",
        "back": "$lambda scores, image, size=@size, kept=@kept: (lambda native: kept((lambda maps: "
        + _RESIZED.format(maps="maps", size="native")
        + " if list(maps.shape[2:]) != native else maps)(torch.as_tensor(scores)[None, :, "
        ":size(native)[0], :size(native)[1]].cpu())[0], image))"
        "([int(n) for n in image.meta['native_shape']])",
    }


def _of_volume(spec: ModelSpec) -> list[Transform]:
    window = spec.preparation.window
    turned = spec.preparation.orientation == "RAS"
    return [
        {"_target_": "LoadImaged", "keys": "image", "reader": {"_target_": "NibabelReader"}},
        {"_target_": "EnsureChannelFirstd", "keys": "image"},
        *([_on("Orientationd", axcodes="RAS", labels=None)] if turned else []),
        _on("Lambdad", func="@checked"),
        _range(*window) if window else _on("Lambdad", func="@scale"),
    ]


def _of_slices(spec: ModelSpec) -> dict[str, str]:
    preparation = spec.preparation
    axis = slice_dimension(preparation)
    rows, columns = (number for number in range(3) if number != axis)
    side = 1 + rows, 1 + columns
    shape = f"(x.shape[{side[0]}], x.shape[{side[1]}])"
    spacing = preparation.spacing_mm
    if spacing is not None:
        length = "float(np.linalg.norm(np.asarray(affine)[:3, {}]))"
        sides = f"({length.format(rows)}, {length.format(columns)})"
        shape_in_mm = f"[max(1, round(n * side / {spacing!r})) for n, side in zip(shape, {sides})]"
        size = (
            f"$lambda shape, affine: (lambda shape: {_fitted(preparation, 'shape')})({shape_in_mm})"
        )
    else:
        size = f"$lambda shape, affine: {_fitted(preparation, 'shape')}"
    padding = [
        f"-x.shape[{number}] % {MULTIPLE}" if number - 1 != axis else "0"
        for number in (3, 2, 1)  # `pad` counts them from the last one.
    ]
    return {
        "size": size,
        "spread": "$lambda v, p, s: (lambda f: f if f[1] > f[0] else [float(v.min()), "
        "float(v.max())])([min(p[1], np.percentile(s, {low_high})[0]), max(p[1], np.percentile(s, "
        "{low_high})[1])] if s.size else [p[0], p[2]])".replace(
            "{low_high}", repr(preparation.percentiles)
        ),
        "special": "$lambda v, p, c, spread=@spread: (lambda s: [p[0], p[2]] if p[2] > p[0] and "
        f"not {STRAY!r} <= s.size / v.size <= {FEW!r} else spread(v, p, s))"
        "(v[np.abs(v - float(p[1])) > c])",
        "limits": "$lambda v, special=@special: (lambda p, c: [p[0], p[2]] if v.min() == v.max() "
        "or min(p[1] - p[0], p[2] - p[1]) > c else special(v, p, c))(np.percentile(v, "
        f"({preparation.percentiles[0]!r}, 50.0, {preparation.percentiles[1]!r})), "
        f"{CRUMBS!r} * (float(v.max()) - float(v.min())))",
        "scale": "$lambda x, limits=@limits, kept=@kept: kept(np.stack([np.clip("
        "(v.astype('float64') - low) / (high - low), 0, 1) if high > low else "
        "np.zeros(v.shape) for v in x.numpy() for low, high in [limits(v)]]), x)",
        "checked": _checked(spec, axis, shape),
        "bring": "$lambda x, size=@size, kept=@kept: (x.meta.update(native_shape="
        f"np.array(x.shape[1:])), kept((lambda maps, size: ("
        f"{_RESIZED.format(maps='maps', size='size')} "
        "if list(maps.shape[2:]) != size else maps))"
        f"(x.as_tensor().movedim({1 + axis}, 0), size({shape}, x.affine))"
        f".movedim(0, {1 + axis}), x))[1]",
        "as_sixteen_bits": "$lambda x, kept=@kept: kept(x.numpy().astype('float16')"
        ".astype('float32'), x)",
        "pad": "$lambda x: torch.nn.functional.pad(x, ("
        + ", ".join(f"0, {amount}" for amount in padding)
        + "))",
        "back": "$lambda scores, image, size=@size, kept=@kept: (lambda native: kept((lambda maps, "
        "size, native: (lambda maps: "
        + _RESIZED.format(maps="maps", size="native")
        + " if list(maps.shape[2:]) != native else maps)(maps[:, :, :size[0], :size[1]]))("
        f"torch.as_tensor(scores).cpu().movedim({1 + axis}, 0), size((native[{rows}], "
        f"native[{columns}]), image.affine), [native[{rows}], native[{columns}]]).movedim(0, "
        f"{1 + axis}), image))([int(n) for n in image.meta['native_shape']])",
    }


def _checked(spec: ModelSpec, axis: int, shape: str) -> str:
    """Refuse what `predict` would segment in another way than the rest of the configuration."""
    preparation = spec.preparation
    conditions = [(f"max(size({shape}, x.affine)) > {spec.tile}", _too_large(spec))]
    if preparation.orientation == "RAS":
        conditions.append(
            (
                "int(x.meta['sform_code']) == int(x.meta['qform_code']) == 0",
                "this volume does not say where it lies in space; ecs-med predict takes it",
            )
        )
    if preparation.plane == "auto":
        sides = (
            "[(float('inf') if n == 1 else float(np.linalg.norm(np.asarray(x.affine)[:3, i])), i) "
            "for i, n in enumerate(x.shape[1:])]"
        )
        conditions.append(
            (
                f"(lambda sides: sides[2][0] > {NEAR_TIE!r} * sides[1][0] and sides[2][1] != "
                f"{axis})(sorted({sides}))",
                f"the voxels of this volume are clearly coarsest across another plane than the "
                f"{_PLANES[axis]} one, in which this bundle slices; ecs-med predict takes it",
            )
        )
    refusals = "".join(f"refuse({words!r}) if {condition} else " for condition, words in conditions)
    return f"$lambda x, size=@size, refuse=@refuse: {refusals}x"


def _too_large(spec: ModelSpec) -> str:
    return (
        f"slices of more than {spec.tile} pixels go through in overlapping tiles, which this "
        "bundle does not do; ecs-med predict takes them"
    )


def _fitted(preparation: Preparation, shape: str) -> str:
    """Height and width after the bounds of the longer side, as `target_size` calculates them."""
    longest, shortest = preparation.max_size or MAX_SIDE * 2**10, preparation.min_size
    wanted = f"min(max(*{shape}, {shortest}), {longest})"
    return f"[max(1, round(n * ({wanted} / max({shape})))) for n in {shape}]"


def _on(target: str, **fields: Any) -> Transform:
    return {"_target_": target, "keys": "image", **fields}


def _range(lower: float, upper: float) -> Transform:
    return _on("ScaleIntensityRanged", a_min=lower, a_max=upper, b_min=0.0, b_max=1.0, clip=True)
