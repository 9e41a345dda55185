"""What a method knows when it builds the networks that it adds to the segmenter."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn

from ecs_med.config import Settings
from ecs_med.networks import Initialization
from ecs_med.networks.correctors import CorrectorPlan, corrector_kind
from ecs_med.networks.halves import spatial_dims

__all__ = ["NetworkPlan"]


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """What a method knows when it builds the networks that it adds to the segmenter.

    Attributes:
        settings: The method's own, of its `settings_class`.
        segmenter: Built and with its first weights, so that a teacher may be a copy of it.
        initialization: Encoder and first weights of the segmenter.
        corrector: Encoder and first weights of the corrector.
        corrector_output_stride: Stride of the corrector's encoder.
        num_classes: N.
        mean: Of each image channel in 0..1, which is subtracted from what networks see.
        std: Of each image channel, by which it is divided.
        first_corrector: Of the run that this one begins with, where it is of the method's kind.
        network: Architecture of the segmenter.
        network_settings: What that was told.
        another_segmenter: Builds one more segmenter of the same architecture. Weights that its
            encoder brings (packaged, of the hub, a file or a run) are those of the first one's,
            everything else is drawn anew.
    """

    settings: Settings
    segmenter: nn.Module
    initialization: Initialization
    corrector: Initialization
    corrector_output_stride: Literal[8, 16]
    num_classes: int
    mean: Sequence[float]
    std: Sequence[float]
    another_segmenter: Callable[[], nn.Module]
    first_corrector: nn.Module | None = None
    network: str = "deeplabv3plus"
    network_settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def spatial_dims(self) -> int:
        """Dimensions of the images."""
        return spatial_dims(self.segmenter)

    @property
    def in_channels(self) -> int:
        """Channels of the image."""
        return len(self.mean)

    def build_corrector(self, kind: str) -> nn.Module:
        """A corrector of the kind, a key of `CORRECTORS`, with its first weights.

        Raises:
            SettingsError: If it cannot be built on this segmenter, or with this encoder.
        """
        plan = CorrectorPlan(
            self.segmenter,
            self.corrector,
            in_channels=self.in_channels,
            num_classes=self.num_classes,
            output_stride=self.corrector_output_stride,
            network=self.network,
            network_settings=self.network_settings,
        )
        corrector = corrector_kind(kind).build(plan)
        if self.first_corrector is not None:
            corrector.load_state_dict(self.first_corrector.state_dict())
        return corrector
