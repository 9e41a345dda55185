"""Figure 4: how the corrector's certainty goes with the segmenter's true error.

Hidden masks of unlabelled images reach this module through `HiddenReferences.for_reporting` and
leave it as correlations only.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from ecs_med.data.cases import prepare_case
from ecs_med.data.depth import with_context
from ecs_med.data.layout import open_data
from ecs_med.errors import DataError, SettingsError
from ecs_med.inference.model import Model
from ecs_med.inference.storing import load_model
from ecs_med.metrics import (
    DoubtCounts,
    doubt_of_corrector,
    doubt_of_segmenter,
)
from ecs_med.records import Record
from ecs_med.runs import RunFolder
from ecs_med.splits import Split
from ecs_med.splits.ordering import digest
from ecs_med.types import IGNORE_INDEX, Case, UnlabeledCase
from ecs_med_benchmarks.rank_correlation import PixelSample, RankCorrelation

__all__ = [
    "ALL_PIXELS",
    "FOREGROUND",
    "CertaintyCorrelation",
    "Coefficient",
    "certainty_and_error",
    "measure_certainty",
]

ALL_PIXELS = "all pixels"
"""In place of a class: everything but void."""
FOREGROUND = "foreground"
"""In place of a class: everything but void and background."""

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_SLICES = 8
"""Slices of a volume, evenly spread."""


class Coefficient(NamedTuple):
    """What is known of some pixels of one kind of images.

    Attributes:
        images: `labeled` or `unlabeled`.
        name: A class, `ALL_PIXELS` or `FOREGROUND`.
        rho: Rank correlation; `None` where undefined.
        num_pixels: Pixels behind it.
        auroc: Of the corrector's 1 - P(right) as a detector of errors, on all such pixels.
        confidence_auroc: Of the segmenter's own 1 - largest probability.
    """

    images: str
    name: str
    rho: float | None
    num_pixels: int
    auroc: float | None
    confidence_auroc: float | None


class CertaintyCorrelation(Record):
    """Figure 4 of one run."""

    run: Path
    """Run folder."""
    labeled: str
    """The labelled budget as it was asked for."""
    seed: int
    """Seed of the run."""
    num_labeled: int
    """Labelled training images."""
    num_unlabeled: int
    """Unlabelled training images."""
    class_names: tuple[str, ...]
    """Background first."""
    on_labeled: RankCorrelation
    """Over labelled training images."""
    on_unlabeled: RankCorrelation | None
    """Over unlabelled training images whose mask exists; `None` without any."""
    pixels_per_image: int
    """Most pixels drawn of an image, and most of each of its classes."""

    def parts(self) -> list[tuple[str, RankCorrelation]]:
        """Correlations by kind of images, `labeled` and `unlabeled`, where there are such."""
        parts = [("labeled", self.on_labeled), ("unlabeled", self.on_unlabeled)]
        return [(kind, found) for kind, found in parts if found is not None]

    def coefficients(self) -> list[Coefficient]:
        """Of all pixels, of the foreground and of each class, for each kind of images."""
        return [row for kind, found in self.parts() for row in _rows(kind, found, self.class_names)]


def _rows(kind: str, found: RankCorrelation, class_names: Sequence[str]) -> list[Coefficient]:
    rhos = (found.rho, found.rho_foreground, *found.rho_per_class)
    numbers = (found.num_pixels, found.num_pixels_foreground, *found.num_pixels_per_class)
    aurocs: list[tuple[float | None, float | None]] = [(None, None)] * len(rhos)
    if found.detection is not None:
        whole, front = found.detection.all_pixels, found.detection.foreground
        groups = (whole, front, *found.detection.per_class)
        aurocs = [(group.corrector.auroc, group.confidence.auroc) for group in groups]
    names = (ALL_PIXELS, FOREGROUND, *class_names)
    rows = zip(names, rhos, numbers, aurocs, strict=True)
    return [Coefficient(kind, name, rho, number, *pair) for name, rho, number, pair in rows]


def measure_certainty(
    run: Path, *, max_images: int = 200, pixels_per_image: int = 1000, device: str = "auto"
) -> CertaintyCorrelation:
    """Correlate the corrector's certainty with the segmenter's error in a finished run.

    Per pixel, the squared probability of "right" by the corrector stands against the negative
    cross-entropy of the segmenter's prediction and the reference; void does not count. The model
    is the one that the run has kept, on the prepared grid, without augmentation.

    Args:
        run: Run folder of a method with a corrector.
        max_images: At most so many labelled images, and as many unlabelled ones; which ones is
            fixed by their names.
        pixels_per_image: At most so many pixels of an image, and of each class in it; which ones
            is fixed by its name.
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
            "name runs of a method that has one."
        )
    folder = RunFolder(run)
    config = folder.read_config()
    split = Split.read(folder.split_file, open_data(config.data, config.reading).cases)
    labeled = sorted(split.labeled, key=lambda case: digest(f"report:{case.id}"))[:max_images]
    known = [(c, c.mask) for c in labeled if isinstance(c, Case) and c.mask is not None]
    hidden = split.hidden.for_reporting(max_images)
    unlabeled = _correlation(model, hidden, pixels_per_image, lenient=True) if hidden else None
    return CertaintyCorrelation(
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


def certainty_and_error(
    logits: torch.Tensor, corrected: torch.Tensor, reference: torch.Tensor
) -> tuple[Floats, Integers]:
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
    model: Model,
    cases: Iterable[tuple[Case | UnlabeledCase, Path]],
    pixels_per_image: int,
    *,
    lenient: bool = False,
) -> RankCorrelation:
    sample = PixelSample(model.spec.num_classes, pixels_per_image)
    doubts = DoubtCounts(model.spec.num_classes)
    for case, mask in cases:
        try:
            pairs, labels = _case_pairs(model, case, mask, doubts)
        except DataError:
            if lenient:  # a hidden mask outside the scheme; training has never read it
                continue
            raise
        sample.add(pairs, labels, case.id)
    return sample.correlation().model_copy(update={"detection": doubts.detection()})


def _case_pairs(
    model: Model, case: Case | UnlabeledCase, mask: Path, doubts: DoubtCounts
) -> tuple[Floats, Integers]:
    """The two quantities at the pixels of a case, whose doubts are counted on the way."""
    prepared = prepare_case(case, model.spec.preparation, model.spec.labels, mask)
    numbers, reference = prepared.spread(_SLICES)
    slices = with_context(prepared.slices, numbers, model.spec.context)
    assert reference is not None
    parts = []
    for part, labels in zip(slices.split(1), reference.split(1), strict=True):
        logits = model.logits(part)
        corrected, segmented = model.correct(part, logits), logits.argmax(dim=1)
        own, plain = doubt_of_corrector(corrected), doubt_of_segmenter(logits, segmented)
        doubts.add(own.cpu(), plain.cpu(), segmented.cpu(), labels)
        parts.append(certainty_and_error(logits, corrected, labels))
    return np.concatenate([p for p, _ in parts]), np.concatenate([c for _, c in parts])
