"""Segmenter and corrector networks, their encoders, and where their weights come from."""

from ecs_med.networks.corrector import corrector_input
from ecs_med.networks.deeplab import build_corrector, build_segmenter
from ecs_med.networks.initialisation import Initialisation, choose_initialisation

__all__ = [
    "Initialisation",
    "build_corrector",
    "build_segmenter",
    "choose_initialisation",
    "corrector_input",
]
