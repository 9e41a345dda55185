"""Everything that a model needs to be applied, but its weights."""

from typing import Literal

from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.prepare import Preparation
from ecs_med.records import Record

__all__ = ["ModelSpec"]


class ModelSpec(Record):
    """Everything about a model but its weights; `model.json` of a run."""

    format: Literal[1] = 1
    """Version of this file."""
    method: str
    """Training method."""
    labels: LabelScheme
    """Classes, and how stored mask values map to them."""
    preparation: Preparation
    """How scans are brought into the form that the networks see."""
    kind: Literal["picture", "volume"]
    """What it was trained on."""
    in_channels: int
    """Channels of an image."""
    mean: tuple[float, ...]
    """Per channel, for intensities in 0..1."""
    std: tuple[float, ...]
    """Per channel."""
    network: Literal["deeplabv3plus", "deeplabv2"] = "deeplabv3plus"
    """Architecture of the segmenter."""
    aspp_rates: tuple[int, ...] = (6, 12, 18, 24)
    """Dilations of DeepLabv2."""
    encoder: str
    """Segmenter's encoder."""
    corrector_encoder: str | None
    """Corrector's encoder, or `None` without a corrector."""
    presence: float | None = None
    """Classes that the image-level classifier takes for less probable are switched off; `None`
    without a classifier."""
    output_stride: Literal[8, 16]
    """Of the segmenter."""
    corrector_output_stride: Literal[8, 16] = 16
    """Of the corrector."""
    crop: int
    """Side of the training crop in pixels."""
    tile: int = 1024
    """Larger slices are segmented in overlapping tiles of this side, in pixels."""
    initialization: str
    """Where the segmenter's weights came from, in words."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names in class order, background first."""
        return self.labels.class_names

    @property
    def num_classes(self) -> int:
        """N."""
        return len(self.labels.class_names)
