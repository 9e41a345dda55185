"""What a corrector says of segmentations, counted against references."""

from collections.abc import Sequence

import torch

from ecs_med.inference.canvas import CorrectorView
from ecs_med.losses import correction_map
from ecs_med.metrics import DoubtCounts, confusion_matrix, scores_from_confusion
from ecs_med.runs import CorrectorScores

__all__ = ["CorrectorCounts"]


class CorrectorCounts:
    """Counts pixels of case after case; their size depends on the number of classes alone.

    Args:
        num_classes: N.

    Attributes:
        corrections: `(N+1, N+1)`, int64; row = correction map (eq. 1), column = corrector.
        doubts: What both networks held likely to be wrong, and what was.
    """

    def __init__(self, num_classes: int) -> None:
        self._num_classes = num_classes
        self.corrections = torch.zeros(num_classes + 1, num_classes + 1, dtype=torch.int64)
        self.doubts = DoubtCounts(num_classes)

    def add(self, view: CorrectorView, reference: torch.Tensor) -> None:
        """Count the pixels of one case; void is not counted.

        Args:
            view: Of all of its slices, or of some.
            reference: Of the same slices, `(D, H, W)`.
        """
        target = correction_map(view.segmented, reference, self._num_classes)
        self.corrections += confusion_matrix(view.corrected, target, self._num_classes + 1)
        self.doubts.add(view.corrector_doubt, view.segmenter_doubt, view.segmented, reference)

    def scores(self, class_names: Sequence[str], num_cases: int) -> CorrectorScores:
        """What the counts say of the corrector.

        Args:
            class_names: N names, background first.
            num_cases: How many cases were counted.

        Source:
            Mendel et al. 2020, section 4.6 and Fig. 3, for the mIoU over N+1 classes.
        """
        names = (*class_names, "right")
        scores = scores_from_confusion(self.corrections, names, num_cases=num_cases)
        return CorrectorScores(
            miou=scores.miou,
            iou_per_class=scores.iou_per_class,
            num_cases=num_cases,
            detection=self.doubts.detection(),
        )
