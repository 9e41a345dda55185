"""Scores of a segmentation against its reference."""

from ecs_med.metrics.absent import absent_references, absent_sentence
from ecs_med.metrics.calibration import Calibration
from ecs_med.metrics.detection import Detection, ErrorDetection, PixelGroup
from ecs_med.metrics.doubt import DoubtCounts, doubt_of_corrector, doubt_of_segmenter
from ecs_med.metrics.overlap import (
    Scores,
    confusion_matrix,
    dice_per_class,
    foreground_mean,
    iou_per_class,
    known_mean,
    pixel_accuracy,
    scores_from_confusion,
)
from ecs_med.metrics.surface import surface_distance_95

__all__ = [
    "Calibration",
    "Detection",
    "DoubtCounts",
    "ErrorDetection",
    "PixelGroup",
    "Scores",
    "absent_references",
    "absent_sentence",
    "confusion_matrix",
    "dice_per_class",
    "doubt_of_corrector",
    "doubt_of_segmenter",
    "foreground_mean",
    "iou_per_class",
    "known_mean",
    "pixel_accuracy",
    "scores_from_confusion",
    "surface_distance_95",
]
