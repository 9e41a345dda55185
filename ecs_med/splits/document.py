"""The file that keeps a split: its schema, and one case a line."""

import json
from collections import Counter
from pathlib import Path
from typing import ClassVar, Final, Literal

from pydantic import Field, StrictBool, StrictInt, field_validator

from ecs_med.files import regular_file, write_text
from ecs_med.records import Record

__all__ = ["LabeledSlices", "Role", "SplitCase", "SplitDocument", "is_split_document"]

Role = Literal["labeled", "unlabeled", "validation", "test", "unused"]
"""What a case is for in one run."""

_FORMAT: Final = "ecs-med split"
_VERSION: Final = 1
_RARE: Final = ("slices", "excluded")
"""Of a case, not written where there is nothing to say."""
_SLICES: Final = 2
"""Version of splits in which some slices of a volume are labelled: an older reader would take the
volumes for labelled as a whole."""


class LabeledSlices(Record):
    """Which slices of a volume are labelled, on the grid of its file."""

    axis: StrictInt = Field(ge=0, le=2)
    """Axis of the file that they lie across."""
    layers: tuple[StrictInt, ...] = Field(min_length=1)
    """Their numbers along it, from 0, ascending."""

    @field_validator("layers")
    @classmethod
    def _ascend(cls, layers: tuple[int, ...]) -> tuple[int, ...]:
        if layers[0] < 0 or list(layers) != sorted(set(layers)):
            raise ValueError("slices must be ascending numbers from 0, each once")
        return layers


class SplitCase(Record):
    """One case of a split."""

    id: str
    """Id of the case."""
    patient: str | None = None
    """Its patient, if known."""
    role: Role
    """What it is for."""
    slices: LabeledSlices | None = None
    """Labelled slices of a labelled volume; `None`: all of it."""
    excluded: StrictBool = False
    """Whether its mask is used for nothing, not even for reports: somebody called it wrong."""


class SplitDocument(Record):
    """`split.json` of a run."""

    remedy: ClassVar[str] = (
        "use the split.json of a run as it was written, or let `labeled` draw a new one"
    )

    format: Literal["ecs-med split"] = _FORMAT
    """By this a file says what it is."""
    version: int = _VERSION
    """Goes up when an older reader would misunderstand the file."""
    seed: StrictInt
    """The seed that drew it."""
    labeled: str
    """The labelled budget as it was asked for."""
    counts: dict[Role, int]
    """Number of cases by role, every role named."""
    notes: tuple[str, ...] = ()
    """How the parts came about, one sentence each."""
    warnings: tuple[str, ...] = ()
    """What a person should know of, one sentence each."""
    cases: tuple[SplitCase, ...] = Field(min_length=1)
    """Every case, sorted by id."""

    @field_validator("version")
    @classmethod
    def _is_known(cls, version: int) -> int:
        if version not in (_VERSION, _SLICES):
            raise ValueError(f"{version} is of another ecs-med than this one, whose is {_SLICES}")
        return version

    @field_validator("cases")
    @classmethod
    def _make_a_split(cls, cases: tuple[SplitCase, ...]) -> tuple[SplitCase, ...]:
        name, number = Counter(case.id for case in cases).most_common(1)[0]
        if number > 1:
            raise ValueError(f"{name} is named twice")
        odd = next((case.id for case in cases if case.slices and case.role != "labeled"), None)
        if odd is not None:
            raise ValueError(f"{odd} has labelled slices and is not labeled")
        used = ("labeled", "validation", "test")
        odd = next((case.id for case in cases if case.excluded and case.role in used), None)
        if odd is not None:
            raise ValueError(f"the mask of {odd} is excluded and used")
        for role in ("labeled", "test"):
            if not any(case.role == role for case in cases):
                raise ValueError(f"there is no {role} case")
        return cases

    def roles(self) -> dict[str, Role]:
        """The role of every case by id."""
        return {case.id: case.role for case in self.cases}

    def slices(self) -> dict[str, LabeledSlices]:
        """Labelled slices by id, of the volumes of which only some are."""
        return {case.id: case.slices for case in self.cases if case.slices is not None}

    def excluded(self) -> frozenset[str]:
        """Ids of the cases whose masks are used for nothing."""
        return frozenset(case.id for case in self.cases if case.excluded)

    @property
    def num_slices(self) -> int:
        """Labelled slices of these volumes together; 0 where cases are labelled as a whole."""
        return sum(len(slices.layers) for slices in self.slices().values())

    def ids(self, role: Role) -> tuple[str, ...]:
        """Ids of the cases of a role."""
        return tuple(case.id for case in self.cases if case.role == role)

    def write(self, path: Path) -> None:
        """Write it as JSON, one case a line, all of it or nothing.

        Raises:
            RunFolderError: If the file cannot be written.
        """
        head = self.to_json()
        rows = [
            json.dumps({k: v for k, v in row.items() if k not in _RARE or v}, ensure_ascii=False)
            for row in head.pop("cases")
        ]
        start = json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}")
        write_text(path, start + ',\n "cases": [\n  ' + ",\n  ".join(rows) + "\n ]\n}\n")


def is_split_document(path: Path) -> bool:
    """Whether a file says of itself that it is a split of ecs-med; cheap and without errors."""
    try:
        document = json.loads(regular_file(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("format") == _FORMAT
