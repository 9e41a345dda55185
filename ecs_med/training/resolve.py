"""Deciding what the user left open: sizes, lengths, encoder, device, run folder."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from ecs_med.config import Orientation, Plane, Preparation, TrainConfig
from ecs_med.data.planes import Grid, InSpace, usual_plane
from ecs_med.data.readers import ScanHeader, read_header
from ecs_med.data.slicing import prepared_depth, prepared_size, target_size
from ecs_med.data.spacing import PixelSides, SliceDistances
from ecs_med.devices import autocast_dtype, choose_device
from ecs_med.distributed import local_rank, world_size
from ecs_med.errors import DataError, SettingsError
from ecs_med.files import cache_folder
from ecs_med.methods import method_class, with_own_settings
from ecs_med.names import file_name
from ecs_med.networks import Initialization, choose_initialization
from ecs_med.networks.base import NETWORKS, Network, network_settings
from ecs_med.sparse import LabeledCase
from ecs_med.training.augmentation import decided_augmentation
from ecs_med.training.dimensions import fitting_patch, with_dimensions
from ecs_med.training.images import Images
from ecs_med.types import UnlabeledCase

__all__ = ["Images", "default_run_folder", "look_at_images", "resolve"]

_SAMPLE = 64
_CPU_SIZE, _GPU_SIZE = 128, 1024
_SMALL_SIZE = 128


def look_at_images(
    cases: Sequence[LabeledCase | UnlabeledCase],
    config: TrainConfig,
    volumes: Sequence[InSpace] | None = None,
) -> Images:
    """Read the headers of some images and say what they have in common.

    Args:
        cases: At least one; up to 64, evenly spread, are read.
        config: What is decided already of the way in which volumes are sliced.
        volumes: All of the data set, by which `spacing` is decided; `None`: those that are read.

    Raises:
        DataError: If pictures and volumes are mixed, or numbers of channels differ.
        SettingsError: If slices would become larger than any network takes.
    """
    step = -(-len(cases) // _SAMPLE)
    sample = cases[::step]
    headers = [read_header(case.images, case.frame) for case in sample]
    first = headers[0]
    for case, header in zip(sample, headers, strict=True):
        if header.is_volume != first.is_volume:
            raise DataError(
                f"{case.images[0]}: pictures and volumes are mixed with {sample[0].images[0]}; "
                "train on one kind at a time."
            )
        if header.num_channels != first.num_channels:
            raise DataError(
                f"{case.images[0]}: has {header.num_channels} channels and {sample[0].images[0]} "
                f"has {first.num_channels}; give every case the same channels."
            )
    kind: Literal["picture", "volume"] = "volume" if first.is_volume else "picture"
    if kind == "picture":
        height, width = (int(np.median(side)) for side in zip(*_sizes(headers), strict=True))
        return Images(kind, first.num_channels, (height, width))
    plane = config.usual_plane or _usual_plane(cases, config.orientation)
    slicing = Preparation(orientation=config.orientation, plane=config.plane, usual_plane=plane)
    spacing, notes = _spacing(config, volumes or headers, slicing)
    slicing = slicing.model_copy(update={"spacing_mm": spacing})
    apart, distance, depth_notes = _slice_spacing(config, volumes or headers, slicing)
    slicing = slicing.model_copy(update={"slice_spacing_mm": apart})
    sizes = [
        (prepared_depth(header, slicing), *prepared_size(header, slicing)) for header in headers
    ]
    depth, height, width = (int(np.median(side)) for side in zip(*sizes, strict=True))
    return Images(
        kind,
        first.num_channels,
        (height, width),
        plane,
        spacing,
        notes,
        depth=depth,
        slice_spacing_mm=apart,
        depth_notes=depth_notes,
        anisotropy=_anisotropy(headers, slicing, distance),
    )


def _slice_spacing(
    config: TrainConfig, volumes: Iterable[InSpace], slicing: Preparation
) -> tuple[float | None, float | None, tuple[str, ...]]:
    """The distance that slices are brought to, the usual one then, and why, if data decided."""
    distances = SliceDistances.of(volumes, slicing)
    median = distances.median if distances else None
    if isinstance(config.slice_spacing, float):
        return config.slice_spacing, config.slice_spacing, ()
    if distances is None or config.slice_spacing == "none" or distances.wanted is None:
        return None, median, ()
    return distances.wanted, distances.wanted, (distances.sentence(),)


def _anisotropy(
    headers: Sequence[ScanHeader], slicing: Preparation, distance: float | None
) -> float | None:
    """Distance of slices in sides of a pixel, as networks would see them without bounds of size."""
    sides = PixelSides.of(headers, slicing)
    if sides is None or distance is None:
        return None
    return distance / (slicing.spacing_mm or sides.median)


def _sizes(headers: Sequence[ScanHeader]) -> list[tuple[int, int]]:
    return [(header.shape[0], header.shape[1]) for header in headers]


def _spacing(
    config: TrainConfig, volumes: Iterable[InSpace], slicing: Preparation
) -> tuple[float | None, tuple[str, ...]]:
    """The side of a pixel that slices are resampled to, and a sentence if data decided on it."""
    if config.spacing == "none" or isinstance(config.spacing, float):
        return (None if config.spacing == "none" else config.spacing), ()
    sides = PixelSides.of(volumes, slicing)
    if sides is None or sides.wanted is None:
        return None, ()
    return sides.wanted, (sides.sentence(),)


def _usual_plane(cases: Sequence[LabeledCase | UnlabeledCase], orientation: Orientation) -> Plane:
    """One decision for all runs on a data set, whatever the order of their cases is."""
    ordered = sorted(cases, key=lambda case: case.id)
    headers = [read_header(case.images) for case in ordered[:: -(-len(ordered) // _SAMPLE)]]
    grids = [Grid.of(header, orientation) for header in headers]
    return usual_plane([grid for grid in grids if grid is not None])


def resolve(
    config: TrainConfig, images: Images, run: Path, from_run: Collection[str] = ()
) -> tuple[TrainConfig, tuple[Initialization, Initialization]]:
    """Replace everything automatic by what it means for these images on this machine.

    Args:
        config: As the user gave it.
        images: What it is to be trained on.
        run: The run folder.
        from_run: Networks whose weights come from another run.

    Returns:
        The complete settings, and the initialization of segmenter and corrector.

    Raises:
        SettingsError: If network, encoder, weights or device cannot be had.
    """
    device = choose_device(config.device)
    if device.type == "cuda" and world_size() > 1:
        device = choose_device(f"cuda:{local_rank()}")
    on_cpu = device.type == "cpu"
    config, _ = with_dimensions(config, images, on_cpu=on_cpu)
    network = _fitting_network(config)
    is_deep = network.spatial_dims == 3
    told = network_settings(config.network, config.network_settings)
    initializations = choose_initialization(
        config,
        from_run,
        has_encoder=network.has_encoder,
        own_encoders=network.own_encoders,
        with_corrector=not is_deep
        and "corrector_encoder" in method_class(config.method).own_settings,
    )
    max_size = (
        config.max_size if config.max_size is not None else (_CPU_SIZE if on_cpu else _GPU_SIZE)
    )
    min_size = (
        config.min_size if config.min_size is not None else min(_SMALL_SIZE, max_size or 10**9)
    )
    if is_deep and config.min_size is None:
        min_size = 0  # Networks of volumes decode at full resolution.
    size = target_size(images.size, max_size, min_size)
    patch = None
    if is_deep:
        patch = config.patch or fitting_patch(config, (images.depth, *size), on_cpu=on_cpu)
    iterations = config.iterations or (1_000 if on_cpu else 10_000)
    bf16 = autocast_dtype(config.precision, device) is torch.bfloat16
    resolved = config.model_copy(
        update={
            "run": run,
            "device": str(device),
            "precision": "bf16" if bf16 else "fp32",
            "iterations": iterations,
            "batch": config.batch or (2 if is_deep else 8),
            "max_size": max_size,
            "min_size": min_size,
            "usual_plane": config.usual_plane or images.usual_plane,
            "spacing": _decided_spacing(config, images),
            "augmentation": decided_augmentation(config.augmentation, images.up),
            "slice_spacing": _decided_slice_spacing(config, images) if is_deep else "none",
            "crop": config.crop or (max(patch) if patch else _fitting_crop(size)),
            "patch": patch,
            "network_settings": told.model_dump(mode="json"),
            "encoder": initializations[0].encoder if network.has_encoder else "none",
            "corrector_encoder": "none" if is_deep else initializations[1].encoder,
            "encoder_weights": _weights_setting(config, initializations),
            "cache": config.cache or cache_folder("prepared"),
        }
    )
    if resolved.crop is not None and resolved.crop % 32 and not is_deep:
        raise SettingsError(f"`crop` must be a multiple of 32 pixels (got {resolved.crop}).")
    return with_own_settings(resolved), initializations


def _decided_spacing(config: TrainConfig, images: Images) -> float | Literal["none"]:
    if config.spacing == "auto":
        return images.spacing_mm or "none"
    return config.spacing


def _decided_slice_spacing(config: TrainConfig, images: Images) -> float | Literal["none"]:
    if config.slice_spacing == "auto":
        return images.slice_spacing_mm or "none"
    return config.slice_spacing


def _fitting_network(config: TrainConfig) -> type[Network]:
    """The segmenter's architecture, if training can use it."""
    network = NETWORKS.get(config.network)
    if config.frozen_norm and not network.has_encoder:
        raise SettingsError(
            f"The network {network.name} has no encoder whose batch normalization could stay as it "
            "is; leave `frozen_norm` out."
        )
    if config.freeze_encoder and not network.has_encoder:
        raise SettingsError(
            f"The network {network.name} has no encoder that could stay as it is; leave "
            "`freeze_encoder` out."
        )
    if network.has_encoder and config.encoder != "auto":
        network.check_encoder(config.encoder)
    return network


