"""AUROC, average precision and calibration from bins, against slow definitions on raw scores."""

import numpy as np
import numpy.typing as npt
import pytest
import torch

from ecs_med.metrics import DoubtCounts, ErrorDetection, doubt_of_corrector, doubt_of_segmenter
from ecs_med.metrics.calibration import NUM_INTERVALS
from ecs_med.metrics.detection import auroc, average_precision
from ecs_med.types import IGNORE_INDEX

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def slow_auroc(doubt: Floats, wrong: Flags) -> float:
    """Share of pairs of a wrong and a right pixel in which the wrong one is doubted more."""
    right = np.sort(doubt[~wrong])
    less = np.searchsorted(right, doubt[wrong], side="left")
    upto = np.searchsorted(right, doubt[wrong], side="right")
    return float((less + upto).mean() / 2 / len(right))


def slow_average_precision(doubt: Floats, wrong: Flags) -> float:
    """Sum over all thresholds of the gained recall times the precision there."""
    thresholds = np.unique(doubt)
    hits = wrong.sum() - np.searchsorted(np.sort(doubt[wrong]), thresholds)
    doubted = len(doubt) - np.searchsorted(np.sort(doubt), thresholds)
    recall = np.append(hits / wrong.sum(), 0.0)
    return float((-np.diff(recall) * hits / doubted).sum())


def slow_calibration_error(right: Floats, wrong: Flags) -> float:
    """Guo et al. 2017, eq. 3, interval by interval."""
    error = 0.0
    for index in range(NUM_INTERVALS):
        chosen = (right >= index / NUM_INTERVALS) & (right < (index + 1) / NUM_INTERVALS)
        if chosen.any():
            error += chosen.mean() * abs(right[chosen].mean() - (~wrong)[chosen].mean())
    return error


SHAPES = {"even": (1.0, 1.0), "sure": (0.05, 2.0), "very sure": (0.01, 8.0), "odd": (0.3, 0.3)}


def logits_of(shape: str, num_classes: int, count: int, seed: int) -> torch.Tensor:
    """Logits `(1, K, 1, count)` whose largest probability is often close to 1."""
    rng = np.random.default_rng(seed)
    doubt = rng.beta(*SHAPES[shape], size=count).clip(1e-12, 1 - 1e-12)
    logits = rng.normal(size=(num_classes, count))
    favourite = rng.integers(0, num_classes, count)
    logits[favourite, np.arange(count)] += np.log(1 / doubt - 1)
    return torch.tensor(logits, dtype=torch.float32)[None, :, None]


