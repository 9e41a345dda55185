"""`configs/inference.json` of a bundle."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ecs_med.export.base import Request
from ecs_med.export.bundle.network import WEIGHTS_FILE, is_stock, network_definition
from ecs_med.export.bundle.preparing import expressions, transforms
from ecs_med.export.bundle.two_passes import CORRECTING
from ecs_med.export.bundle.volumes import slice_dimension
from ecs_med.inference.model import PATCHES
from ecs_med.inference.one_input import stored_values
from ecs_med.inference.predictor import BATCH
from ecs_med.inference.tiles import OVERLAP

__all__ = ["inference"]


def inference(request: Request) -> dict[str, Any]:
    """The configuration: preparation, network, inferer, what becomes of scores, and the run."""
    spec = request.model.spec
    pattern = "*.nii*" if spec.kind == "volume" else "*.*"
    return {
        "imports": [
            "$import glob",
            "$import os",
            *(["$import PIL.ImageOps", "$import PIL"] if spec.kind == "picture" else []),
        ],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/data'",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "datalist": "$[{'image': path} for path in sorted(glob.glob(os.path.join(@dataset_dir, "
        f"'{pattern}')))]",
        "network_def": network_definition(request),
        "network": "$@network_def.to(@device)",
        **expressions(spec),
        "preprocessing": {"_target_": "Compose", "transforms": transforms(spec)},
        "dataset": {"_target_": "Dataset", "data": "@datalist", "transform": "@preprocessing"},
        "dataloader": {
            "_target_": "DataLoader",
            "dataset": "@dataset",
            "batch_size": 1,
            "shuffle": False,
            "num_workers": 0,
        },
        **_inferers(request),
        "postprocessing": {"_target_": "Compose", "transforms": _after(request)},
        "handlers": _handlers(request),
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "val_handlers": "@handlers",
        },
        "run": ["$@evaluator.run()"],
    }


def _inferers(request: Request) -> Mapping[str, Mapping[str, Any] | str]:
    spec = request.model.spec
    if spec.kind == "picture":
        return {"inferer": {"_target_": "SimpleInferer"}}
    if spec.patch is None:
        slices = {
            "_target_": "SliceInferer",
            "spatial_dim": slice_dimension(spec.preparation),
            "roi_size": [-1, -1],
            "sw_batch_size": BATCH,
        }
        return {"inferer": slices}
    window = {
        "_target_": "SlidingWindowInferer",
        "roi_size": list(spec.patch),
        "sw_batch_size": PATCHES,
        "overlap": OVERLAP,
        "mode": "gaussian",
    }
    return {"window": window, "inferer": CORRECTING} if request.corrects else {"inferer": window}


def _after(request: Request) -> list[Mapping[str, Any] | str]:
    spec = request.model.spec
    values = stored_values(request.model)
    steps: list[Mapping[str, Any] | str] = [
        "$lambda item, back=@back: {**item, 'pred': back(item['pred'], item['image'])}",
        {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
    ]
    if spec.kind == "picture":
        steps.append({"_target_": "Transposed", "keys": "pred", "indices": [0, 2, 1]})
    elif spec.preparation.orientation == "RAS":
        steps.append(
            {
                "_target_": "Invertd",
                "keys": "pred",
                "orig_keys": "image",
                "transform": "@preprocessing",
                "nearest_interp": True,
                "to_tensor": True,
            }
        )
    if not np.array_equal(values, np.arange(len(values))):
        steps.append(
            {
                "_target_": "MapLabelValued",
                "keys": "pred",
                "orig_labels": list(range(len(values))),
                "target_labels": values.tolist(),
                "dtype": f"$np.{values.dtype}",
            }
        )
    return [*steps, _saving(request)]


def _saving(request: Request) -> Mapping[str, Any]:
    return {
        "_target_": "SaveImaged",
        "keys": "pred",
        "output_dir": "@output_dir",
        "output_postfix": "",
        "output_ext": ".nii.gz" if request.model.spec.kind == "volume" else ".png",
        "output_dtype": f"$np.{stored_values(request.model).dtype}",
        "separate_folder": False,
        "resample": False,
        "print_log": False,
    }


def _handlers(request: Request) -> list[Mapping[str, Any]]:
    if not is_stock(request):
        return []
    loader = {
        "_target_": "CheckpointLoader",
        "load_path": f"$@bundle_root + '/{WEIGHTS_FILE}'",
        "load_dict": {"model": "@network"},
        "map_location": "@device",
        "strict": True,
    }
    return [loader]
