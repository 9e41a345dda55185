"""Which of the DICOM series that were found are segmented."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ecs_med.data.intake.resampling import resampled
from ecs_med.errors import DataError, EcsMedError, UnreadableFileError
from ecs_med.inference.dicom_names import Namer
from ecs_med.inference.scans import PredictionInput
from ecs_med.types import Problem, ScanKind

if TYPE_CHECKING:
    from ecs_med.data.readers.dicom.series import Series

__all__ = ["Choice", "DicomInputs", "DicomSettings"]

ALL = "all"
FEWEST_SLICES = 3
"""A volume of fewer beside a larger one is a localizer or a key image."""

_MOST_LISTED = 20
_SMALL = f"series of fewer than {FEWEST_SLICES} slices beside a larger one"
_NOT_ASKED_FOR = "series that are not asked for"
_OTHER_KIND = "DICOM of another kind than the model takes, beside scans that it takes"


@dataclass(frozen=True, slots=True)
class DicomSettings:
    """What a user says of DICOM inputs.

    Attributes:
        series: Number in the list of an examination, name of the case, or `all`; `None`: there
            is one alone.
        resample: Bring slices that are tilted or unevenly apart onto a grid, instead of refusing
            them.
        keep_names: Call results as folders and files are called, which may name patients.
    """

    series: str | None = None
    resample: bool = False
    keep_names: bool = False


@dataclass(slots=True)
class DicomInputs:
    """What was taken in; attributes as of `FoundInputs`."""

    items: list[PredictionInput] = field(default_factory=list)
    passed_over: dict[Path, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    text_in_pixels: Problem | None = None


@dataclass(slots=True)
class Choice:
    """Takes in series that are segmented, and says why others are not.

    Attributes:
        settings: What the user says.
        namer: What scans are called.
        taken: Where they are put.
        kind: What the model takes; `None`: anything.
        chosen: Those that are segmented.
    """

    settings: DicomSettings
    namer: Namer
    taken: DicomInputs
    kind: ScanKind | None
    chosen: list["Series"] = field(default_factory=list)

    def choose(self, series: Sequence["Series"]) -> None:
        """Take in series, or say why not."""
        wanted = self.settings.series
        if wanted is not None and wanted != ALL and not wanted.isdecimal():
            self._by_name(series, wanted)
            return
        for group in _examinations(series):
            suiting, others = _parted(group, [self._suits(scan) for scan in group])
            if suiting:
                self._pass_over(others, _OTHER_KIND)
            suiting = suiting or group
            volumes, single = _parted(suiting, [scan.kind == "volume" for scan in suiting])
            self._take(single)
            if len(volumes) > 1 and wanted != ALL:
                self._one_of(dict(enumerate(volumes, 1)), wanted)
            else:
                self._take(volumes)

    def _suits(self, scan: "Series") -> bool:
        """Whether the model takes scans of its kind."""
        return self.kind is None or (scan.kind == "volume") == (self.kind == "volume")

    def _by_name(self, series: Sequence["Series"], wanted: str) -> None:
        named, others = _parted(series, [self.namer.case(scan) == wanted for scan in series])
        if series and not named:
            self._refuse(dict(enumerate(series, 1)), "none has the name that was asked for")
            return
        self._pass_over(others, _NOT_ASKED_FOR)
        self._take(named)

    def _one_of(self, numbered: Mapping[int, "Series"], wanted: str | None) -> None:
        """Take one of several volumes of an examination."""
        scans = list(numbered.values())
        if wanted is not None:
            if int(wanted) not in numbered:
                self._refuse(numbered, f"none has the number {int(wanted)}")
                return
            chosen = numbered[int(wanted)]
            self._pass_over([scan for scan in scans if scan is not chosen], _NOT_ASKED_FOR)
            self._take([chosen])
            return
        large, small = _parted(scans, [scan.size[-1] >= FEWEST_SLICES for scan in scans])
        if len(large) != 1:
            self._refuse(numbered, "it is not known which one is meant")
            return
        self._pass_over(small, _SMALL)
        self._take(large)

    def _take(self, series: Sequence["Series"]) -> None:
        for scan in series:
            self.taken.items += _items(scan, self.settings, self.namer, self.kind)
        self.chosen += series

    def _pass_over(self, series: Sequence["Series"], why: str) -> None:
        shown = (self.namer.shown(scan.files[0]) for scan in series)
        self.taken.passed_over |= dict.fromkeys(shown, why)

    def _refuse(self, numbered: Mapping[int, "Series"], why: str) -> None:
        listed = [
            f"{number}: {scan.describe()} ({self.namer.case(scan)})"
            for number, scan in islice(numbered.items(), _MOST_LISTED)
        ]
        more = len(numbered) - len(listed)
        told = "; ".join([*listed, *([f"and {more} more"] if more else [])])
        item = self.namer.item(next(iter(numbered.values())))
        error = DataError(
            f"{item.path.parent}: is one of {len(numbered)} series, and {why}: {told}; "
            f"name one with `series`, or segment `{ALL}`."
        )
        self.taken.items.append(replace(item, problem=error))


def _parted(
    series: Sequence["Series"], marks: Sequence[bool]
) -> tuple[list["Series"], list["Series"]]:
    """Those that are marked, and the others."""
    pairs = list(zip(series, marks, strict=True))
    return [scan for scan, mark in pairs if mark], [scan for scan, mark in pairs if not mark]


def _examinations(series: Sequence["Series"]) -> list[list["Series"]]:
    """Series of one study together."""
    groups: dict[object, list[Series]] = {}
    for scan in series:
        groups.setdefault(scan.study_uid or scan.files[0].parent, []).append(scan)
    return list(groups.values())


def _items(
    series: "Series", settings: DicomSettings, namer: Namer, kind: ScanKind | None
) -> Iterator[PredictionInput]:
    item = namer.item(series)
    if series.kind == "sequence" and kind == "volume":
        reason = "holds frames without places in space, and the model takes volumes"
        problem = UnreadableFileError(item.path, reason, "name a model of pictures")
        yield replace(item, problem=problem)
        return
    if series.kind == "sequence":
        from ecs_med.data.readers.dicom.frames import num_frames

        try:
            count = num_frames(item.images[0])
        except EcsMedError as error:
            yield replace(item, problem=error)
            return
        width = max(4, len(str(count)))
        for frame in range(count):
            yield replace(item, case=f"{item.case}_{frame + 1:0{width}d}", frame=frame)
        return
    if settings.resample and series.kind == "volume":
        try:
            path = resampled(item.images, namer.links.folder(namer.hidden(series)))
        except EcsMedError as error:
            yield replace(item, problem=error)
            return
        if path is not None:
            yield replace(item, images=(path,), source=item.images)
            return
    yield item
