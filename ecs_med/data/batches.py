"""Training batches: batch number i is a pure function of the seed and i.

Order and augmentation are counted, not remembered: nothing has to be saved to resume a
run exactly, and the number of worker processes changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from monai.transforms import Compose
from torch.utils.data import DataLoader, Dataset

from ecs_med.config import AugmentationSettings
from ecs_med.data.augment import apply_own_transform, training_transform
from ecs_med.data.store import PreparedSlice, SliceStore
from ecs_med.data.tracking import tracking_metadata
from ecs_med.devices import memory_format
from ecs_med.distributed import rank, world_size
from ecs_med.types import IGNORE_INDEX, UNLABELED_INDEX, Batch, StrongView

__all__ = [
    "FOREGROUND_SHARE",
    "LABELED",
    "Normalization",
    "TrainingBatches",
    "ViewMaker",
    "batch_loader",
    "draw_seed",
    "nth_case",
    "to_device",
]

LABELED, _UNLABELED = 1, 2
"""Streams of cases."""
_UNSEEN = 2
"""Of what is valid: image, but outside the field of view of an endoscope, so that it never counts.

A value of its own and no further key, so that a caller's transform moves it along."""
_OWN_TRANSFORM = 10
"""Added to a stream, so that draws of the caller's transform are apart from those of crop and flip.
"""
FOREGROUND_SHARE = 1 / 3
"""Share of draws from labelled volumes that take a slice with foreground (as in nnU-Net)."""

RawBatch = dict[str, torch.Tensor]
OwnTransform = Callable[[Mapping[str, torch.Tensor]], Mapping[str, Any]]


class TrainingBatches(Dataset[RawBatch]):
    """All batches of a run, as a sequence.

    Args:
        labeled: Labelled cases.
        unlabeled: Unlabelled cases, or `None`.
        seed: Seed of the run.
        batch: Labelled images per batch, and as many unlabelled ones; of several processes,
            which must divide it, each takes its part.
        crop: Side of the square crop in pixels, or sides of a patch of volumes.
        augmentation: Random transforms.
        num_batches: Length of the run.
        transform: Applied to whole slices before everything random; see `apply_own_transform`.
        context: Neighbours of a slice on either side that are further channels of it.
        has_colors: Whether three channels are red, green and blue, as in pictures.
    """

    def __init__(
        self,
        labeled: SliceStore,
        unlabeled: SliceStore | None,
        *,
        seed: int,
        batch: int,
        crop: int | tuple[int, int, int],
        augmentation: AugmentationSettings,
        num_batches: int,
        transform: OwnTransform | None = None,
        context: int = 0,
        has_colors: bool = True,
    ) -> None:
        self._stores = {LABELED: labeled}
        if unlabeled is not None:
            self._stores[_UNLABELED] = unlabeled
        self._seed = seed
        self._batch = batch
        part = batch // world_size()
        self._slots = range(rank() * part, (rank() + 1) * part)
        self._num_batches = num_batches
        self._own_transform = transform
        self._context = context
        # Cases differ in where left and right are; there are few such ways.
        self._new_transform = partial(training_transform, crop, augmentation, has_colors=has_colors)
        self._transforms = {(2, 1): self._new_transform()}

    def __len__(self) -> int:
        return self._num_batches

    def __getitem__(self, index: int) -> RawBatch:
        """Batch number `index`: images in 0..1, not yet normalised, labels, and what is valid."""
        raw: RawBatch = {}
        for stream in self._stores:
            with tracking_metadata(False):
                samples = [self._sample(stream, index * self._batch + slot) for slot in self._slots]
            prefix = "" if stream == LABELED else "unlabeled_"
            for key in samples[0]:
                raw[prefix + key] = torch.stack([sample[key] for sample in samples])
        return raw

    def _sample(self, stream: int, position: int) -> RawBatch:
        store = self._stores[stream]
        case = nth_case(self._seed, stream, len(store), position)
        seed = draw_seed(self._seed, stream, position)
        drawn = self._draw_slice(store, stream, case, np.random.default_rng(seed))
        image = drawn.image
        image = image.float() / 255 if image.dtype == torch.uint8 else image.float()
        valid = torch.ones(1, *image.shape[1:], dtype=torch.uint8)
        if drawn.seen is not None:
            valid = torch.where(drawn.seen == 0, _UNSEEN, valid)
        sample = {"image": image, "valid": valid}
        if stream == LABELED:
            assert drawn.labels is not None
            sample["labels"] = drawn.labels[None]
        if self._own_transform is not None:
            own_seed = draw_seed(self._seed, stream + _OWN_TRANSFORM, position)
            sample = apply_own_transform(self._own_transform, sample, own_seed)
        transform = self._transform_along(store.mirror_axes(case))
        transform.set_random_state(seed=seed)
        sample = transform(sample)
        sample["image"] = sample["image"].half()
        return {key: value if key == "image" else value[0].byte() for key, value in sample.items()}

    def _transform_along(self, mirror_axes: tuple[int, int]) -> Compose:
        if mirror_axes not in self._transforms:
            self._transforms[mirror_axes] = self._new_transform(mirror_axes=mirror_axes)
        return self._transforms[mirror_axes]

    def _draw_slice(
        self, store: SliceStore, stream: int, case: int, rng: np.random.Generator
    ) -> PreparedSlice:
        count = store.num_slices(case)
        if count == 1:
            return store.slice(case, 0, self._context)
        drawn = store.drawn_slices(case)
        number = int(drawn[int(rng.integers(len(drawn)))])
        if stream == LABELED and rng.random() < FOREGROUND_SHARE:
            shown = store.foreground_slices(case)
            if len(shown):
                number = int(shown[int(rng.integers(len(shown)))])
        return store.slice(case, number, self._context)


