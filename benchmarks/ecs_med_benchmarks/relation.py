"""Figure 4: how the corrector's judgement goes with the segmenter's true error.

Hidden masks of unlabelled images reach this module through `HiddenReferences.for_reporting` and
leave it as correlations only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from ecs_med.data.cases import PreparedCase, prepare_case
from ecs_med.data.layout import open_data
from ecs_med.errors import DataError, SettingsError
from ecs_med.inference.model import Model, load_model
from ecs_med.runs import RunFolder
from ecs_med.splits import Split
from ecs_med.splits.ordering import digest
from ecs_med.types import IGNORE_INDEX, Case, UnlabeledCase
from ecs_med_benchmarks.ranks import Correlation, correlate

__all__ = ["RunCorrelation", "judged_pixels", "measure_relation"]

Pairs = npt.NDArray[np.float64]
Referenced = tuple[Case | UnlabeledCase, Path]
"""A case and its mask."""

_SLICES = 8
"""Slices of a volume, evenly spread."""


@dataclass(frozen=True, slots=True)
class RunCorrelation:
    """Figure 4 of one run.

    Attributes:
        run: Run folder.
        labeled: The labelled budget as it was asked for.
        seed: Seed of the run.
        num_labeled: Labelled training images.
        num_unlabeled: Unlabelled training images.
        class_names: Background first.
        on_labeled: Over labelled training images.
        on_unlabeled: Over unlabelled training images whose mask exists; `None` without any.
        pixels_per_image: Most pixels drawn of an image, and most of each of its classes.
    """

    run: Path
    labeled: str
    seed: int
    num_labeled: int
    num_unlabeled: int
    class_names: tuple[str, ...]
    on_labeled: Correlation
    on_unlabeled: Correlation | None
    pixels_per_image: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        unlabeled = self.on_unlabeled
        return {
            "run": str(self.run),
            "labeled": self.labeled,
            "seed": self.seed,
            "num_labeled": self.num_labeled,
            "num_unlabeled": self.num_unlabeled,
            "class_names": list(self.class_names),
            "on_labeled": self.on_labeled.to_json(),
            "on_unlabeled": unlabeled.to_json() if unlabeled else None,
            "pixels_per_image": self.pixels_per_image,
        }


def measure_relation(
    run: Path,
    *,
    max_images: int = 200,
    pixels_per_image: int = 1000,
    data: Path | None = None,
    device: str = "auto",
) -> RunCorrelation:
    """Correlate the corrector's judgement with the segmenter's error in a finished run.

    Per pixel, the squared probability of "right" by the corrector stands against the negative
    cross-entropy of the segmenter's prediction and the reference; void does not count. The model
    is the one that the run has kept, on the prepared grid, without augmentation.

    Args:
        run: Run folder of a method with a corrector.
        max_images: At most so many labelled images, and as many unlabelled ones; which ones is
            fixed by their names.
        pixels_per_image: At most so many pixels of an image, and of each class in it; which ones
            is fixed by its name.
        data: Where the data of the run lie now; `None`: where they lay.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.

    Raises:
        RunFolderError: If there is no trained model.
        SettingsError: If it has no corrector.
        DataError: If an image cannot be read, or the data are not those of the run.

    Source:
        Mendel et al. 2020, section 4.8 and Fig. 4.
    """
    model = load_model(run, device)
    if not model.has_corrector:
        raise SettingsError(
            f"{run}: a model trained with '{model.spec.method}' has no corrector to be judged; "
            "name runs of `method=ecs`."
        )
    folder = RunFolder(run)
    config = folder.read_config()
    split = Split.read(folder.split_file, open_data(data or config.data, config.reading).cases)
    labeled = sorted(split.labeled, key=lambda case: digest(f"report:{case.id}"))[:max_images]
    known = [(case, case.mask) for case in labeled if case.mask is not None]
    hidden = split.hidden.for_reporting(max_images)
    unlabeled = _correlation(model, hidden, pixels_per_image, lenient=True) if hidden else None
    return RunCorrelation(
        run=run,
        labeled=config.labeled,
        seed=config.seed,
        num_labeled=len(split.labeled),
        num_unlabeled=len(split.unlabeled),
        class_names=model.spec.class_names,
        on_labeled=_correlation(model, known, pixels_per_image),
        on_unlabeled=unlabeled,
        pixels_per_image=pixels_per_image,
    )


def judged_pixels(
    logits: torch.Tensor, corrected: torch.Tensor, reference: torch.Tensor
) -> tuple[Pairs, npt.NDArray[np.int64]]:
    """The two quantities of Figure 4 at every pixel that is not void.

    Args:
        logits: Of the segmenter, `(B, N, *spatial)`.
        corrected: Probabilities of the corrector, `(B, N+1, *spatial)`.
        reference: `(B, *spatial)`, `IGNORE_INDEX` where void.

    Returns:
        `(n, 2)` float64: the squared probability of "right", in 0..1, and the negative
        cross-entropy, at most 0; and the reference class of each pixel, `(n,)`.

    Source:
        Mendel et al. 2020, section 4.8.
    """
    # In float64, so that pixels of which the segmenter is sure are not all tied at 0.
    counted = (reference != IGNORE_INDEX).cpu()
    labels = reference.long().cpu()
    likelihood = F.log_softmax(logits.double().cpu(), dim=1)
    at_reference = likelihood.gather(1, labels.where(counted, 0).unsqueeze(1))[:, 0]
    right = corrected[:, -1].double().cpu() ** 2
    pairs = torch.stack([right[counted], at_reference[counted]], dim=1)
    return pairs.numpy(), labels[counted].numpy()


def _correlation(
    model: Model, cases: Sequence[Referenced], pixels_per_image: int, *, lenient: bool = False
) -> Correlation:
    num_classes = model.spec.num_classes
    everywhere: list[Pairs] = [np.empty((0, 2))]
    by_class: list[Pairs] = [np.empty((0, 2))]
    classes: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)]
    num_images = 0
    for case, mask in cases:
        try:
            found = prepare_case(case, model.spec.preparation, model.spec.labels, mask)
        except DataError:
            if lenient:  # a hidden mask outside the scheme; training has never read it
                continue
            raise
        num_images += 1
        pairs, labels = _judged(model, found)
        rng = np.random.default_rng(int.from_bytes(digest(f"pixels:{case.id}")[:8]))
        everywhere.append(pairs[_drawn(np.arange(len(pairs)), pixels_per_image, rng)])
        for label in range(num_classes):
            chosen = _drawn(np.flatnonzero(labels == label), pixels_per_image, rng)
            by_class.append(pairs[chosen])
            classes.append(labels[chosen])
    return correlate(
        np.concatenate(everywhere),
        np.concatenate(by_class),
        np.concatenate(classes),
        num_classes=num_classes,
        num_images=num_images,
    )


def _drawn(
    positions: npt.NDArray[np.int64], limit: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """All positions, or `limit` of them without replacement."""
    if len(positions) <= limit:
        return positions
    return rng.choice(positions, limit, replace=False)


def _judged(model: Model, case: PreparedCase) -> tuple[Pairs, npt.NDArray[np.int64]]:
    slices, reference = case.spread(_SLICES)
    assert reference is not None
    parts = []
    for part, labels in zip(slices.split(1), reference.split(1), strict=True):
        logits = model.logits(part)
        parts.append(judged_pixels(logits, model.correct(part, logits), labels))
    return np.concatenate([p for p, _ in parts]), np.concatenate([c for _, c in parts])
