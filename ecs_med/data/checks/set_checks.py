"""What is wrong with a data set as a whole, given the facts of its cases."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from ecs_med.data.checks.copies import equal_pictures
from ecs_med.data.checks.facts import CaseFacts
from ecs_med.data.checks.planes import plane_problems
from ecs_med.data.checks.space import space_problems
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.readers import reader_of
from ecs_med.data.readers.grids import times
from ecs_med.types import CaseCollection, Problem

__all__ = ["check_leaks", "check_set"]

SIZE_FACTOR = 4.0
"""Longer sides that differ from the median by more than this are reported."""
SPACING_FACTOR = 2.0
"""Voxel sides that differ from the median of their axis by more than this are reported."""
FEW_CASES = 3
SMALL_SHARE = 1 / 8
"""A budget that is small and usual."""
LIKELY = 0.1
"""A draw without foreground that is more likely than this is reported."""


def check_set(
    collection: CaseCollection, facts: Sequence[CaseFacts], scheme: LabelScheme | None
) -> list[Problem]:
    """Problems that no single file shows, but those of `check_leaks`."""
    readable = [fact for fact in facts if fact.is_readable]
    return [
        *_label_problems(collection, facts),
        *_kind_problems(collection, readable),
        *_channel_problems(readable),
        *_class_problems(collection, facts, scheme),
        *_shared_mask_problems(collection),
        *_foreground_problems(collection, facts),
        *_size_problems(collection, readable),
        *_spacing_problems(readable),
        *plane_problems(readable),
        *space_problems(collection.root, readable),
    ]


def check_leaks(collection: CaseCollection, facts: Sequence[CaseFacts]) -> list[Problem]:
    """What would let a model be tested on what it was trained on."""
    return [*_duplicate_problems(facts), *_patient_problems(collection)]


def _label_problems(collection: CaseCollection, facts: Sequence[CaseFacts]) -> Iterable[Problem]:
    num_masks = sum(fact.case.mask is not None for fact in facts)
    reported = any(problem.severity == "error" for problem in collection.problems)
    if num_masks == 0 and not reported:
        yield Problem(
            "error",
            f"{len(facts)} image(s) and not one mask",
            "Annotate some of them and store the masks as the layout expects",
            collection.root,
        )
    if num_masks == 1:
        yield Problem(
            "error",
            "only one image has a mask; nothing is left to validate and test on",
            "Annotate at least two more images, better 20",
            next(fact.case.mask for fact in facts if fact.case.mask is not None),
        )
    empty = [fact for fact in facts if fact.class_pixels and not any(fact.class_pixels[1:-1])]
    if empty:
        yield Problem(
            "note",
            f"{len(empty)} of {num_masks} masks hold background alone: {_names(empty)}",
            path=collection.root,
        )


def _kind_problems(collection: CaseCollection, facts: Sequence[CaseFacts]) -> Iterable[Problem]:
    kinds: dict[str, list[str]] = defaultdict(list)
    for fact in facts:
        kinds[str(fact.kind)].append(fact.case.id)
    if len(kinds) > 1:
        found = [f"{len(ids)} {kind}(s), such as {ids[0]}," for kind, ids in sorted(kinds.items())]
        yield Problem(
            "error",
            f"{' and '.join(found)} in one data set",
            f"Keep {' and '.join(f'{kind}s' for kind in sorted(kinds))} in data sets of their own",
            collection.root,
        )


def _channel_problems(facts: Sequence[CaseFacts]) -> Iterable[Problem]:
    volumes = [fact for fact in facts if fact.kind == "volume"]
    if not volumes:
        return
    usual = Counter(fact.num_channels for fact in volumes).most_common(1)[0][0]
    for fact in volumes:
        if fact.num_channels != usual:
            yield Problem(
                "error",
                f"{fact.num_channels} channel(s), where most volumes have {usual}",
                "Give all volumes the same channels in the same order",
                fact.case.images[0],
            )


def _shared_mask_problems(collection: CaseCollection) -> Iterable[Problem]:
    first: dict[Path, str] = {}
    for case in collection.cases:
        if case.mask is None or case.frame is not None:
            continue
        other = first.setdefault(case.mask, case.id)
        if other != case.id and not reader_of([case.mask]).shares_masks:
            yield Problem(
                "warning",
                f"is the mask of {other} and of {case.id}",
                "Give each image a mask of its own, unless both show the same",
                case.mask,
            )


def _class_problems(
    collection: CaseCollection, facts: Sequence[CaseFacts], scheme: LabelScheme | None
) -> Iterable[Problem]:
    counts = [fact.class_pixels for fact in facts if fact.class_pixels is not None]
    if scheme is None or not counts:
        return
    for index, name in enumerate(scheme.class_names):
        num_cases = sum(pixels[index] > 0 for pixels in counts)
        # Classes that occur nowhere are reported where mask values are understood.
        if 0 < num_cases < FEW_CASES <= len(counts):
            yield Problem(
                "warning",
                f"the class '{name}' occurs in {num_cases} of {len(counts)} masks: too few to"
                " train, validate and test on",
                "Annotate more cases that show it",
                collection.root,
            )


def _foreground_problems(
    collection: CaseCollection, facts: Sequence[CaseFacts]
) -> Iterable[Problem]:
    """Whether a small random draw of masks would often show nothing but background."""
    drawn = [f for f in facts if f.case.partition in (None, "train") and f.class_pixels]
    num_shown = sum(fact.shows_foreground for fact in drawn)
    num_drawn = max(1, round(SMALL_SHARE * len(drawn)))
    if not 0 < num_shown < len(drawn) / 2:
        return
    chance = math.comb(len(drawn) - num_shown, num_drawn) / math.comb(len(drawn), num_drawn)
    if chance > LIKELY:
        yield Problem(
            "warning",
            f"only {num_shown} of {len(drawn)} masks to train on show any foreground: of"
            f" {num_drawn} drawn at random all are background with a chance of {chance:.0%}",
            "Train with `draw=foreground`, or annotate more cases that show some",
            collection.root,
        )


def _duplicate_problems(facts: Sequence[CaseFacts]) -> Iterable[Problem]:
    for group in equal_pictures(facts):
        first = group[0].case
        for fact in group[1:]:
            if fact.case.images == first.images:
                continue  # a video that stands still; its frames are together anyway
            leaks = fact.case.partition != first.partition
            where = (
                f"same pixels as {first.id}, but {first.partition or 'no partition'} there and"
                f" {fact.case.partition or 'no partition'} here: scores will look better than"
                " they are"
            )
            together = (
                f"same pixels as {first.id}; where no partition is given both are drawn into one"
                " part, since one in training and one in the test would make scores look better"
                " than they are"
            )
            yield Problem(
                "warning", where if leaks else together, "Keep one of them", fact.case.images[0]
            )


def _patient_problems(collection: CaseCollection) -> Iterable[Problem]:
    partitions: dict[str, set[str]] = defaultdict(set)
    for case in collection.cases:
        if case.patient is not None and case.partition is not None:
            partitions[case.patient].add(case.partition)
    shared = sorted(patient for patient, places in partitions.items() if len(places) > 1)
    if shared:
        more = f" and {len(shared) - 3} more" if len(shared) > 3 else ""
        yield Problem(
            "warning",
            f"{len(shared)} patient(s) in more than one partition ({', '.join(shared[:3])}{more}):"
            " scores will look better than they are",
            "Move all images of a patient into one partition",
            collection.root,
        )


def _size_problems(collection: CaseCollection, facts: Sequence[CaseFacts]) -> Iterable[Problem]:
    if len(facts) < 2:
        return
    usual = median(max(fact.shape) for fact in facts)
    odd = [f for f in facts if not usual / SIZE_FACTOR <= max(f.shape) <= usual * SIZE_FACTOR]
    if odd:
        yield Problem(
            "warning",
            f"{len(odd)} of {len(facts)} images are more than {SIZE_FACTOR:g} times larger or"
            f" smaller than usual (longer side {usual:g}): {_names(odd)} (the first is"
            f" {times(odd[0].shape)})",
            "Check that they belong here, or bring all images to a similar scale",
            collection.root,
        )


def _spacing_problems(facts: Sequence[CaseFacts]) -> Iterable[Problem]:
    known = [(fact, fact.spacing_mm) for fact in facts if fact.spacing_mm is not None]
    if len(known) < 2:
        return
    # Sorted, because scans of one kind may be stored along different axes.
    usual = [median(sorted(spacing)[axis] for _, spacing in known) for axis in range(3)]
    for fact, spacing in known:
        ratios = [side / middle for side, middle in zip(sorted(spacing), usual, strict=True)]
        if any(not 1 / SPACING_FACTOR <= ratio <= SPACING_FACTOR for ratio in ratios):
            yield Problem(
                "warning",
                f"voxels of {_millimetres(spacing)}, where {_millimetres(usual)} is usual here",
                "Check the header, or resample the volume",
                fact.case.images[0],
            )


def _millimetres(sides: Sequence[float]) -> str:
    return " x ".join(f"{side:.3g}" for side in sides) + " mm"


def _names(facts: Sequence[CaseFacts]) -> str:
    more = ", ..." if len(facts) > 3 else ""
    return ", ".join(fact.case.id for fact in facts[:3]) + more
