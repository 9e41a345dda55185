"""Training methods: one file each, with a `step`; add one to `METHODS` and `--method` knows it."""

import difflib

from ecs_med.errors import SettingsError
from ecs_med.methods.advsemiseg import AdvSemiSeg
from ecs_med.methods.base import Blueprint, Method, StepResult
from ecs_med.methods.corrector_only import CorrectorOnly
from ecs_med.methods.ecs import Ecs
from ecs_med.methods.s4gan import S4Gan
from ecs_med.methods.s4gan_mlmt import S4GanMlmt
from ecs_med.methods.supervised import Supervised

__all__ = [
    "BASELINE_METHOD",
    "DEFAULT_METHOD",
    "METHODS",
    "AdvSemiSeg",
    "Blueprint",
    "CorrectorOnly",
    "Ecs",
    "Method",
    "S4Gan",
    "S4GanMlmt",
    "StepResult",
    "Supervised",
    "method_class",
]

METHODS: dict[str, type[Method]] = {
    cls.name: cls for cls in (Ecs, Supervised, AdvSemiSeg, S4Gan, S4GanMlmt, CorrectorOnly)
}

DEFAULT_METHOD = Ecs.name
"""Trained where none is named."""

BASELINE_METHOD = Supervised.name
"""Learns from no unlabelled image; others are compared with it."""


def method_class(name: str) -> type[Method]:
    """The method of that name.

    Raises:
        SettingsError: If there is none; names the nearest.
    """
    if name in METHODS:
        return METHODS[name]
    near = difflib.get_close_matches(name, METHODS, n=1)
    hint = f"did you mean {near[0]}" if near else f"known are {', '.join(METHODS)}"
    raise SettingsError(f"Unknown method '{name}'; {hint}?")
