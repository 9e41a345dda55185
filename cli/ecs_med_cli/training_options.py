"""Options of a training run; every command that trains takes them from here.

A command's signature names them one by one, because `--help` is made from it; their values reach
the settings by name through `training_settings`, so that an option is described in one place.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ecs_med_cli.data_options import given_reading

__all__ = [
    "Batch",
    "ConfigFile",
    "CorrectorEncoder",
    "Crop",
    "Data",
    "Device",
    "DrawName",
    "Encoder",
    "EncoderWeights",
    "EvaluateEvery",
    "Iterations",
    "Jitter",
    "JsonAtEnd",
    "MaxSize",
    "MinSize",
    "Network",
    "NoFlip",
    "Precision",
    "Scale",
    "StartFrom",
    "Workers",
    "named_settings",
    "training_settings",
]

Data = Annotated[
    Path | None, typer.Option("--data", help="Folder or list file (see `ecs-med check`).")
]
DrawName = Annotated[
    str | None,
    typer.Option("--draw", help="How labels are drawn: random, foreground, or stratified."),
]
Iterations = Annotated[
    int | None, typer.Option("--iterations", help="Training steps; else 1000, on a GPU 10000.")
]
Batch = Annotated[
    int | None,
    typer.Option("--batch", help="Labelled images per step, and as many unlabelled; else 8."),
]
Crop = Annotated[int | None, typer.Option("--crop", help="Side of the training crop in pixels.")]
MaxSize = Annotated[
    int | None,
    typer.Option(
        "--max-size", "--resize", help="Longer side to bring images down to first; 0: never."
    ),
]
MinSize = Annotated[
    int | None,
    typer.Option(
        "--min-size", "--enlarge", help="Longer side to bring smaller images up to; 0: never."
    ),
]
Network = Annotated[
    str | None,
    typer.Option("--network", help="Segmenter's architecture: deeplabv3plus or deeplabv2."),
]
StartFrom = Annotated[
    Path | None,
    typer.Option("--start-from", help="Finished run whose networks this one begins with."),
]
Encoder = Annotated[
    str | None,
    typer.Option(
        "--encoder", help="Segmenter's encoder, by its name in timm or segmentation-models."
    ),
]
CorrectorEncoder = Annotated[
    str | None, typer.Option("--corrector-encoder", help="Corrector's encoder.")
]
EncoderWeights = Annotated[
    str | None, typer.Option("--encoder-weights", help="imagenet, none, or a file.")
]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")]
Precision = Annotated[str | None, typer.Option("--precision", help="auto, fp32, bf16.")]
EvaluateEvery = Annotated[
    int | None,
    typer.Option("--evaluate-every", help="Steps between validations; else a tenth of all."),
]
Workers = Annotated[
    int | None, typer.Option("--workers", help="Processes that prepare batches; else none.")
]
Scale = Annotated[
    tuple[float, float] | None,
    typer.Option("--scale", help="Random zoom, lowest and highest, such as 0.5 2.0."),
]
Jitter = Annotated[
    float | None, typer.Option("--jitter", help="Random brightness and contrast, 0 to 1.")
]
NoFlip = Annotated[bool, typer.Option("--no-flip", help="Never mirror left and right.")]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="YAML or JSON file of settings; options here override it."),
]
JsonAtEnd = Annotated[
    bool, typer.Option("--json", help="Print one JSON object at the end, nothing else.")
]

_SAME_NAME = (
    "draw",
    "iterations",
    "batch",
    "crop",
    "max_size",
    "min_size",
    "network",
    "encoder",
    "corrector_encoder",
    "encoder_weights",
    "device",
    "precision",
    "evaluate_every",
    "workers",
)


def named_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the options that are settings of the same name, as far as the command has them."""
    return {name: given[name] for name in _SAME_NAME if name in given}


def training_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Values for `TrainConfig`, `None` where an option was not given.

    Args:
        given: Values of a command's options by parameter name (`typer.Context.params`).

    Raises:
        SettingsError: If an option on masks cannot be read.
    """
    return {
        **named_settings(given),
        "reading": given_reading(given),
        "augmentation": {
            "scale": given["scale"],
            "jitter": given["jitter"],
            "flip": False if given["no_flip"] else None,
        },
    }
