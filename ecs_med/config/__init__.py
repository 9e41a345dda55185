"""Settings: validated once, frozen, unknown keys refused."""

from ecs_med.config.base import Settings, merge_settings, read_settings
from ecs_med.config.preparation import Orientation, Plane, Preparation, Spacing
from ecs_med.config.train import (
    BASELINE_METHOD,
    DEFAULT_METHOD,
    AugmentationSettings,
    OptimizerSettings,
    OutsideMask,
    ReadingSettings,
    StrongSettings,
    TrainConfig,
)

__all__ = [
    "BASELINE_METHOD",
    "DEFAULT_METHOD",
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
