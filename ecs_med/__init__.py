"""Segmentation from few labels and many unlabelled images, by Error-Correcting Supervision.

    import ecs_med

    run = ecs_med.train({"data": "folder", "labeled": "10%"})
    model = ecs_med.load_model(run)
    ecs_med.predict(["scan.nii.gz"], model=run)

Importing this package is cheap: torch and MONAI are loaded at first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecs_med.inference.model import load_model
    from ecs_med.inference.predict import predict
    from ecs_med.training.train import train

__all__ = ["load_model", "predict", "train"]

_HOME = {
    "load_model": "ecs_med.inference.model",
    "predict": "ecs_med.inference.predict",
    "train": "ecs_med.training.train",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'ecs_med' has no attribute '{name}'")
