"""Which images to annotate next: rules of choice, and one pass over what has no label yet."""

from ecs_med.acquisition.base import ACQUISITIONS, Acquisition, Pool, choose
from ecs_med.acquisition.look import Look

__all__ = ["ACQUISITIONS", "Acquisition", "Look", "Pool", "choose"]