def nth_case(seed: int, stream: int, num_cases: int, position: int) -> int:
    """The case at `position` of an endless sequence of shuffled passes over all cases.

    Args:
        seed: Seed of the run.
        stream: Number that keeps independent sequences apart.
        num_cases: Cases in one pass, at least 1.
        position: 0 and up.

    Returns:
        Index in 0..num_cases-1; each occurs once per pass.
    """
    epoch, offset = divmod(position, num_cases)
    return int(_permutation(seed, stream, num_cases, epoch)[offset])


@lru_cache(maxsize=8)
def _permutation(seed: int, stream: int, num_cases: int, epoch: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng([seed, stream, epoch]).permutation(num_cases)


def draw_seed(seed: int, stream: int, position: int) -> int:
    """A seed below 2**32 for the random transforms of one sample, or for one iteration."""
    return int(np.random.SeedSequence([seed, stream, position]).generate_state(1)[0])


def batch_loader(batches: TrainingBatches, first: int, workers: int) -> DataLoader[RawBatch]:
    """A loader over batch `first` to the last, `workers` processes; 0: in the training process."""
    return DataLoader(
        batches,
        batch_size=None,
        sampler=range(first, len(batches)),
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


@dataclass(frozen=True, slots=True)
class Normalization:
    """Intensities as the encoder expects them.

    Attributes:
        mean: Per channel, for intensities in 0..1.
        std: Per channel.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Images `(B, C, *spatial)`, uint8 in 0..255 or floating point in 0..1, as float32."""
        values = images.float() / 255 if images.dtype == torch.uint8 else images.float()
        by_channel = (-1, *[1] * (values.ndim - 2))
        mean, std = (_on(values.device, numbers) for numbers in (self.mean, self.std))
        return (values - mean.view(by_channel)) / std.view(by_channel)


@lru_cache(maxsize=64)
def _on(device: torch.device, numbers: tuple[float, ...]) -> torch.Tensor:
    # Kept: to send them anew would wait for all that a GPU has still to do.
    with torch.inference_mode(mode=False):
        return torch.tensor(numbers, device=device)


ViewMaker = Callable[
    [torch.Tensor, torch.Tensor, Callable[[torch.Tensor], torch.Tensor]], tuple[StrongView, ...]
]
"""From images in 0..1, what of them is valid, and the normalisation, to strong views."""


def to_device(
    raw: RawBatch,
    device: torch.device,
    normalization: Normalization,
    strong: ViewMaker | None = None,
    *,
    unlabeled_pixels: Literal["joined", "own", "ignored"] = "ignored",
) -> Batch:
    """Move what `TrainingBatches` gives and normalise it there; padding becomes exactly 0.

    Where unlabelled pixels are `joined`, labelled images are unlabelled ones as well, and of these
    the pixels count that nobody has annotated: so every loss on unlabelled images takes them in.
    They lie among the others one by one, so that several processes hold what one would, and are
    there whatever a batch shows, so that its shape is always the same.

    Args:
        raw: Of `TrainingBatches`.
        device: Where to.
        normalization: The encoder's.
        strong: Makes strong views of the unlabelled images; `None`: there are none.
        unlabeled_pixels: Whether the batch says which pixels of labelled images nobody has
            annotated, and whether these images join the unlabelled ones.
    """

    def moved(name: str) -> torch.Tensor:
        return raw[name].to(device, non_blocking=True)

    def normalized(image: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        values = normalization(image) * valid[:, None]
        return values.contiguous(memory_format=memory_format(values))

    image, valid, labels = moved("image"), moved("valid").bool(), moved("labels").long()
    is_unlabeled = labels == UNLABELED_INDEX
    labels = labels.masked_fill(is_unlabeled, IGNORE_INDEX)
    batch = Batch(normalized(image, valid), labels, valid=valid)
    if unlabeled_pixels != "ignored":
        batch = replace(batch, unlabeled_pixels=is_unlabeled)
    # The second is where they are no padding, the third where they count.
    parts = []
    if "unlabeled_image" in raw:
        others_valid = moved("unlabeled_valid")
        seen = (others_valid != 0) & (others_valid != _UNSEEN)
        parts.append((moved("unlabeled_image"), others_valid.bool(), seen))
    if unlabeled_pixels == "joined":
        parts.append((image, valid, is_unlabeled))
    if not parts:
        return batch
    others, others_valid, counts = (
        torch.stack(part, dim=1).flatten(0, 1) for part in zip(*parts, strict=True)
    )
    views: tuple[StrongView, ...] = ()
    images = normalized(others, others_valid)
    if strong is not None:
        views = strong(others.float(), others_valid, normalization)
    return replace(batch, unlabeled_images=images, unlabeled_valid=counts, unlabeled_strong=views)
