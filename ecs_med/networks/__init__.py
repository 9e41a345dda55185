"""Segmenter and corrector networks, their encoders, and where their weights come from.

Other architectures are found under the entry-point group `ecs_med.networks`.
"""

from ecs_med.networks.base import NETWORKS, Network, build_segmenter
from ecs_med.networks.deeplab import build_corrector, corrector_input, one_hot
from ecs_med.networks.initialization import Initialization, choose_initialization

__all__ = [
    "NETWORKS",
    "Initialization",
    "Network",
    "build_corrector",
    "build_segmenter",
    "choose_initialization",
    "corrector_input",
    "one_hot",
]
