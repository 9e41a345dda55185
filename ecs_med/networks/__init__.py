"""Segmenter and corrector networks, their encoders, and where their weights come from."""

from ecs_med.networks.corrector import corrector_input
from ecs_med.networks.deeplab import build_corrector, build_segmenter
from ecs_med.networks.initialization import Initialization, choose_initialization

__all__ = [
    "Initialization",
    "build_corrector",
    "build_segmenter",
    "choose_initialization",
    "corrector_input",
]
