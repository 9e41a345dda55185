"""A trained model in the files of its run: written, and loaded to be applied."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ecs_med.devices import choose_device
from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.files import require_readable
from ecs_med.inference.copies import QuickCopies
from ecs_med.inference.graph_cache import graph_copies
from ecs_med.inference.model import Model
from ecs_med.networks import Initialization, build_segmenter
from ecs_med.networks.classifier import build_classifier
from ecs_med.networks.correctors import CorrectorPlan, corrector_kind
from ecs_med.networks.modes import in_layout
from ecs_med.networks.quick import quicken
from ecs_med.runs import ModelSpec, RunFolder
from ecs_med.runs.newest import newest_run
from ecs_med.tensors import read_tensors, write_tensors

__all__ = ["BACKENDS", "load_model", "read_spec", "save_model"]

BACKENDS = ("torch", "onnx")
"""What can compute a model's networks."""


def save_model(model: Model) -> None:
    """Write `model.safetensors` and `model.json` of a run, each atomically."""
    tensors = {
        f"{name}.{key}": value
        for name, network in model.networks().items()
        for key, value in network.state_dict().items()
    }
    folder = RunFolder(model.run)
    write_tensors(folder.weights_file, tensors)
    model.spec.write(folder.spec_file)


def load_model(
    run: Path | str | None = None,
    device: str = "auto",
    *,
    backend: str = "torch",
    tell: Callable[[str], None] | None = None,
) -> Model:
    """Load the model of a run.

    Args:
        run: Run folder; `None`: the newest one below `runs/`.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        backend: What computes the networks: `torch`, or on a CPU `onnx`, ONNX Runtime, which takes
            less time and gives the same but for rounding. It needs the extra `onnx`; graphs are
            made at first, and kept in the run folder or else in the user's cache folder.
        tell: Is told in a sentence what takes long.

    Raises:
        RunFolderError: If there is no such run, or its files are missing or damaged.
        SettingsError: If the device is not there, the network's package is not installed, or the
            backend cannot compute the model there.
        MissingExtraError: If what the backend needs is not installed.

    Example:
        >>> import ecs_med
        >>> ecs_med.load_model(run).spec.class_names
        ('background', 'class 1', 'class 2')
    """
    folder = newest_run() if run is None else Path(run)
    spec = read_spec(folder)
    target = choose_device(device)
    _check_backend(backend, target)
    networks = _networks(spec, RunFolder(folder).spec_file)
    named = {name: network for name, network in networks.items() if network is not None}
    _fill(RunFolder(folder).weights_file, named)
    for network in named.values():
        in_layout(quicken(network).to(target)).eval()
    quick = QuickCopies()
    if backend == "onnx":
        quick = graph_copies(folder, spec, named, tell or (lambda _: None))
    return Model(spec, **networks, device=target, run=folder, quick=quick)


def _check_backend(backend: str, device: torch.device) -> None:
    if backend not in BACKENDS:
        raise SettingsError(f"Unknown backend '{backend}'; use {' or '.join(BACKENDS)}.")
    if backend == "onnx" and device.type != "cpu":
        raise SettingsError(
            f"`backend=onnx` computes on the CPU, and the device is {device}; use `device=cpu`, or "
            "leave out `backend`."
        )


def _networks(spec: ModelSpec, path: Path) -> dict[str, Any]:
    """Segmenter, corrector and classifier without their weights, `None` for what there is not."""
    first = Initialization(spec.encoder or spec.network, "none")
    size = {"in_channels": spec.network_channels, "num_classes": spec.num_classes}
    settings = spec.network_settings
    corrector, classifier = None, None
    try:
        segmenter = build_segmenter(first, **size, network=spec.network, settings=settings)
        if spec.corrector is not None:
            second = Initialization(spec.corrector_encoder or "none", "none")
            stride = spec.corrector_output_stride
            plan = CorrectorPlan(
                segmenter,
                second,
                **size,
                output_stride=stride,
                network=spec.network,
                network_settings=settings,
            )
            corrector = corrector_kind(spec.corrector).build(plan)
        if spec.presence is not None:
            classifier = build_classifier(first, **size)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error
    return {"segmenter": segmenter, "corrector": corrector, "classifier": classifier}


def read_spec(folder: Path) -> ModelSpec:
    """What the model of a run expects, without its weights.

    Raises:
        RunFolderError: If there is no model, or its file is damaged.
    """
    path = RunFolder(folder).spec_file
    if not path.is_file():
        raise RunFolderError(
            f"{folder}: no trained model here ({path.name} is missing); name a run folder that "
            "`ecs-med train` has finished."
        )
    return ModelSpec.read(path)


def _fill(path: Path, networks: dict[str, nn.Module]) -> None:
    remedy = "train again or restore the file"
    require_readable(path)
    try:
        tensors, _ = read_tensors(path)
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path}: missing or damaged ({error}); {remedy}.") from error
    for name, network in networks.items():
        prefix = f"{name}."
        state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise RunFolderError(f"{path}: does not fit the model's settings; {remedy}.") from error
