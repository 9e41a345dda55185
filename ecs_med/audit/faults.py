"""What kind of fault a mask seems to have, from its components and those of the expected mask."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["KINDS", "Component", "Fault", "FaultKind", "components", "find_fault", "mask_dice"]

FaultKind = Literal["missing", "extra", "shifted", "swapped", "class", "contour", "none"]
"""`missing`: an object is expected and not drawn. `extra`: one is drawn and not expected.
`shifted`: drawn beside its place. `swapped`: what is drawn has another shape in another place, as
the mask of another image. `class`: drawn as another class. `contour`: the outline lies clearly
inside, outside or across. `none`: nothing of these."""

KINDS: tuple[FaultKind, ...] = (
    "missing",
    "extra",
    "shifted",
    "swapped",
    "class",
    "contour",
    "none",
)

Labels = npt.NDArray[np.uint8]
Region = npt.NDArray[np.bool_]

_SPECK = 0.001
"""Components of a smaller share of the picture are passed over."""
_UNMATCHED = 0.1
"""A component of which less is covered by any foreground has no counterpart."""
_ALIKE = 0.7
"""Dice from which on two shapes, laid on each other, are the same one."""
_APART = 0.5
"""Dice below which two masks that overlap are not two outlines of one object."""
_GAIN = 0.15
"""Of Dice, by which a shift has to bring two masks nearer."""
_ROUGH = 0.75
"""Dice below which an outline is told of."""

_AROUND = np.ones((3, 3), np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """Connected pixels of one class.

    Attributes:
        index: Of the class, from 1.
        region: Where it lies, `(H, W)`.
    """

    index: int
    region: Region

    @property
    def size(self) -> int:
        """Pixels."""
        return int(self.region.sum())


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault, and where it shows.

    Attributes:
        kind: What it seems to be.
        index: Class that is given, or expected where nothing is given.
        other: Class that is expected; equal to `index` but for a wrong class.
        given: Share of the picture that is drawn of what is concerned, 0..1.
        expected: Share that is expected of it.
        center: Row and column of its middle, shares of height and width.
    """

    kind: FaultKind
    index: int = 0
    other: int = 0
    given: float = 0.0
    expected: float = 0.0
    center: tuple[float, float] = (0.5, 0.5)


def find_fault(given: Labels, expected: Labels, num_classes: int) -> Fault:
    """Guess what is wrong with a mask of a picture or a slice.

    The largest finding counts, in pixels. Objects are components, connected over corners too; those
    below a thousandth of the picture are passed over, and so are pixels without a given label.

    Args:
        given: `(H, W)`, classes; what is none of the N classes is void.
        expected: `(H, W)`, classes.
        num_classes: N.

    Example:
        >>> drawn, expected = np.zeros((2, 8, 8), np.uint8)
        >>> expected[2:5, 2:5] = 1
        >>> find_fault(drawn, expected, 2).kind, find_fault(expected, expected, 2).kind
        ('missing', 'none')
    """
    known = given < num_classes
    given, expected = np.where(known, given, 0), np.where(known, expected, 0)
    drawn, wanted = components(given), components(expected)
    wrong = max(_wrong_classes(drawn, expected), key=lambda pair: pair[0].size, default=None)
    extra = [one for one in drawn if _covered(one.region, expected > 0) < _UNMATCHED]
    missing = [one for one in wanted if _covered(one.region, given > 0) < _UNMATCHED]
    found = [*_of_whole_objects(extra, missing)]
    if wrong is not None:
        component, other = wrong
        found.append((component.size, _fault("class", component.index, other, component.region)))
    found += _of_shapes(given, expected, extra, missing)
    return max(found, key=lambda one: one[0], default=(0, Fault("none")))[1]


