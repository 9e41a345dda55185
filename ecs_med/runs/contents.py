"""`data.json` of a run: what its data held when it began, and what has changed since."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from ecs_med.data.checks.contents import CaseContent, same_image, same_mask
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.files import write_text
from ecs_med.records import Record

__all__ = ["Changes", "DataContents"]

_NUM_SHOWN = 3


class DataContents(Record):
    """Digests of all images and masks of a data set, those outside the budget included."""

    version: Literal[1] = 1
    """Of this file."""
    labels: LabelScheme
    """Classes, and how stored mask values map to them."""
    cases: tuple[CaseContent, ...] = Field(min_length=1)
    """Every case."""

    def write(self, path: Path) -> None:
        """Write it as JSON, one case a line, all of it or nothing.

        Raises:
            RunFolderError: If the file cannot be written.
        """
        head = self.to_json()
        rows = [json.dumps(row, ensure_ascii=False) for row in head.pop("cases")]
        start = json.dumps(head, ensure_ascii=False).removesuffix("}")
        write_text(path, start + ',\n "cases": [\n  ' + ",\n  ".join(rows) + "\n ]\n}\n")

    def changes_to(self, now: "DataContents") -> "Changes":
        """What is otherwise in `now`; files that were saved anew with the same content are not."""
        before = {case.id: case for case in self.cases}
        after = {case.id: case for case in now.cases}
        both = [id_ for id_ in before if id_ in after]
        masks = [id_ for id_ in both if not same_mask(before[id_], after[id_])]
        return Changes(
            images=tuple(id_ for id_ in both if not same_image(before[id_], after[id_])),
            masks=tuple(id_ for id_ in masks if before[id_].mask and after[id_].mask),
            new_masks=tuple(id_ for id_ in masks if not before[id_].mask),
            lost_masks=tuple(id_ for id_ in masks if not after[id_].mask),
            new=tuple(id_ for id_ in after if id_ not in before),
            lost=tuple(id_ for id_ in before if id_ not in after),
        )


@dataclass(frozen=True, slots=True)
class Changes:
    """Ids of the cases in which two states of a data set differ."""

    images: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    new_masks: tuple[str, ...] = ()
    lost_masks: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(True for _ in self._parts())

    def but_masks_of(self, ids: Collection[str]) -> "Changes":
        """The changes without those in the masks of some cases."""

        def others(found: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(id_ for id_ in found if id_ not in ids)

        return replace(
            self,
            masks=others(self.masks),
            new_masks=others(self.new_masks),
            lost_masks=others(self.lost_masks),
        )

    def words(self) -> str:
        """How many of what, and the first ones: `2 masks were edited (a, b)`."""
        return ", ".join(self._parts())

    def _parts(self) -> Iterator[str]:
        for ids, one, many in (
            (self.images, "image was replaced", "images were replaced"),
            (self.masks, "mask was edited", "masks were edited"),
            (self.new_masks, "mask was added", "masks were added"),
            (self.lost_masks, "mask is gone", "masks are gone"),
            (self.new, "case was added", "cases were added"),
            (self.lost, "case is gone", "cases are gone"),
        ):
            if ids:
                more = f" and {len(ids) - _NUM_SHOWN} more" if len(ids) > _NUM_SHOWN else ""
                shown = ", ".join(ids[:_NUM_SHOWN])
                yield f"{len(ids)} {one if len(ids) == 1 else many} ({shown}{more})"
