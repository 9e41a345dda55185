"""Training methods: one module each, with all that is particular to it.

Others are found under the entry-point group `ecs_med.methods`.
"""

from ecs_med.methods.base import Method, StepResult
from ecs_med.methods.ecs import Ecs, EcsSettings
from ecs_med.methods.network_plan import NetworkPlan
from ecs_med.methods.settings import (
    METHODS,
    available_methods,
    fixed_settings,
    method_class,
    method_settings,
    optimizer_settings,
    with_own_settings,
)
from ecs_med.methods.supervised import Supervised

__all__ = [
    "METHODS",
    "Ecs",
    "EcsSettings",
    "Method",
    "NetworkPlan",
    "StepResult",
    "Supervised",
    "available_methods",
    "fixed_settings",
    "method_class",
    "method_settings",
    "optimizer_settings",
    "with_own_settings",
]
