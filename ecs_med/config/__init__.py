"""Settings: validated once, frozen, unknown keys refused."""

from ecs_med.config.augmentation import AugmentationSettings, StrongSettings
from ecs_med.config.base import Settings, merge_settings, read_settings
from ecs_med.config.preparation import Orientation, Plane, Preparation, Spacing
from ecs_med.config.reading import OutsideMask, ReadingSettings
from ecs_med.config.train import (
    BASELINE_METHOD,
    DEFAULT_METHOD,
    NUM_FOLDS,
    OptimizerSettings,
    TrainConfig,
)

__all__ = [
    "BASELINE_METHOD",
    "DEFAULT_METHOD",
    "NUM_FOLDS",
    "AugmentationSettings",
    "OptimizerSettings",
    "Orientation",
    "OutsideMask",
    "Plane",
    "Preparation",
    "ReadingSettings",
    "Settings",
    "Spacing",
    "StrongSettings",
    "TrainConfig",
    "merge_settings",
    "read_settings",
]
