"""Whether volumes are segmented slice by slice, slices with their neighbours, or as volumes.

`dims` says which: `2`, `2.5` (a slice with one neighbour on either side as further channels), `3`,
or `auto`; where it is left open, `network` and `context` say it, which are for slices unless a
user says otherwise. In 3-D the network is `unet3d` on a CPU and `dynunet` on a GPU where no other
is named. `auto` goes by the median volume of the data set, as networks see it:

- slices that lie apart by more than `ANISOTROPY` sides of a pixel: 2.5, since what touches in space
  does not in the next slice (the threshold is that of nnU-Net's anisotropic plans);
- fewer than `FEW_SLICES` slices: 2.5, since a patch would be padding for the most part;
- on a CPU, more than `CPU_VOXELS` voxels: 2, since patches of the size that a CPU can train on
  would see a small part of a volume at a time;
- else 3.
"""

import math

from ecs_med.config import TrainConfig
from ecs_med.errors import SettingsError
from ecs_med.methods import method_class
from ecs_med.networks.base import NETWORKS, USUAL_NETWORK
from ecs_med.training.images import Images

__all__ = ["ANISOTROPY", "CPU_VOXELS", "FEW_SLICES", "fitting_patch", "with_dimensions"]

ANISOTROPY = 3.0
FEW_SLICES = 16
CPU_VOXELS = 96**3

_CPU_CROP, _GPU_CROP = 48, 96
_MULTIPLE = 16
"""Of the sides of patches, which networks halve four times."""


def with_dimensions(
    config: TrainConfig, images: Images, *, on_cpu: bool
) -> tuple[TrainConfig, str | None]:
    """Decide network and context by `dims`.

    Args:
        config: As the user gave it.
        images: What it is to be trained on.
        on_cpu: Whether it is trained on a CPU.

    Returns:
        The settings with `dims` decided, and a sentence where the data decided.

    Raises:
        SettingsError: If dimensions, network, method and images do not go together.
    """
    said: str | None = config.dims
    sentence = None
    if said == "auto":
        said, reason = _by_images(images, on_cpu)
        sentence = f"Trained in {_WORDS[said]}: {reason}; `dims` says otherwise."
    network, context = config.network, config.context
    if network == "auto":
        network = ("unet3d" if on_cpu else "dynunet") if said == "3" else USUAL_NETWORK
    if said == "2.5" and not context:
        context = 1
    dims = NETWORKS.get(network).spatial_dims
    found = "3" if dims == 3 else "2.5" if context else "2"
    if said is not None and said != found:
        raise _contradiction(said, f"{network}` and `context={context}")
    _check(images, network, dims, context, config.method)
    return config.model_copy(
        update={"dims": found, "network": network, "context": context}
    ), sentence


_WORDS = {
    "2": "2-D, slice by slice",
    "2.5": "2.5-D, slices with their neighbours",
    "3": "3-D, patches of volumes",
}


def fitting_patch(
    config: TrainConfig, size: tuple[int, int, int], *, on_cpu: bool
) -> tuple[int, int, int]:
    """Slices, height and width of a training patch in voxels, multiples of 16.

    Args:
        config: With `crop`, the longest side; `None`: 48 on a CPU, 96 on a GPU.
        size: Of the median volume as networks see it; a side is not longer than it needs to be.
        on_cpu: Whether it is trained on a CPU.

    Raises:
        SettingsError: If `crop` is no multiple of 16.
    """
    crop = config.crop or (_CPU_CROP if on_cpu else _GPU_CROP)
    if crop % _MULTIPLE:
        raise SettingsError(f"`crop` must be a multiple of {_MULTIPLE} voxels in 3-D (got {crop}).")
    depth, height, width = (
        min(crop, max(_MULTIPLE, -(-side // _MULTIPLE) * _MULTIPLE)) for side in size
    )
    # Instance normalization needs more than one voxel at the lowest resolution.
    return depth, max(height, 2 * _MULTIPLE), max(width, 2 * _MULTIPLE)


def _by_images(images: Images, on_cpu: bool) -> tuple[str, str]:
    if images.kind == "picture":
        return "2", "these are pictures"
    depth, (height, width) = images.depth, images.size
    if depth < FEW_SLICES:
        return "2.5", f"volumes have {depth} slices, which is fewer than {FEW_SLICES}"
    ratio = images.anisotropy
    if ratio is not None and ratio > ANISOTROPY:
        return "2.5", f"slices lie {ratio:.3g} pixels apart, which is more than {ANISOTROPY:g}"
    shape = f"{depth} x {height} x {width} voxels"
    if on_cpu and math.prod((depth, height, width)) > CPU_VOXELS:
        return "2", f"volumes of {shape} are more than a CPU trains on as volumes"
    apart = "" if ratio is None else f", slices {ratio:.3g} pixels apart"
    return "3", f"volumes have {shape}{apart}"


def _check(images: Images, network: str, dims: int, context: int, method: str) -> None:
    if images.kind == "picture" and (dims == 3 or context):
        what = (
            f"The network {network} segments volumes" if dims == 3 else "`context` is for volumes"
        )
        raise SettingsError(
            f"{what}, and these are pictures; leave `dims`, `network` and `context` out."
        )
    if dims == 3 and context:
        raise SettingsError(
            f"The network {network} sees volumes, so that slices need no neighbours; leave "
            "`context` out."
        )
    allowed = method_class(method).spatial_dims
    if dims not in allowed:
        raise SettingsError(
            f"The method {method} has networks for {allowed[0]} dimensions alone, and {network} "
            f"segments {dims}; choose another `method`, or another `network` by `dims=2`."
        )


def _contradiction(said: str, network: str) -> SettingsError:
    return SettingsError(
        f"`dims={said}` and `network={network}` contradict each other; leave one of them out."
    )
