"""Preparation of volumes as transforms of a bundle, for networks of slices and of volumes.

The tensor of a volume is `(C, X, Y, Z)` with the axes of the body. Networks of slices see it slice
by slice along one of these; for networks of volumes that axis comes first, `(C, D, H, W)`.
"""

from ecs_med.config import Preparation
from ecs_med.data.intensities import CRUMBS, FEW, STRAY
from ecs_med.data.planes import NEAR_TIE
from ecs_med.export.bundle.shaping import (
    MULTIPLE,
    RESIZED,
    Transform,
    fitted,
    on,
    ranged,
    too_large,
)
from ecs_med.runs import ModelSpec

__all__ = ["slice_dimension", "volume_expressions", "volume_transforms"]

_PLANES = ("sagittal", "coronal", "axial")
_LENGTH = "float(np.linalg.norm(np.asarray(affine)[:3, {}]))"
"""Expression of the side of a voxel along an axis, in mm."""


def slice_dimension(preparation: Preparation) -> int:
    """Axis of a volume's tensor, from 0, along which slices follow one another."""
    plane = preparation.usual_plane if preparation.plane == "auto" else preparation.plane
    return _PLANES.index(plane)


def volume_transforms(spec: ModelSpec) -> list[Transform]:
    """From a file to what is normalised, `(C, *spatial)`."""
    window = spec.preparation.window
    turned = spec.preparation.orientation == "RAS"
    return [
        {"_target_": "LoadImaged", "keys": "image", "reader": {"_target_": "NibabelReader"}},
        {"_target_": "EnsureChannelFirstd", "keys": "image"},
        *([on("Orientationd", axcodes="RAS", labels=None)] if turned else []),
        on("Lambdad", func="@checked"),
        ranged(*window) if window else on("Lambdad", func="@scale"),
        on("Lambdad", func="@bring"),
        on("Lambdad", func="@as_sixteen_bits"),
        *([on("Lambdad", func="@beside")] if spec.context else []),
        *([on("Lambdad", func="@stand")] if spec.spatial_dims == 3 else []),
    ]


def volume_expressions(spec: ModelSpec) -> dict[str, str]:
    """Expressions that these transforms, and the way back, refer to by name."""
    axis = slice_dimension(spec.preparation)
    seen = _standing(spec, axis) if spec.spatial_dims == 3 else _lying(spec, axis)
    return {
        "size": _size(spec.preparation, axis),
        **_intensities(spec.preparation),
        "checked": _checked(spec, axis),
        "bring": _bring(axis),
        "as_sixteen_bits": "$lambda x, kept=@kept: kept(x.numpy().astype('float16')"
        ".astype('float32'), x)",
        **seen,
        "back": _back(spec, axis),
    }


def _in_plane(axis: int) -> tuple[int, int]:
    rows, columns = (number for number in range(3) if number != axis)
    return rows, columns


def _shape(axis: int) -> str:
    rows, columns = _in_plane(axis)
    return f"(x.shape[{1 + rows}], x.shape[{1 + columns}])"


def _size(preparation: Preparation, axis: int) -> str:
    """Height and width of slices as networks see them, of those of the volume."""
    spacing = preparation.spacing_mm
    if spacing is None:
        return f"$lambda shape, affine: {fitted(preparation, 'shape')}"
    sides = "({}, {})".format(*(_LENGTH.format(number) for number in _in_plane(axis)))
    shape_in_mm = f"[max(1, round(n * side / {spacing!r})) for n, side in zip(shape, {sides})]"
    return f"$lambda shape, affine: (lambda shape: {fitted(preparation, 'shape')})({shape_in_mm})"


def _intensities(preparation: Preparation) -> dict[str, str]:
    """The range of a volume by its percentiles, as `data.intensities` finds it."""
    return {
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
    }


