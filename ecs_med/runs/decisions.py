"""What a person decided of masks: `decisions.json` of an audit, or a plain list of wrong ones."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar, Final, Literal

from pydantic import Field, field_validator

from ecs_med.data.checks.contents import CaseContent, same_mask
from ecs_med.files import regular_file
from ecs_med.records import Record

__all__ = ["Decision", "DecisionFile", "MaskDecision", "is_decision_file", "some"]

Decision = Literal["right", "wrong", "unsure"]
"""What is said of a mask."""

_FORMAT: Final = "ecs-med decisions"


class MaskDecision(Record):
    """What was decided of one mask."""

    case: str
    """Id of the case."""
    decision: Decision
    """What was said."""
    mask: str = ""
    """Digest of the mask's bytes as it was seen, see `CaseContent`."""
    labels: str = ""
    """Digest of its labels on the grid of the image."""

    def holds_for(self, now: CaseContent) -> bool:
        """Whether it was said of the mask that the case has now."""
        before = CaseContent(id=self.case, image="", mask=self.mask, labels=self.labels)
        return now.mask is not None and same_mask(before, now)


class DecisionFile(Record):
    """`decisions.json`, as the page of an audit saves it."""

    remedy: ClassVar[str] = "save it again from audit.html, or list ids in a .txt or .csv file"

    format: Literal["ecs-med decisions"] = _FORMAT
    """By this a file says what it is."""
    version: Literal[1] = 1
    """Goes up when an older reader would misunderstand the file."""
    decisions: tuple[MaskDecision, ...] = Field(max_length=10**6)
    """One a mask."""

    @field_validator("decisions")
    @classmethod
    def _name_each_once(cls, decisions: tuple[MaskDecision, ...]) -> tuple[MaskDecision, ...]:
        seen: set[str] = set()
        for one in decisions:
            if one.case in seen:
                raise ValueError(f"{one.case} is decided twice")
            seen.add(one.case)
        return decisions

    def of(self, decision: Decision) -> "DecisionFile":
        """The decisions of one kind alone."""
        chosen = tuple(one for one in self.decisions if one.decision == decision)
        return self.model_copy(update={"decisions": chosen})

    def divided(
        self, contents: Mapping[str, CaseContent]
    ) -> tuple[dict[str, MaskDecision], list[str], list[str]]:
        """Apart by whether they hold for the masks that there are now.

        Args:
            contents: Of every case, by id.

        Returns:
            Those that hold, by id; ids whose mask was changed or is gone; ids that are no case.
        """
        known = [one for one in self.decisions if one.case in contents]
        holding = {one.case: one for one in known if one.holds_for(contents[one.case])}
        void = [one.case for one in known if one.case not in holding]
        unknown = [one.case for one in self.decisions if one.case not in contents]
        return holding, void, unknown


def is_decision_file(path: Path) -> bool:
    """Whether a file says of itself that it holds decisions; cheap and without errors."""
    try:
        document = json.loads(regular_file(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("format") == _FORMAT


def some(names: Iterable[str], most: int = 3) -> str:
    """The first ones, and how many more: `a, b, c and 4 more`."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
