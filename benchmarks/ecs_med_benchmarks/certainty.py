"""Figure 4: how the corrector's certainty goes with the segmenter's true error.

Hidden masks of unlabelled images reach this module through `HiddenReferences.for_reporting` and
leave it as correlations only.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import spearmanr
from torch.nn import functional as F

from ecs_med.data.cases import prepare_case
from ecs_med.data.layout import open_data
from ecs_med.errors import DataError, SettingsError
from ecs_med.inference.model import Model, load_model
from ecs_med.records import Record
from ecs_med.runs import RunFolder
from ecs_med.splits import Split
from ecs_med.splits.ordering import digest
from ecs_med.types import IGNORE_INDEX, Case, UnlabeledCase

__all__ = [
    "ALL_PIXELS",
    "CertaintyCorrelation",
    "RankCorrelation",
    "certainty_and_error",
    "measure_certainty",
    "spearman",
]

ALL_PIXELS = "all pixels"
"""In place of a class: everything but void."""

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_SLICES = 8
"""Slices of a volume, evenly spread."""


class RankCorrelation(Record):
    """Rank correlations over pixels of one kind of images."""

    rho: float | None
    """Over pixels of all classes, -1 to 1; `None` where it is undefined (fewer than two pixels, or
    one of the two quantities constant)."""
    rho_per_class: tuple[float | None, ...]
    """Over the pixels of one reference class each, background first; likewise."""
    num_pixels: int
    """Pixels behind `rho`."""
    num_pixels_per_class: tuple[int, ...]
    """Pixels behind each of `rho_per_class`."""
    num_images: int
    """Images (or volumes) that the pixels come from."""


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

    def coefficients(self) -> list[tuple[str, str, float | None, int]]:
        """Kind of images, class or `ALL_PIXELS`, coefficient, number of pixels."""
        names = (ALL_PIXELS, *self.class_names)
        return [
            (kind, name, rho, num_pixels)
            for kind, found in self.parts()
            for name, rho, num_pixels in zip(
                names,
                (found.rho, *found.rho_per_class),
                (found.num_pixels, *found.num_pixels_per_class),
                strict=True,
            )
        ]


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
    known = [(case, case.mask) for case in labeled if case.mask is not None]
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


def spearman(first: Floats, second: Floats) -> float | None:
    """Spearman's coefficient of two quantities `(n,)`; equal values share the mean of their ranks.

    Returns:
        -1 to 1; `None` for fewer than two pixels or where one of the two is constant.

    Example:
        >>> import numpy as np
        >>> round(spearman(np.array([1.0, 2.0, 3.0]), np.array([0.1, 9.0, 0.5])), 3)
        0.5
    """
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(spearmanr(first, second).statistic)


def correlate(everywhere: Floats, by_class: Sequence[Floats], num_images: int) -> RankCorrelation:
    """Correlations of two quantities `(n, 2)`, over all pixels and over those of each class."""
    return RankCorrelation(
        rho=spearman(everywhere[:, 0], everywhere[:, 1]),
        rho_per_class=tuple(spearman(pairs[:, 0], pairs[:, 1]) for pairs in by_class),
        num_pixels=len(everywhere),
        num_pixels_per_class=tuple(len(pairs) for pairs in by_class),
        num_images=num_images,
    )


def _correlation(
    model: Model,
    cases: Iterable[tuple[Case | UnlabeledCase, Path]],
    pixels_per_image: int,
    *,
    lenient: bool = False,
) -> RankCorrelation:
    nothing = np.empty((0, 2))
    everywhere = [nothing]
    by_class = [[nothing] for _ in range(model.spec.num_classes)]
    for case, mask in cases:
        try:
            pairs, labels = _case_pairs(model, case, mask)
        except DataError:
            if lenient:  # a hidden mask outside the scheme; training has never read it
                continue
            raise
        rng = np.random.default_rng(int.from_bytes(digest(f"pixels:{case.id}")[:8]))
        everywhere.append(pairs[_drawn(np.arange(len(pairs)), pixels_per_image, rng)])
        for label, drawn in enumerate(by_class):
            drawn.append(pairs[_drawn(np.flatnonzero(labels == label), pixels_per_image, rng)])
    members = [np.concatenate(drawn) for drawn in by_class]
    return correlate(np.concatenate(everywhere), members, len(everywhere) - 1)


def _drawn(positions: Integers, limit: int, rng: np.random.Generator) -> Integers:
    """All positions, or `limit` of them without replacement."""
    if len(positions) <= limit:
        return positions
    return rng.choice(positions, limit, replace=False)


def _case_pairs(model: Model, case: Case | UnlabeledCase, mask: Path) -> tuple[Floats, Integers]:
    prepared = prepare_case(case, model.spec.preparation, model.spec.labels, mask)
    slices, reference = prepared.spread(_SLICES)
    assert reference is not None
    parts = []
    for part, labels in zip(slices.split(1), reference.split(1), strict=True):
        logits = model.logits(part)
        parts.append(certainty_and_error(logits, model.correct(part, logits), labels))
    return np.concatenate([p for p, _ in parts]), np.concatenate([c for _, c in parts])
