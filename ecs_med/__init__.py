"""Segmentation from few labels and many unlabelled images, by Error-Correcting Supervision.

    import ecs_med

    run = ecs_med.train({"data": "folder", "labeled": "10%"})
    model = ecs_med.load_model(run)
    ecs_med.predict(["scan.nii.gz"], model=model)

Importing this package is cheap: torch and MONAI are loaded at first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecs_med.budget import budget
    from ecs_med.config import Settings, TrainConfig
    from ecs_med.data.checks.examination import examine
    from ecs_med.data.layout import Layout, open_data
    from ecs_med.data.readers import Reader, Scan, read_scan
    from ecs_med.errors import (
        BudgetError,
        DataError,
        EcsMedError,
        RunFolderError,
        SettingsError,
        SomeInputsFailed,
        TrainingInterrupted,
    )
    from ecs_med.inference.evaluation_run import evaluate
    from ecs_med.inference.model import Model
    from ecs_med.inference.predict import predict
    from ecs_med.inference.predictor import segment
    from ecs_med.inference.storing import load_model
    from ecs_med.methods import Method, StepResult
    from ecs_med.networks import Network
    from ecs_med.splits import draw_split
    from ecs_med.training.train import train
    from ecs_med.types import Batch, Case, CaseCollection

_HOMES = {
    "budget": "budget",
    "config": "Settings TrainConfig",
    "data.checks.examination": "examine",
    "data.layout": "Layout open_data",
    "data.readers": "Reader Scan read_scan",
    "errors": "BudgetError DataError EcsMedError RunFolderError SettingsError SomeInputsFailed "
    "TrainingInterrupted",
    "inference.evaluation_run": "evaluate",
    "inference.model": "Model",
    "inference.storing": "load_model",
    "inference.predict": "predict",
    "inference.predictor": "segment",
    "methods": "Method StepResult",
    "networks": "Network",
    "splits": "draw_split",
    "training.train": "train",
    "types": "Batch Case CaseCollection",
}
_HOME = {name: f"ecs_med.{module}" for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "Batch",
    "BudgetError",
    "Case",
    "CaseCollection",
    "DataError",
    "EcsMedError",
    "Layout",
    "Method",
    "Model",
    "Network",
    "Reader",
    "RunFolderError",
    "Scan",
    "Settings",
    "SettingsError",
    "SomeInputsFailed",
    "StepResult",
    "TrainConfig",
    "TrainingInterrupted",
    "budget",
    "draw_split",
    "evaluate",
    "examine",
    "load_model",
    "open_data",
    "predict",
    "read_scan",
    "segment",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ecs_med' has no attribute '{name}'")
    module = importlib.import_module(_HOME[name])
    return module if name == "budget" else getattr(module, name)


def __dir__() -> list[str]:
    return [*__all__, *globals()]
