"""A corrector that says which class is right, given the image's features and a mask."""

from collections.abc import Sequence

import torch
from segmentation_models_pytorch.base.initialization import initialize_decoder
from torch import nn
from torch.nn import functional as F

from ecs_med.networks.correctors import FeatureCorrector, feature_channels
from ecs_med.networks.halves import check_halves, spatial_dims

__all__ = ["MaskCorrector"]

_NEVER = -1e4
"""Logit whose probability is 0, in half precision too; finite, so that tiles can be averaged."""


class MaskCorrector(FeatureCorrector):
    """Classes of pixels from features of the segmenter and a mask that may be wrong.

    It sees the mask as labels, without their probabilities: a mask of the segmenter and one that
    was made wrong on purpose then look alike. Details (the first features at stride 4 or more), the
    features at twice their stride and the deepest ones are brought to few channels and to the
    resolution of the details, where two convolutions see them beside the mask.

    It gives N logits of classes. Of N+1 logits, "right" gets that of the class of the mask, which
    itself is then impossible: a mask is right with the probability of its own class, and what is
    right elsewhere is another class.

    Args:
        segmenter: That `check_halves` lets pass.
        in_channels: Channels of the image.
        num_classes: N.
        width: Channels of the convolutions.
        narrow: Channels that features and mask are brought to.

    Raises:
        SettingsError: If the segmenter cannot be divided.
    """

    def __init__(
        self,
        segmenter: nn.Module,
        in_channels: int,
        num_classes: int,
        width: int = 64,
        narrow: int = 32,
    ) -> None:
        super().__init__(segmenter, in_channels)
        check_halves(segmenter, "The corrector")
        self._numbers, channels = feature_channels(segmenter, in_channels)
        is_flat = spatial_dims(segmenter) == 2
        self._mode = "bilinear" if is_flat else "trilinear"
        convolution = nn.Conv2d if is_flat else nn.Conv3d
        # Few volumes share a batch: each is normalised by itself, as in their segmenters.
        normalize = nn.BatchNorm2d if is_flat else _instance_norm
        self.features = nn.ModuleList(convolution(count, narrow, 1) for count in channels)
        self.mask = convolution(num_classes, narrow, 3, padding=1)
        joined = narrow * (len(channels) + 1)
        self.body = nn.Sequential(
            normalize(joined),
            nn.ReLU(),
            convolution(joined, width, 3, padding=1, bias=False),
            normalize(width),
            nn.ReLU(),
            convolution(width, width, 3, padding=2, dilation=2, bias=False),
            normalize(width),
            nn.ReLU(),
        )
        self.head = convolution(width, num_classes, 1)
        initialize_decoder(self)

    def classify(self, features: Sequence[torch.Tensor], mask: torch.Tensor) -> torch.Tensor:
        """Logits of the classes, `(B, N, *spatial)`.

        Args:
            features: What `encode` gives of the segmenter.
            mask: One-hot, `(B, N, *spatial)`.
        """
        chosen = [features[number] for number in self._numbers]
        size = chosen[0].shape[2:]
        # Shares of the classes in each place: what is thin stays visible, other than by sampling.
        parts = [self.mask(F.interpolate(mask.to(chosen[0].dtype), size, mode="area"))]
        for layer, values in zip(self.features, chosen, strict=True):
            narrow = layer(values)
            parts.append(F.interpolate(narrow, size, mode=self._mode, align_corners=False))
        logits = self.head(self.body(torch.cat(parts, dim=1)))
        return F.interpolate(logits, mask.shape[2:], mode=self._mode, align_corners=False)

    def judge(self, features: Sequence[torch.Tensor], class_map: torch.Tensor) -> torch.Tensor:
        """See `FeatureCorrector.judge`; of the class map its largest class counts."""
        labels = class_map.argmax(dim=1, keepdim=True)
        classes = torch.arange(class_map.shape[1], device=labels.device)
        # Compared, since ONNX Runtime takes several times as long to scatter.
        mask = classes.view(-1, *(1,) * (labels.ndim - 2)) == labels
        logits = self.classify(features, mask.to(class_map.dtype))
        right = logits.gather(1, labels)
        return torch.cat([logits.masked_fill(mask, _NEVER), right], dim=1)


def _instance_norm(channels: int) -> nn.Module:
    return nn.InstanceNorm3d(channels, affine=True)
