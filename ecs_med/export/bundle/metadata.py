"""`configs/metadata.json` of a bundle, and the words beside it."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ecs_med.export.base import Request
from ecs_med.export.bundle.network import is_stock
from ecs_med.inference.one_input import stored_values
from ecs_med.runs import RunFolder

__all__ = ["SCHEMA_URL", "metadata", "readme"]

SCHEMA_URL = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
    "meta_schema_20240725.json"
)
_VERSION = "0.1.0"


def metadata(request: Request) -> dict[str, Any]:
    """What the schema of bundles asks for, and how tools show the classes."""
    spec = request.model.spec
    what = "pictures"
    if spec.kind == "volume":
        what = "volumes" if spec.patch else "volumes, slice by slice"
    classes = {str(number): name for number, name in enumerate(spec.class_names)}
    shape = list(spec.patch) if spec.patch else ["16*n", "16*n"]
    image = {
        "type": "image",
        "format": "magnitude" if spec.kind == "volume" else "rgb",
        "modality": "n/a",
        "num_channels": spec.network_channels,
        "spatial_shape": shape,
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": spec.patch is not None,
        "channel_def": _channels(request),
    }
    scores = {
        "type": "probabilities" if request.corrects else "image",
        "format": "segmentation",
        "num_channels": spec.num_classes,
        "spatial_shape": shape,
        "dtype": "float32",
        "value_range": [0, 1] if request.corrects else [],
        "is_patch_data": spec.patch is not None,
        "channel_def": classes,
    }
    return {
        "schema": SCHEMA_URL,
        "version": _VERSION,
        "changelog": {_VERSION: f"exported by ecs-med {version('ecs-med')}"},
        "monai_version": version("monai"),
        "pytorch_version": version("torch").partition("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": _versions(request),
        "task": f"segmentation of {what}: {', '.join(spec.class_names[1:])}",
        "description": _description(request),
        "authors": "not stated",
        "copyright": "not stated",
        "intended_use": "research; not cleared as a medical device",
        "label_values": {
            str(value): name
            for value, name in zip(
                stored_values(request.model).tolist(), spec.class_names, strict=True
            )
        },
        "eval_metrics": _scores(request),
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": scores}},
    }


def readme(request: Request) -> str:
    """`docs/README.md`: what it is, and the commands."""
    spec = request.model.spec
    source = "NIfTI volumes" if spec.kind == "volume" else "pictures (grey or RGB, 8 bits)"
    names = ", ".join(
        f"{value} {name}"
        for value, name in zip(stored_values(request.model).tolist(), spec.class_names, strict=True)
    )
    has = {"nibabel", "pytorch-ignite", "timm"}  # come with the extras of monai, and with smp
    needed = "".join(f" {package}" for package in _packages(request) if package not in has)
    return f"""# Segmentation bundle

{_description(request)}

Labels: {names}.

It needs

```bash
pip install 'monai[fire,ignite,nibabel]' jsonschema{needed}
```

and is run in the folder of the bundle, with {source} in `data/`; label maps come into `eval/`:

```bash
python -m monai.bundle run --config_file configs/inference.json
```

Checks, which need no network:

```bash
python -m monai.bundle verify_metadata --meta_file configs/metadata.json \\
    --filepath docs/metadata.schema.json
python -m monai.bundle verify_net_in_out --net_id network_def --meta_file configs/metadata.json \\
    --config_file configs/inference.json --n 4 --device cpu
```

`docs/metadata.schema.json` says what ecs-med holds metadata to; MONAI's own schema is at the
address that `schema` in `configs/metadata.json` has.
"""


def _description(request: Request) -> str:
    spec = request.model.spec
    on = f" on {spec.encoder}" if spec.encoder else ""
    text = f"{spec.network}{on}, trained with '{spec.method}' by ecs-med; {spec.initialization}."
    if request.corrects:
        where = "by a second pass of the network" if spec.patch else "inside the network"
        text += f" Labels are those with the corrector's corrections, {where}."
    elif request.uncorrected:
        text += " The segmenter alone: what ecs-med predict corrects is left as it is."
    if not is_stock(request):
        text += " The network is a graph of TorchScript."
    return text


def _channels(request: Request) -> dict[str, str]:
    spec = request.model.spec
    names = ("red", "green", "blue") if spec.kind == "picture" else ("image",)
    own = [names[n] if n < len(names) else f"channel {n}" for n in range(spec.in_channels)]
    if not spec.context:
        return {str(n): name for n, name in enumerate(own)}
    steps = range(-spec.context, spec.context + 1)
    beside = [f"{name} of slice {step:+d}" if step else name for step in steps for name in own]
    return {str(n): name for n, name in enumerate(beside)}


def _packages(request: Request) -> list[str]:
    spec = request.model.spec
    networks = []
    if is_stock(request) and spec.encoder:
        networks = ["segmentation-models-pytorch", "timm"]
    return ["nibabel" if spec.kind == "volume" else "pillow", "pytorch-ignite", *networks]


def _versions(request: Request) -> dict[str, str]:
    found = {}
    for package in _packages(request):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _scores(request: Request) -> dict[str, float]:
    """Scores on the test cases of the run, where it is finished."""
    folder = RunFolder(request.model.run)
    if not folder.is_finished or request.uncorrected:
        return {}
    miou = folder.read_metrics().test.miou
    return {} if miou is None else {"mean_iou": miou}
