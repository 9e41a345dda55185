"""What `predict` takes the largest of, as one module that exporters can trace."""

import copy

import torch
from torch import nn

from ecs_med.export.base import Request
from ecs_med.losses import corrected_probabilities
from ecs_med.networks import corrector_input
from ecs_med.networks.classifier import switch_off_absent
from ecs_med.networks.correctors import FeatureCorrector
from ecs_med.networks.halves import decode, encode
from ecs_med.networks.padding import fix_padding

__all__ = ["Scores", "scores_of"]


class Scores(nn.Module):
    """Scores of classes of images that are normalised already.

    Args:
        request: The model, and whether its corrections are left out.

    Attributes:
        are_probabilities: Whether they lie in 0..1, as corrected ones do; else they are logits.
    """

    def __init__(self, request: Request) -> None:
        super().__init__()
        model = request.model
        self.segmenter = model.segmenter
        self.classifier = None if model.spec.presence is None else model.classifier
        self.corrector = model.corrector if request.corrects else None
        self.are_probabilities = request.corrects
        self._presence = model.spec.presence or 0.0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """`(B, N, *spatial)` of `(B, C, *spatial)`."""
        features: tuple[torch.Tensor, ...] = ()
        if isinstance(self.corrector, FeatureCorrector):
            # It looks at the features that the segmenter has anyway.
            features = encode(self.segmenter, images)
            logits = decode(self.segmenter, features)
        else:
            logits = self.segmenter(images)
        if self.classifier is not None:
            presence = self.classifier(images).sigmoid()
            logits = switch_off_absent(logits, presence, self._presence)
        if self.corrector is None:
            return logits
        # As `predict`, which pads what the corrector sees, and not what the segmenter says of it.
        probabilities = logits.softmax(dim=1) * _unpadded(images)
        if isinstance(self.corrector, FeatureCorrector):
            judged = self.corrector.judge(features, probabilities)
        else:
            judged = self.corrector(corrector_input(images, probabilities))
        return corrected_probabilities(logits, judged.softmax(dim=1))


def _unpadded(images: torch.Tensor) -> torch.Tensor:
    """1 in images and 0 in the zeros that were appended to rows and columns, `(B, 1, H, W)`."""
    seen = (images != 0).any(dim=1, keepdim=True)
    inside = torch.ones_like(images[:, :1])
    for axis, other in ((2, 3), (3, 2)):
        filled = seen.any(dim=other, keepdim=True).to(images.dtype)
        # Before the last one that is filled, all are inside.
        inside = inside * (filled.flip(axis).cumsum(axis).flip(axis) > 0)
    return inside


def scores_of(request: Request, *, fixed_padding: bool = False) -> Scores:
    """A copy of a model's networks on the CPU, in evaluation mode.

    Args:
        request: The model.
        fixed_padding: Replace SAME padding, whose size is calculated from that of the image, by
            the padding that it is for every image whose sides are multiples of `MULTIPLE`.

    Raises:
        SettingsError: If the padding of a layer is not the same for all of them.
    """
    scores = copy.deepcopy(Scores(request)).cpu().to(memory_format=torch.contiguous_format).eval()
    for parameter in scores.parameters():
        parameter.requires_grad_(False)
    spec = request.model.spec
    if fixed_padding and spec.spatial_dims == 2:  # networks of volumes have no such layer
        fix_padding(scores, spec.network_channels)
    return scores
