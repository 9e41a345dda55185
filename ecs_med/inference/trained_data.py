"""The data that a run was trained on, recognised elsewhere and under other names."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ecs_med.config import ReadingSettings
from ecs_med.data.checks.contents import CaseContent, files_digest, pixels_digest
from ecs_med.data.layout import open_data
from ecs_med.data.readers import read_header, read_scan
from ecs_med.data.readers.grids import axis_codes
from ecs_med.errors import DataError, EcsMedError
from ecs_med.runs import RunFolder
from ecs_med.splits import Role, SplitDocument
from ecs_med.types import Case

__all__ = ["TrainedData"]

_NUM_HEADERS = 64
_NUM_SHOWN = 3


@dataclass(frozen=True, slots=True)
class TrainedData:
    """What a run folder tells of the data of its training.

    Attributes:
        place: Where they lay; `None` where the run folder does not say it.
        reading: How they were read.
        roles: What each case was for, by id; empty where the run folder has no split.
        contents: What each case held, by id; empty where the run kept it not.
    """

    place: Path | None
    reading: Mapping[str, Any]
    roles: Mapping[str, Role]
    contents: Mapping[str, CaseContent]

    @classmethod
    def of(cls, run: Path) -> Self:
        """Read it from a run folder, of which every file may be missing."""
        files = RunFolder(run)
        config = files.read_config() if files.config_file.is_file() else None
        has_split = files.split_file.is_file()
        kept = files.read_contents()
        return cls(
            place=config.data.resolve() if config else None,
            reading=config.reading.model_dump() if config else {},
            roles=SplitDocument.read(files.split_file).roles() if has_split else {},
            contents={case.id: case for case in kept.cases} if kept else {},
        )

    @property
    def has_split(self) -> bool:
        """Whether it is known what each case was for."""
        return bool(self.roles)

    @property
    def known_by(self) -> str:
        """By what its cases are recognised elsewhere, in words."""
        return "its contents" if self.contents else "the names of its cases"

    def lies_in(self, data: Path) -> bool:
        """Whether a path is where the data lay in training."""
        return self.place is not None and self.place == data.resolve()

    def orientations(self) -> frozenset[str]:
        """How volumes that it was trained on are stored, such as `RAS`; empty if it is not known.

        The headers of some of them are read, where they still lie where they lay.
        """
        if self.place is None or not self.place.exists():
            return frozenset()
        try:
            cases = open_data(self.place, ReadingSettings.parse(self.reading)).cases
        except (EcsMedError, OSError):
            return frozenset()
        trained = [c for c in cases if self.roles.get(c.id) in ("labeled", "unlabeled")]
        found = set()
        for case in trained[:: -(-len(trained) // _NUM_HEADERS) or 1]:
            try:
                header = read_header(case.images, case.frame)
            except (EcsMedError, OSError):
                continue
            if header.affine is not None and header.has_position:
                found.add(axis_codes(header.affine))
        return frozenset(found)

    def recognized(self, cases: Sequence[Case], *, by_place: bool) -> dict[str, Role]:
        """The cases that the run knows, with what they were for.

        Args:
            cases: Of the data that are scored.
            by_place: Whether they lie where they lay, so that ids are enough.

        Returns:
            Role by id in the data that are scored.
        """
        if not self.contents:
            # Of an older run only names are known, which say something where all are the same.
            same = by_place or self.roles.keys() == {case.id for case in cases}
            return {c.id: self.roles[c.id] for c in cases if same and c.id in self.roles}
        by_digest = self._by_digest()
        found: dict[str, Role] = {}
        for case in cases:
            ids = _ids_of(case, by_digest)
            own = case.id if case.id in ids or (by_place and not ids) else next(iter(ids), "")
            if own in self.roles:
                found[case.id] = self.roles[own]
        return found

    def roles_of(self, contents: Iterable[CaseContent], *, by_place: bool) -> dict[str, Role]:
        """As `recognized`, of cases whose contents are known already."""
        contents = list(contents)
        if not self.contents:
            same = by_place or self.roles.keys() == {content.id for content in contents}
            return {c.id: self.roles[c.id] for c in contents if same and c.id in self.roles}
        by_digest, found = self._by_digest(), dict[str, Role]()
        for content in contents:
            digests = filter(None, (content.image, content.pixels))
            ids = [id_ for digest in digests for id_ in by_digest.get(digest, ())]
            own = content.id if content.id in ids else next(iter(ids), "")
            if own in self.roles:
                found[content.id] = self.roles[own]
        return found

    def _by_digest(self) -> Mapping[str, Sequence[str]]:
        """Ids by digest of bytes, and of pixels, of their images."""
        by_digest: dict[str, list[str]] = defaultdict(list)
        for id_, content in self.contents.items():
            for digest in filter(None, (content.image, content.pixels)):
                by_digest[digest].append(id_)
        return by_digest

    def covers(self, cases: Iterable[Case], known: Mapping[str, Role]) -> bool:
        """Whether every labelled case is one that the run knows."""
        return bool(known) and all(case.id in known for case in cases if case.mask is not None)

    def refuse_missing(self, cases: Iterable[Case], wanted: Collection[Role], data: Path) -> None:
        """Make sure that all cases of some roles are there.

        Raises:
            DataError: If one is gone.
        """
        there = {case.id for case in cases}
        gone = [id_ for id_, role in self.roles.items() if role in wanted and id_ not in there]
        if gone:
            role = self.roles[gone[0]]
            part = role if role in ("validation", "test") else "train"
            raise DataError(
                f"{data}: {gone[0]}, a {part} case of the run, is not there any more; put it "
                "back, or score `partition=all`."
            )

    def warnings(
        self, scored: Sequence[Case], known: Mapping[str, Role], partition: str
    ) -> list[str]:
        """Say how many of the scored cases the run has seen, unless that was asked for."""
        if partition == "train":
            return []
        sentences = []
        if seen := [c.id for c in scored if known.get(c.id) in ("labeled", "unlabeled")]:
            sentences.append(
                f"The run was trained on {len(seen)} of the {len(scored)} scored cases "
                f"({_some(seen)}), so the scores look better than they are; leave these out of the "
                "data for an honest score."
            )
        chose = [c.id for c in scored if known.get(c.id) == "validation"]
        if chose and partition != "validation":
            sentences.append(
                f"The model was chosen by its score on {len(chose)} of the {len(scored)} scored "
                f"cases ({_some(chose)})."
            )
        return sentences


def _ids_of(case: Case, by_digest: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """The ids that the image of a case had in training, by its bytes, else by its pixels."""
    ids = by_digest.get(files_digest(case.images, case.frame), ())
    if ids or case.mask is None:
        return ids
    try:
        return by_digest.get(pixels_digest(read_scan(case.images, case.frame)), ())
    except DataError:
        return ()  # Scoring it will say what is wrong.


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _NUM_SHOWN} more" if len(ids) > _NUM_SHOWN else ""
    return ", ".join(ids[:_NUM_SHOWN]) + more
