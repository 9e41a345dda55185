"""The equations of Error-Correcting Supervision (Mendel et al. 2020), in 2-D and 3-D alike."""

from ecs_med.losses.binary import binary_cross_entropy
from ecs_med.losses.consistency import squared_distance
from ecs_med.losses.correction import correction_map, corrector_loss, right_map
from ecs_med.losses.cross_entropy import cross_entropy, weighted_cross_entropy
from ecs_med.losses.dice import dice_loss
from ecs_med.losses.pseudo_labels import (
    certainty,
    corrected_probabilities,
    negated_focal_loss,
    pseudo_labels,
)

__all__ = [
    "binary_cross_entropy",
    "certainty",
    "corrected_probabilities",
    "correction_map",
    "corrector_loss",
    "cross_entropy",
    "dice_loss",
    "negated_focal_loss",
    "pseudo_labels",
    "right_map",
    "squared_distance",
    "weighted_cross_entropy",
]
