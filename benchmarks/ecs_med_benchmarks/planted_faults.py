"""Masks made wrong on purpose, one kind of fault a mask, to be found again."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ecs_med.audit.faults import Component, components, mask_dice

__all__ = ["PLANTED_KINDS", "PlantedKind", "kinds_for", "plant", "plant_all"]

PlantedKind = Literal["drop", "swap", "shift", "swell", "shrink", "class"]
"""`drop`: an object is left out. `swap`: the mask of another image. `shift`: moved by a seventh to
a third of the longer side. `swell`: twice as large. `shrink`: half as large. `class`: an object of
another class."""

PLANTED_KINDS: tuple[PlantedKind, ...] = ("drop", "swap", "shift", "swell", "shrink", "class")

Labels = npt.NDArray[np.uint8]
Generator = np.random.Generator

_OTHER = 0.5
"""Dice below which the mask of another image is another mask."""
_SHIFT = (1 / 7, 1 / 3)
"""Of the longer side."""
_STAYS = 0.6
"""Share of the foreground that a shift leaves in the picture."""


def plant_all(
    masks: Mapping[str, Labels],
    share: float,
    seed: int,
    num_classes: int,
    kinds: Sequence[PlantedKind] | None = None,
) -> tuple[dict[str, Labels], dict[str, PlantedKind]]:
    """Make a share of the masks wrong, each kind as often as the others.

    Args:
        masks: Labels `(H, W)` by name; those without foreground are left as they are.
        share: Of all masks, rounded.
        seed: Draws which ones, and how.
        num_classes: N; with two there is no wrong class to give.
        kinds: Which ones; defaults to all that fit so many classes.

    Returns:
        All masks, and the kind of fault of those that are wrong now.

    Raises:
        ValueError: If fewer masks than that show something.
    """
    generator = np.random.default_rng(seed)
    shown = sorted(name for name, labels in masks.items() if components(labels))
    count = round(share * len(masks))
    if count > len(shown):
        raise ValueError(f"{count} masks are to be made wrong, and {len(shown)} show something")
    kinds = tuple(kinds or kinds_for(num_classes))
    chosen = [shown[index] for index in generator.permutation(len(shown))[:count]]
    order = [kinds[int(index)] for index in generator.permutation(len(kinds))]
    planted = {name: order[place % len(order)] for place, name in enumerate(chosen)}
    wrong = dict(masks)
    for name, kind in planted.items():
        others = [masks[other] for other in shown if other != name]
        wrong[name] = plant(masks[name], kind, generator, others, num_classes)
    return wrong, planted


def kinds_for(num_classes: int) -> tuple[PlantedKind, ...]:
    """The kinds that there are with so many classes, background included."""
    return PLANTED_KINDS if num_classes > 2 else PLANTED_KINDS[:-1]


def plant(
    labels: Labels,
    kind: PlantedKind,
    generator: Generator,
    others: Sequence[Labels] = (),
    num_classes: int = 2,
) -> Labels:
    """Make one mask wrong.

    Args:
        labels: `(H, W)`, with an object; void stays where it is.
        kind: What is done.
        generator: Draws the rest.
        others: Masks of other images, for a swap.
        num_classes: N.
    """
    void = labels >= num_classes
    known = np.where(void, 0, labels).astype(np.uint8)
    if kind == "swap":
        wrong = _swapped(known, others, generator, num_classes)
    elif kind == "shift":
        wrong = _shifted(known, generator)
    elif kind in ("swell", "shrink"):
        wrong = _resized(known, 2.0 if kind == "swell" else 0.5)
    else:
        found = components(known)
        one = found[int(generator.integers(len(found)))]
        wrong = known.copy()
        wrong[one.region] = 0 if kind == "drop" else _another_class(one, generator, num_classes)
    return np.where(void, labels, wrong).astype(np.uint8)


def _another_class(one: Component, generator: Generator, num_classes: int) -> int:
    others = [index for index in range(1, num_classes) if index != one.index]
    return others[int(generator.integers(len(others)))]


def _swapped(
    labels: Labels, others: Sequence[Labels], generator: Generator, num_classes: int
) -> Labels:
    """Another mask, brought to this size; the first drawn one that shows something else."""

    def fitted(other: Labels) -> Labels:
        rows, columns = (
            np.arange(side) * own // side
            for side, own in zip(labels.shape, other.shape, strict=True)
        )
        known = np.where(other < num_classes, other, 0).astype(np.uint8)
        return known[np.ix_(rows, columns)]

    def overlap(other: Labels) -> float:
        return mask_dice(labels > 0, other > 0)

    drawn = [fitted(others[int(index)]) for index in generator.permutation(len(others))]
    return next((one for one in drawn if overlap(one) < _OTHER), min(drawn, key=overlap))


def _shifted(labels: Labels, generator: Generator) -> Labels:
    """Moved in a direction in which most of it stays in the picture; what leaves it is lost."""
    longer, total = max(labels.shape), int((labels > 0).sum())
    distance = float(generator.uniform(*_SHIFT)) * longer
    best = np.zeros_like(labels)
    for angle in generator.permutation(16) * (np.pi / 8):
        moved = _moved(labels, round(distance * np.sin(angle)), round(distance * np.cos(angle)))
        if (moved > 0).sum() >= _STAYS * total:
            return moved
        best = max(best, moved, key=lambda one: int((one > 0).sum()))
    return best


def _moved(labels: Labels, down: int, right: int) -> Labels:
    moved = np.zeros_like(labels)
    height, width = labels.shape
    source = labels[
        max(0, -down) : max(0, height - max(0, down)),
        max(0, -right) : max(0, width - max(0, right)),
    ]
    top, left = max(0, down), max(0, right)
    moved[top : top + source.shape[0], left : left + source.shape[1]] = source
    return moved


def _resized(labels: Labels, factor: float) -> Labels:
    """Foreground that gained or lost pixels by their distance from its outline.

    Pixels at one distance are taken together, so that the area is met as nearly as they allow; a
    pixel that is gained gets the class of the nearest one.
    """
    inside = labels > 0
    wanted = min(round(factor * int(inside.sum())), labels.size)
    if factor < 1:
        depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
        level = _level(depth[inside], wanted)
        return np.where(depth >= level, labels, 0).astype(np.uint8)
    away, nearest = ndimage.distance_transform_edt(~inside, return_indices=True)
    level = _level(-away[~inside], wanted - int(inside.sum()))
    return np.where(-away >= level, labels[tuple(nearest)], 0).astype(np.uint8)


def _level(values: npt.NDArray[np.float64], count: int) -> float:
    """The value from which on about `count` of the values lie, one distinct value at least."""
    distinct, numbers = np.unique(values, return_counts=True)
    above = numbers[::-1].cumsum()
    return float(distinct[::-1][int(np.abs(above - count).argmin())])