def _bring(axis: int) -> str:
    return (
        "$lambda x, size=@size, kept=@kept: (x.meta.update(native_shape="
        "np.array(x.shape[1:])), kept((lambda maps, size: ("
        f"{RESIZED.format(maps='maps', size='size')} "
        "if list(maps.shape[2:]) != size else maps))"
        f"(x.as_tensor().movedim({1 + axis}, 0), size({_shape(axis)}, x.affine))"
        f".movedim(0, {1 + axis}), x))[1]"
    )


def _lying(spec: ModelSpec, axis: int) -> dict[str, str]:
    """What a network of slices sees: neighbours as channels, and sides that fit it."""
    padding = [
        f"-x.shape[{number}] % {MULTIPLE}" if number - 1 != axis else "0"
        for number in (3, 2, 1)  # `pad` counts them from the last one.
    ]
    amounts = ", ".join(f"0, {amount}" for amount in padding)
    found = {"pad": f"$lambda x: torch.nn.functional.pad(x, ({amounts}))"}
    if spec.context:
        count = f"x.shape[{1 + axis}]"
        found["beside"] = (
            f"$lambda x, kept=@kept: kept(torch.cat([x.as_tensor().index_select({1 + axis}, "
            f"(torch.arange({count}) + step).clamp(0, {count} - 1)) for step in "
            f"range({-spec.context}, {spec.context + 1})]), x)"
        )
    return found


def _standing(spec: ModelSpec, axis: int) -> dict[str, str]:
    """What a network of volumes sees: slices first, at the distance of training."""
    distance = spec.preparation.slice_spacing_mm
    if distance is None:
        return {"stand": f"$lambda x, kept=@kept: kept(x.as_tensor().movedim({1 + axis}, 1), x)"}
    return {
        "depth": f"$lambda count, affine: max(1, round(count * {_LENGTH.format(axis)} / "
        f"{distance!r}))",
        "weights": "$lambda old, new: torch.nn.functional.interpolate(torch.eye(old)[None, None], "
        "(new, old), mode='bilinear', antialias=new < old)[0, 0]",
        # Slice by slice in NumPy, as `predict`: sixteen bits would enlarge differences of rounding.
        "stand": "$lambda x, depth=@depth, weights=@weights, kept=@kept: (lambda v: kept("
        "np.stack([np.tensordot(row[row != 0], v[row != 0], axes=1) for row in "
        "weights(len(v), depth(len(v), x.affine)).numpy()]).astype('float16').astype('float32')"
        f".swapaxes(0, 1), x))(np.moveaxis(x.numpy(), {1 + axis}, 0))",
    }


def _back(spec: ModelSpec, axis: int) -> str:
    """From scores of what the network saw to those of the volume, whose axes are the body's."""
    rows, columns = _in_plane(axis)
    along = 1 if spec.spatial_dims == 3 else 1 + axis
    slices = f"torch.as_tensor(scores).cpu().movedim({along}, 0)"
    weights = ""
    if spec.spatial_dims == 3 and spec.preparation.slice_spacing_mm is not None:
        weights = ", weights=@weights"
        slices = (
            "(lambda maps: torch.einsum('od,dkhw->okhw', weights(len(maps), "
            f"native[{axis}]), maps))({slices})"
        )
    return (
        f"$lambda scores, image, size=@size, kept=@kept{weights}: (lambda native: kept((lambda "
        "maps, size, native: (lambda maps: "
        + RESIZED.format(maps="maps", size="native")
        + " if list(maps.shape[2:]) != native else maps)(maps[:, :, :size[0], :size[1]]))("
        f"{slices}, size((native[{rows}], "
        f"native[{columns}]), image.affine), [native[{rows}], native[{columns}]]).movedim(0, "
        f"{1 + axis}), image))([int(n) for n in image.meta['native_shape']])"
    )


def _checked(spec: ModelSpec, axis: int) -> str:
    """Refuse what `predict` would segment in another way than the rest of the configuration."""
    preparation = spec.preparation
    conditions = []
    if spec.spatial_dims == 2:
        large = f"max(size({_shape(axis)}, x.affine)) > {spec.tile}"
        conditions.append((large, too_large(spec)))
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