def case(
    shape: str, num_classes: int, seed: int, count: int = 100_000
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits of both networks and a reference with void that the segmenter has wrong at times."""
    rng = np.random.default_rng(seed + 100)
    logits = logits_of(shape, num_classes, count, seed)
    corrected = logits_of(shape, num_classes + 1, count, seed + 50)
    segmented = logits.argmax(1)[0, 0].numpy()
    doubt = 1 - logits.double().softmax(1).amax(1)[0, 0].numpy()
    wrong = rng.random(count) < 0.02 + 0.6 * doubt
    other = (segmented + rng.integers(1, num_classes, count)) % num_classes
    reference = np.where(wrong, other, segmented)
    reference[:200] = IGNORE_INDEX
    return logits, corrected, torch.tensor(reference)[None, None]


def counted(*cases: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> DoubtCounts:
    counts = DoubtCounts(cases[0][0].shape[1])
    for logits, corrected, reference in cases:
        segmented = logits.argmax(1)
        counts.add(
            doubt_of_corrector(corrected.softmax(1)),
            doubt_of_segmenter(logits, segmented),
            segmented.to(torch.uint8),
            reference.to(torch.uint8),
        )
    return counts


def found(*cases: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> ErrorDetection:
    detection = counted(*cases).detection()
    assert detection is not None
    return detection


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("num_classes", [2, 4])
def test_bins_give_what_raw_scores_give(shape: str, num_classes: int) -> None:
    logits, corrected, reference = case(shape, num_classes, seed=num_classes)
    detection = found((logits, corrected, reference))
    labels = reference[0, 0].numpy()
    wrong = logits.argmax(1)[0, 0].numpy() != labels
    # In float64, where 1 - p has digits enough; the doubts were counted from float32.
    of_segmenter = 1 - logits.double().softmax(1).amax(1)[0, 0].numpy()
    right = corrected.double().softmax(1)[0, -1, 0].numpy()
    known = labels != IGNORE_INDEX
    pairs = [(known, detection.all_pixels), (known & (labels != 0), detection.foreground)]
    pairs += [(labels == label, detection.per_class[label]) for label in range(num_classes)]
    for chosen, group in pairs:
        assert group.num_pixels == chosen.sum()
        assert group.wrong_share == pytest.approx(wrong[chosen].mean())
        for doubt, detector in (
            (1 - right, group.corrector),
            (of_segmenter, group.confidence),
        ):
            expected = slow_auroc(doubt[chosen], wrong[chosen])
            assert detector.auroc == pytest.approx(expected, abs=1e-3)
            expected = slow_average_precision(doubt[chosen], wrong[chosen])
            assert detector.average_precision == pytest.approx(expected, abs=1e-3)
    for curve, chance in (
        (detection.calibration, right),
        (detection.confidence_calibration, 1 - of_segmenter),
    ):
        expected = slow_calibration_error(chance[known], wrong[known])
        assert curve.expected_error == pytest.approx(expected, abs=1e-3)
        assert sum(curve.num_pixels) == known.sum()


def test_counts_of_cases_add_up() -> None:
    cases = [case("sure", 3, seed) for seed in (0, 1)]
    together = counted(*cases)
    apart = counted(cases[0])
    apart.merge(counted(cases[1]))
    assert apart.detection() == together.detection()


def test_three_pixels_by_hand() -> None:
    """Doubts 0.35, 0.1, 0.2, of which the first and the second are wrong: one pair of two is won.

    Precision is 1/1 at the first wrong pixel and 2/3 at the second.
    """
    corrected = torch.tensor([[0.35, 0.1, 0.2], [0, 0, 0], [0.65, 0.9, 0.8]])[None, :, None]
    doubt = doubt_of_corrector(corrected)
    counts = DoubtCounts(2)
    counts.add(doubt, doubt, torch.tensor([[[0, 1, 1]]]), torch.tensor([[[1, 0, 1]]]))
    detection = counts.detection()
    assert detection is not None
    assert detection.all_pixels.corrector.auroc == 0.5
    assert detection.all_pixels.corrector.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert detection.foreground.num_pixels == 2
    assert detection.foreground.corrector.auroc == 1
    assert detection.per_class[0].wrong_share == 1
    assert detection.per_class[0].corrector.auroc is None
    mean_gap = (abs(0.65 - 0) + abs(0.9 - 0) + abs(0.8 - 1)) / 3
    assert detection.calibration.expected_error == pytest.approx(mean_gap, abs=1e-3)
    assert detection.calibration.num_pixels[9] == 1, "0.65 lies in the tenth part"


def test_nothing_but_void_and_classes_that_never_occur() -> None:
    logits, corrected, reference = case("even", 3, 0)
    assert (
        counted((logits, corrected, torch.full_like(reference, IGNORE_INDEX))).detection() is None
    )
    only_background = reference.where(reference == 0, IGNORE_INDEX)
    detection = found((logits, corrected, only_background))
    assert detection.foreground.num_pixels == 0
    assert detection.foreground.wrong_share is None
    assert detection.foreground.corrector.auroc is None
    assert detection.per_class[2].corrector.average_precision is None
    assert detection.decisive == detection.all_pixels


def test_certain_pixels_are_told_apart_and_extremes_are_no_error() -> None:
    margins = torch.tensor([5.0, 12.0, 16.0, 18.0, 40.0, 1e30])
    logits = torch.stack([margins, torch.zeros(6), torch.full((6,), -1e30)])[None, :, None]
    bins = doubt_of_segmenter(logits, logits.argmax(1))[0, 0].tolist()
    assert sorted(set(bins), reverse=True) == bins
    assert bins[-1] == 0
    assert doubt_of_segmenter(logits[:, :2], logits.argmax(1))[0, 0].tolist() == bins
    sure = torch.tensor([[0.0, 1.0, float("nan")], [1.0, 0.0, float("nan")]])[None, :, None]
    lowest, highest, even = doubt_of_corrector(sure)[0, 0].tolist()
    assert (lowest, highest) == (0, 4095)
    assert even in {2047, 2048}


def test_ties_count_half() -> None:
    rng = np.random.default_rng(0)
    wrong, right = rng.integers(0, 20, 12), rng.integers(0, 20, 12)
    doubt = np.repeat(np.arange(12.0), wrong + right)
    flags = np.concatenate([[True] * w + [False] * r for w, r in zip(wrong, right, strict=True)])
    assert auroc(wrong, right) == pytest.approx(slow_auroc(doubt, flags))
    assert average_precision(wrong, right) == pytest.approx(slow_average_precision(doubt, flags))
    assert auroc(wrong, 0 * right) is None
    assert average_precision(0 * wrong, right) is None


def with_aurocs(own: float | None, plain: float | None, foreground: bool = True) -> ErrorDetection:
    """A detection with other values on foreground pixels, or on all."""
    detection = found(case("even", 2, 0))
    name = "foreground" if foreground else "all_pixels"
    group = getattr(detection, name)
    parts = {
        "corrector": group.corrector.model_copy(update={"auroc": own}),
        "confidence": group.confidence.model_copy(update={"auroc": plain}),
    }
    return detection.model_copy(update={name: group.model_copy(update=parts)})


def test_a_corrector_no_better_than_confidence_is_told() -> None:
    sentence = with_aurocs(0.61, 0.72).weakness()
    assert sentence is not None
    assert "no better than the segmenter's own confidence: on the foreground pixels" in sentence
    assert "its AUROC is 0.610, that of the segmenter's confidence 0.720" in sentence
    assert with_aurocs(0.72, 0.72).weakness() is not None
    assert with_aurocs(0.721, 0.72).weakness() is None
    assert "no better than guessing" in str(with_aurocs(0.2, 0.06).weakness())


def test_without_errors_in_the_foreground_all_pixels_decide() -> None:
    no_errors = with_aurocs(None, None).foreground
    for own, is_weak in ((0.8, True), (0.95, False)):
        whole = with_aurocs(own, 0.9, foreground=False)
        sentence = whole.model_copy(update={"foreground": no_errors}).weakness()
        assert (sentence is not None) is is_weak
        assert sentence is None or "on the pixels of the validation" in sentence
