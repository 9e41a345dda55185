"""Which slices of the labelled volumes are labelled, nested for a seed.

Every choice is an order of a volume's slices, and `slices_per_volume` takes its front: more slices
contain fewer. Which volumes are labelled is drawn before and knows nothing of it, so that more
volumes contain fewer, too, and a volume never lies on both sides of a split.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ecs_med.errors import BudgetError
from ecs_med.sparse import SliceSelection
from ecs_med.splits.ordering import digest, foreground_first

__all__ = ["SliceChoice", "VolumeSlices", "choose_slices", "evenly", "slices_note"]

SliceChoice = Literal["even", "random", "content", "given"]


@dataclass(frozen=True, slots=True)
class VolumeSlices:
    """What is known of the slices of one labelled volume.

    Attributes:
        axis: Axis of the file that they lie across.
        pixels: Voxels of each class by slice, as they are stored; a slice of zeros is void
            throughout.
        listed: Slices that a list of cases names; `None` where it names none.
    """

    axis: int
    pixels: Sequence[Sequence[int]]
    listed: tuple[int, ...] | None = None

    @property
    def annotated(self) -> list[int]:
        """Slices that are not void throughout, ascending."""
        return [layer for layer, counts in enumerate(self.pixels) if any(counts)]


def choose_slices(
    volumes: Mapping[str, VolumeSlices], choice: SliceChoice, number: int | None, seed: int
) -> dict[str, SliceSelection]:
    """Choose the labelled slices of every labelled volume.

    - `even`: evenly spaced, see `evenly`; the same for every seed.
    - `random`: by hashes of seed, volume and slice.
    - `content`: of every three, two are the next at random that show a foreground class, the
      classes taking turns, and one is the next at random: as an annotator who looks for the target.
    - `given`: those that a list names, else those that are not void throughout in the masks; of
      these `number`, evenly, or all.

    Args:
        volumes: By id of the case.
        choice: Which order.
        number: Slices of each volume, at least 1; one that has fewer gives all it has.
        seed: Seed of the run.

    Returns:
        By id.

    Raises:
        BudgetError: If a volume has no slice to label, or `given` ones are not given.
    """
    chosen = {}
    for id_, volume in sorted(volumes.items()):
        order = _ordered(id_, volume, choice, seed)
        chosen[id_] = SliceSelection(volume.axis, tuple(sorted(order[:number])))
    return chosen


def evenly(number: int) -> list[int]:
    """The numbers below `number` in an order whose every front is spread as evenly as nesting lets.

    Places 1/2, 1/4, 3/4, 1/8, 5/8, ... of the way (van der Corput): a front of 1, 3, 7, 15 is
    evenly spaced, and between these no gap is more than about twice another.

    Example:
        >>> evenly(8)
        [4, 2, 6, 1, 5, 3, 7, 0]
    """
    order: dict[int, None] = {}
    step = 1
    while len(order) < number:
        place, denominator, rest = 0, 1, step
        while rest:
            place, denominator, rest = 2 * place + rest % 2, 2 * denominator, rest // 2
        order.setdefault(place * number // denominator)
        step += 1
        if denominator > 2 * number:
            # Only what lies before the first place is left by now.
            order.update(dict.fromkeys(range(number)))
    return list(order)


def slices_note(
    chosen: Mapping[str, SliceSelection], choice: SliceChoice, number: int | None
) -> str:
    """One sentence on which slices are labelled, for a report."""
    total = sum(len(selection.layers) for selection in chosen.values())
    how = {
        "even": "evenly spaced",
        "random": "drawn at random",
        "content": "two of three drawn among those that show a foreground class, for which the "
        "masks of these volumes were looked at as an annotator looks at images",
        "given": "those that are given",
    }[choice]
    most = "" if number is None else f", at most {number} of each volume"
    return (
        f"Unit slice: {total} slice{'s' if total != 1 else ''} of {len(chosen)} "
        f"volume{'s' if len(chosen) != 1 else ''} are labelled{most}, {how}; the masks of the "
        "other slices are hidden."
    )


def _ordered(id_: str, volume: VolumeSlices, choice: SliceChoice, seed: int) -> list[int]:
    annotated = volume.annotated
    if not annotated:
        raise BudgetError(
            f"{id_}: its mask is void throughout, so no slice of it is labelled; annotate one, or "
            "take the mask away."
        )
    if choice == "given":
        given = _given(id_, volume)
        return [given[place] for place in evenly(len(given))]
    if choice == "even":
        return [annotated[place] for place in evenly(len(annotated))]
    drawn = sorted(annotated, key=lambda layer: (digest(f"{seed}:slice:{id_}:{layer}"), layer))
    if choice == "random":
        return drawn
    return [drawn[place] for place in foreground_first([volume.pixels[layer] for layer in drawn])]


def _given(id_: str, volume: VolumeSlices) -> list[int]:
    annotated, number = volume.annotated, len(volume.pixels)
    if volume.listed is None:
        if len(annotated) == number:
            raise BudgetError(
                f"{id_}: `slice_choice=given`, but every one of its {number} slices is annotated, "
                "so none is given; name slices in the column `slices` of a CSV list for `labeled`, "
                "or choose them `even`, `random` or by `content`."
            )
        return annotated
    for layer in volume.listed:
        if layer >= number:
            raise BudgetError(
                f"{id_}: has no slice {layer} to be labelled; its slices are 0 to {number - 1}, as "
                "they are stored."
            )
        if layer not in annotated:
            raise BudgetError(
                f"{id_}: slice {layer} is to be labelled and is void throughout in the mask; "
                "annotate it, or take it off the list."
            )
    return sorted(volume.listed)
