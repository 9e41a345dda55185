"""A trained model, applied to slices, patches and large pictures."""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from monai.inferers import sliding_window_inference
from torch import nn
from torch.nn import functional as F

from ecs_med.data.batches import Normalization
from ecs_med.devices import memory_format
from ecs_med.inference.copies import QuickCopies
from ecs_med.inference.tiles import OVERLAP, Buffer, tile_sides, tiled_rows
from ecs_med.networks import corrector_input
from ecs_med.networks.classifier import switch_off_absent
from ecs_med.networks.correctors import FeatureCorrector
from ecs_med.networks.deeplab import one_hot
from ecs_med.networks.halves import decode, encode
from ecs_med.networks.modes import evaluating
from ecs_med.runs import ModelSpec

__all__ = ["PATCHES", "Model"]

LARGE_VALUES = 2**25
"""Values of a picture, over its channels, from which on it goes through in rows of tiles."""
PATCHES = 2
"""Of volumes at a time."""
_MULTIPLE = 32
"""Sides are padded to a multiple of this before a network sees them."""


class Model:
    """Segmenter and, where the method has one, corrector, ready to be applied.

    Networks run in evaluation mode and are left in the mode they were in.

    Args:
        spec: What they expect.
        segmenter: From `(B, C, *spatial)` to N logits.
        corrector: From `(B, C + N, *spatial)` to N+1 logits, or `None`.
        device: Where both lie.
        run: The run folder they belong to.
        classifier: From `(B, C, H, W)` to N logits a picture, which switch off the classes that
            are less probable than `spec.presence`; `None` leaves all of them on.
        autocast: Precision of forward passes; `None` for float32.
        quick: Copies of the networks that stand for them where they are applied on a CPU; `None`
            where they are trained meanwhile.

    Example:
        >>> import ecs_med, torch
        >>> model = ecs_med.load_model(run)
        >>> model.logits(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)).shape
        torch.Size([1, 3, 32, 32])
    """

    def __init__(
        self,
        spec: ModelSpec,
        segmenter: nn.Module,
        corrector: nn.Module | None,
        *,
        device: torch.device,
        run: Path,
        classifier: nn.Module | None = None,
        autocast: torch.dtype | None = None,
        quick: QuickCopies | None = None,
    ) -> None:
        self.spec = spec
        self.segmenter = segmenter
        self.corrector = corrector
        self.classifier = classifier
        self.device = device
        self.run = run
        self._autocast = autocast
        self._quick = quick if device.type == "cpu" and autocast is None else None
        slices = 2 * spec.context + 1
        self.normalization = Normalization(spec.mean * slices, spec.std * slices)

    @property
    def has_corrector(self) -> bool:
        """Whether correction maps and certainty can be had."""
        return self.corrector is not None

    def networks(self) -> dict[str, nn.Module]:
        """Those that it has, by the name that their weights begin with."""
        parts = {
            "segmenter": self.segmenter,
            "corrector": self.corrector,
            "classifier": self.classifier,
        }
        return {name: network for name, network in parts.items() if network is not None}

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """All networks in evaluation mode inside, in the mode that they were in after.

        Every call does this by itself; around many of them it is done once.
        """
        with ExitStack() as stack:
            for network in self.networks().values():
                stack.enter_context(evaluating(network))
            yield

    def logits(self, slices: torch.Tensor) -> torch.Tensor:
        """Segment prepared slices, or volumes where the model sees these.

        Args:
            slices: `(B, C, *spatial)`, uint8 in 0..255 or floating point in 0..1; C are the
                channels of a slice and of its neighbours, if the model takes some.

        Returns:
            `(B, N, *spatial)`, float32, on the model's device.
        """
        images = self.normalization(slices.to(self.device))
        logits = self._apply(self.segmenter, images)
        if self.classifier is None or self.spec.presence is None:
            return logits
        return switch_off_absent(logits, self._presence(images), self.spec.presence)

    def correct(self, slices: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Let the corrector judge a segmentation.

        Args:
            slices: As for `logits`.
            logits: `(B, N, *spatial)`, as `logits` gives them.

        Returns:
            Probabilities `(B, N+1, *spatial)`; the last class says "right".
        """
        return self._judge(slices, logits.softmax(dim=1))

    def logits_and_judgement(self, slices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What `logits` and then `correct` give, without the same features twice.

        A corrector that stands on the segmenter's features takes those of the segmentation, where
        slices go through as a whole.
        """
        size = slices.shape[2:]
        if not (
            isinstance(self.corrector, FeatureCorrector)
            and self.corrector.segmenter is self.segmenter
            and self._goes_whole(size)
        ):
            logits = self.logits(slices)
            return logits, self.correct(slices, logits)
        images = self.normalization(slices.to(self.device))
        with torch.inference_mode(), self.evaluating():
            padded, inside = _padded_images(images)
            segmenter = self._applied(self.segmenter, padded)
            with self._precision():
                features = encode(segmenter, padded)
                logits = decode(segmenter, features)[inside].float()
            if self.classifier is not None and self.spec.presence is not None:
                logits = switch_off_absent(logits, self._presence(images), self.spec.presence)
            class_map, _ = _padded_images(logits.softmax(dim=1))
            example = corrector_input(padded, class_map)
            corrector = self._applied(self.corrector, example)
            assert isinstance(corrector, FeatureCorrector)
            with self._precision():
                judged = corrector.judge(features, class_map)[inside]
        return logits, judged.float().softmax(dim=1)

    def judge(self, slices: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Let the corrector judge labels of anybody's, such as an expert's.

        Args:
            slices: As for `logits`.
            labels: `(B, *spatial)`, classes 0..N-1.

        Returns:
            As `correct`.
        """
        return self._judge(slices, self._one_hot(labels))

    def _one_hot(self, labels: torch.Tensor) -> torch.Tensor:
        return one_hot(labels.to(self.device).long(), self.spec.num_classes).float()

    def _judge(self, slices: torch.Tensor, probabilities: torch.Tensor) -> torch.Tensor:
        assert self.corrector is not None
        images = self.normalization(slices.to(self.device))
        return self._apply(self.corrector, corrector_input(images, probabilities)).softmax(dim=1)

    def goes_in_rows(self, size: Sequence[int]) -> bool:
        """Whether `rows` gives a picture of this size: a large one, in tiles.

        A classifier of whole pictures needs them whole.
        """
        large = self.spec.in_channels * math.prod(size) > LARGE_VALUES
        return large and max(size) > self.spec.tile and self.classifier is None

    def rows(
        self, picture: torch.Tensor, *, corrector: bool = False
    ) -> Iterator[tuple[int, torch.Tensor | None, torch.Tensor | None]]:
        """`logits` and `correct` of one large picture, or of a volume, a few rows at a time.

        To be called in inference mode, with the networks in evaluation mode.

        Args:
            picture: `(C, H, W)`, as a slice of `logits`, with a side above that of a tile; or
                `(C, D, H, W)`, of which slices are the rows.
            corrector: Also let the corrector judge.

        Yields:
            Where rows begin and either their logits or, later, the corrector's probabilities, from
            top to bottom; logits as of the whole, probabilities but for the last bit.
        """
        size = picture.shape[1:]
        sides = self._tile_sides(size)

        def images(top: int, bottom: int) -> torch.Tensor:
            return self.normalization(picture[None, :, top:bottom].to(self.device))

        num = self._tiles_at_once
        segmented = tiled_rows(partial(self._whole, self.segmenter), images, size, sides, num)
        if not corrector:
            yield from ((top, logits, None) for top, logits in segmented)
            return
        assert self.corrector is not None
        waiting: list[tuple[int, torch.Tensor, None]] = []

        def remembered() -> Iterator[tuple[int, torch.Tensor]]:
            for top, logits in segmented:
                waiting.append((top, logits, None))
                yield top, logits

        held = Buffer(remembered())

        def inputs(top: int, bottom: int) -> torch.Tensor:
            return corrector_input(images(top, bottom), held.read(top, bottom).softmax(dim=1))

        judge = partial(self._whole, self.corrector)
        for top, judged in tiled_rows(judge, inputs, size, sides, num):
            yield from waiting
            waiting.clear()
            yield top, None, judged.softmax(dim=1)

    def judged_rows(
        self, picture: torch.Tensor, labels: torch.Tensor
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """Let the corrector judge labels of anybody's on what `rows` takes, a few rows at a time.

        Args:
            picture: As of `rows`.
            labels: `(H, W)` or `(D, H, W)`, classes 0..N-1.

        Yields:
            Where rows begin and the corrector's probabilities, `(1, N+1, ...)`.
        """
        assert self.corrector is not None

        def inputs(top: int, bottom: int) -> torch.Tensor:
            images = self.normalization(picture[None, :, top:bottom].to(self.device))
            return corrector_input(images, self._one_hot(labels[None, top:bottom]))

        size = picture.shape[1:]
        judge = partial(self._whole, self.corrector)
        sides, num = self._tile_sides(size), self._tiles_at_once
        for top, judged in tiled_rows(judge, inputs, size, sides, num):
            yield top, judged.softmax(dim=1)

    def _apply(self, network: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        size = inputs.shape[2:]
        with torch.inference_mode(), evaluating(network):
            if self._goes_whole(size):
                return self._whole(network, inputs)
            tiled: torch.Tensor = sliding_window_inference(
                inputs,
                roi_size=self._tile_sides(size),
                sw_batch_size=self._tiles_at_once,
                predictor=lambda part: self._whole(network, part),
                overlap=OVERLAP,
                mode="gaussian",
            )
            return tiled

    def _goes_whole(self, size: Sequence[int]) -> bool:
        return self.spec.spatial_dims == 2 and max(size) <= self.spec.tile

    @property
    def _tiles_at_once(self) -> int:
        return 1 if self.spec.spatial_dims == 2 else PATCHES

    def _tile_sides(self, size: Sequence[int]) -> list[int]:
        return list(self.spec.patch or tile_sides(size, self.spec.tile))

    def _presence(self, images: torch.Tensor) -> torch.Tensor:
        """Probability `(B, N)` of each class, from whole slices: a tile would miss the rest."""
        assert self.classifier is not None
        with torch.inference_mode(), evaluating(self.classifier):
            return self._padded(self.classifier, images).float().sigmoid()

    def _whole(self, network: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        if inputs.ndim == 5:  # patches, whose sides fit the network
            count = len(inputs)
            if count == 1 and self.device.type == "cpu" and self._quick is None:
                # In one thread, PyTorch takes several times as long for one volume as for two;
                # quick copies ask oneDNN for either.
                inputs = torch.cat([inputs, inputs])
            return self._padded(network, inputs)[:count].float()
        height, width = inputs.shape[-2:]
        return self._padded(network, inputs)[..., :height, :width].float()

    def _padded(self, network: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        padded, _ = _padded_images(inputs)
        with self._precision():
            outputs: torch.Tensor = self._applied(network, padded)(padded)
        return outputs

    def _precision(self) -> torch.autocast:
        return torch.autocast(
            self.device.type, dtype=self._autocast, enabled=self._autocast is not None
        )

    def _applied(self, network: nn.Module, images: torch.Tensor) -> nn.Module:
        """What is computed for a network: a quick copy, where there may be one."""
        if self._quick is None:
            return network
        return self._quick.of(network, images)


def _padded_images(images: torch.Tensor) -> tuple[torch.Tensor, tuple[Any, ...]]:
    """Slices whose sides fit a network, in the layout in which it runs, and where they lie."""
    inside: tuple[Any, ...] = (Ellipsis,)
    padded = images
    if images.ndim == 4:  # patches of volumes fit as they are
        height, width = images.shape[-2:]
        padded = F.pad(images, (0, -width % _MULTIPLE, 0, -height % _MULTIPLE))
        inside = (Ellipsis, slice(height), slice(width))
    return padded.contiguous(memory_format=memory_format(padded)), inside
