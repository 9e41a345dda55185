"""Graphs of a model's networks, made once and kept beside the model."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

from ecs_med.data.checks.contents import files_digest
from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.files import cache_folder, make_folder
from ecs_med.inference.graph_networks import GraphCopies
from ecs_med.inference.graphs import make_graphs
from ecs_med.networks.tracing import OPSET, require_onnx
from ecs_med.runs import ModelSpec, RunFolder
from ecs_med.tensors import read_tensors, write_tensors

__all__ = ["graph_copies"]

_LAYOUT = 1
"""Raised where what stands for networks asks something else of a graph."""
_KEY = "key"


def graph_copies(
    run: Path, spec: ModelSpec, networks: Mapping[str, nn.Module], tell: Callable[[str], None]
) -> GraphCopies:
    """Graphs that stand for the networks of a run.

    They are read from the run folder or the user's cache folder, if they were made of the same
    weights by the same versions; else they are made and kept in the first of the two that can be
    written.

    Args:
        run: The run folder.
        spec: Of the model.
        networks: On the CPU, by `segmenter`, `corrector`, `classifier`.
        tell: Is told in a sentence that graphs are being made.

    Raises:
        MissingExtraError: If what makes or computes graphs is not installed.
        SettingsError: If the model sees volumes, or a network cannot be written as a graph.
    """
    require_onnx("`backend=onnx`")
    if spec.spatial_dims == 3:
        raise SettingsError(
            f"{run}: `backend=onnx` computes slices, and this model sees patches of volumes; leave "
            "out `backend`."
        )
    key = _key(RunFolder(run))
    places = [RunFolder(run).graphs_file, cache_folder("graphs") / f"{key}.safetensors"]
    for path in places:
        if (graphs := _kept(path, key, networks)) is not None:
            # What is whole may still be beyond this build of ONNX Runtime.
            with suppress(Exception):
                return GraphCopies(networks, graphs)
    tell("making ONNX graphs of the model, once: up to a minute")
    graphs = make_graphs(networks, spec.network_channels, spec.num_classes)
    _keep(places, key, graphs)
    return GraphCopies(networks, graphs)


def _key(run: RunFolder) -> str:
    """Of all that a graph depends on."""
    files = files_digest([run.weights_file, run.spec_file])
    versions = [version(name) for name in ("ecs-med", "torch", "onnxscript")]
    text = " ".join([str(_LAYOUT), str(OPSET), *versions, files])
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _kept(path: Path, key: str, networks: Mapping[str, nn.Module]) -> dict[str, bytes] | None:
    try:
        tensors, words = read_tensors(path)
    except (OSError, ValueError):
        return None
    if words.get(_KEY) != key or tensors.keys() != networks.keys():
        return None
    return {name: values.numpy().tobytes() for name, values in tensors.items()}


def _keep(places: list[Path], key: str, graphs: Mapping[str, bytes]) -> None:
    """Where it cannot be kept at all, it is made again the next time."""
    tensors = {
        name: torch.frombuffer(bytearray(content), dtype=torch.uint8)
        for name, content in graphs.items()
    }
    for path in places:
        with suppress(RunFolderError):
            make_folder(path.parent)
            write_tensors(path, tensors, {_KEY: key})
            return