def preparation_of(config: TrainConfig) -> Preparation:
    """How scans are prepared under resolved settings."""
    reading = config.reading
    return Preparation(
        max_size=config.max_size or 0,
        min_size=config.min_size or 0,
        field_of_view=config.field_of_view,
        orientation=config.orientation,
        plane=config.plane,
        usual_plane=config.usual_plane or "axial",
        spacing_mm=config.spacing if isinstance(config.spacing, float) else None,
        slice_spacing_mm=(
            config.slice_spacing if isinstance(config.slice_spacing, float) else None
        ),
        window=reading.window,
        percentiles=reading.percentiles,
    )


def default_run_folder(config: TrainConfig, data_name: str) -> Path:
    """`runs/<data>-<method>-<labeled>-s<seed>`, with characters that any file system takes."""
    is_file = Path(config.labeled).is_file()
    labeled = Path(config.labeled).stem if is_file else config.labeled
    labeled = labeled.replace("%", "pct").replace("/", "-")
    fold = "" if config.fold is None else f"-f{config.fold}"
    name = f"{data_name}-{config.method}-{labeled}-s{config.seed}{fold}"
    return Path("runs") / file_name(name)


def _fitting_crop(size: tuple[int, int]) -> int:
    return min(512, -(-max(size) // 32) * 32)


def _weights_setting(config: TrainConfig, initializations: Sequence[Initialization]) -> str:
    """Where encoders get weights from, other than from a run."""
    sources = [i.source for i in initializations]
    source = next((s for s in sources if s not in ("run", "network")), "none")
    if source == "file":
        return config.encoder_weights
    return "none" if source == "none" else "imagenet"
