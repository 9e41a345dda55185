"""Settings: validated once, frozen, unknown keys refused."""

from ecs_med.config.base import Settings, merge_settings, read_settings
from ecs_med.config.data import AugmentationSettings, ReadingSettings
from ecs_med.config.methods import (
    AdvSemiSegSettings,
    EcsSettings,
    MlmtSettings,
    OptimizerSettings,
    S4GanSettings,
)
from ecs_med.config.train import TrainConfig

__all__ = [
    "AdvSemiSegSettings",
    "AugmentationSettings",
    "EcsSettings",
    "MlmtSettings",
    "OptimizerSettings",
    "ReadingSettings",
    "S4GanSettings",
    "Settings",
    "TrainConfig",
    "merge_settings",
    "read_settings",
]