def components(labels: Labels) -> list[Component]:
    """Connected components of every class but the background, without specks."""
    least = max(2.0, _SPECK * labels.size)
    found = []
    for index in (int(value) for value in np.unique(labels) if value):
        numbered, count = ndimage.label(labels == index, _AROUND)
        sizes = np.bincount(numbered.ravel(), minlength=count + 1)
        found += [Component(index, numbered == n) for n in range(1, count + 1) if sizes[n] >= least]
    return found


def mask_dice(first: Region, second: Region) -> float:
    """2 |A and B| / (|A| + |B|); 1 where both are empty."""
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else 1.0


def _covered(region: Region, by: Region) -> float:
    return float(by[region].mean())


def _wrong_classes(drawn: list[Component], expected: Labels) -> Iterator[tuple[Component, int]]:
    """Components of which at least half are expected as one other class, and that class."""
    for one in drawn:
        counts = np.bincount(expected[one.region])
        counts[0] = 0
        other = int(counts.argmax())
        if other not in (0, one.index) and 2 * counts[other] >= one.size:
            yield one, other


def _of_whole_objects(
    extra: list[Component], missing: list[Component]
) -> Iterator[tuple[int, Fault]]:
    """Objects without a counterpart; one of each may be one object in two places."""
    pairs = [(a, b) for a in extra for b in missing if a.index == b.index]
    pair = max(pairs, key=lambda both: both[0].size + both[1].size, default=())
    if pair:
        one, other = pair
        moved = mask_dice(_moved(one.region, onto=other.region), other.region)
        kind: FaultKind = "shifted" if moved >= _ALIKE else "swapped"
        found = _fault(kind, one.index, one.index, one.region, other.region)
        yield one.size + other.size, found
    for one in extra:
        if one not in pair:
            yield one.size, _fault("extra", one.index, one.index, one.region)
    for one in missing:
        if one not in pair:
            yield one.size, _fault("missing", one.index, one.index, None, one.region)


def _of_shapes(
    given: Labels, expected: Labels, extra: list[Component], missing: list[Component]
) -> Iterator[tuple[int, Fault]]:
    """The outline of all that has a counterpart, class by class."""
    for index in (int(value) for value in np.union1d(given, expected) if value):
        drawn, wanted = given == index, expected == index
        for one in extra:
            drawn = drawn & ~one.region
        for one in missing:
            wanted = wanted & ~one.region
        if not (drawn.any() and wanted.any()):
            continue
        dice = mask_dice(drawn, wanted)
        if dice >= _ROUGH:
            continue
        moved = mask_dice(_moved(drawn, onto=wanted), wanted)
        kind: FaultKind = "contour"
        if moved >= _ALIKE and moved >= dice + _GAIN:
            kind = "shifted"
        elif dice < _APART and not _inside(drawn, wanted):
            kind = "swapped"
        yield int((drawn ^ wanted).sum()), _fault(kind, index, index, drawn, wanted)


def _inside(first: Region, second: Region) -> bool:
    """Whether one lies in the other, but for a tenth of it: an outline too wide or too narrow."""
    smaller = min(int(first.sum()), int(second.sum()))
    return int((first & second).sum()) >= 0.9 * smaller


def _moved(region: Region, *, onto: Region) -> Region:
    """A region after a shift that brings its centre of mass onto that of another."""
    here, there = ndimage.center_of_mass(region), ndimage.center_of_mass(onto)
    rows, columns = (round(b - a) for a, b in zip(here, there, strict=True))
    moved: Region = ndimage.shift(region.astype(np.uint8), (rows, columns), order=0) > 0
    return moved


def _fault(
    kind: FaultKind, index: int, other: int, given: Region | None, expected: Region | None = None
) -> Fault:
    shown = expected if given is None else given
    assert shown is not None
    if kind in ("shifted", "swapped") and expected is not None:
        shown = expected
    row, column = ndimage.center_of_mass(shown)
    height, width = shown.shape
    return Fault(
        kind,
        index,
        other,
        0.0 if given is None else float(given.mean()),
        0.0 if expected is None else float(expected.mean()),
        ((row + 0.5) / height, (column + 0.5) / width),
    )
