"""DICOM among the inputs of a prediction: which series are segmented, and under what names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ecs_med.data.intake.links import LinkFolder
from ecs_med.data.intake.pseudonyms import Pseudonyms
from ecs_med.data.intake.resampling import resampled
from ecs_med.errors import DataError, EcsMedError
from ecs_med.inference.scans import PredictionInput
from ecs_med.types import ScanKind

if TYPE_CHECKING:
    from ecs_med.data.readers.dicom.series import Series

__all__ = ["DicomInputs", "DicomSettings", "take_in_dicom"]

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


def take_in_dicom(
    place: Path | Sequence[Path],
    files: Sequence[Path],
    settings: DicomSettings,
    below: Path | None,
    kind: ScanKind | None = None,
) -> DicomInputs:
    """Find the scans among DICOM files.

    Series are told apart within one examination, or where that is not known within one folder. If
    it has several volumes, one has to be named. Pictures are scans by themselves, and so are the
    frames of a file that has several without places in space.

    Args:
        place: What the user named: a folder, an archive, or files.
        files: DICOM files that lie there.
        settings: What the user says.
        below: The input folder that they lie in; `None` if they were named one by one.
        kind: What the model takes; beside such scans others of an examination are passed over.
    """
    from ecs_med.data.readers.dicom.series import find_series

    found = find_series(files)
    namer = _Namer(place, below, found.series, keep_names=settings.keep_names)
    taken = DicomInputs()
    for path, error in found.unreadable:
        shown = namer.shown(path)
        taken.items.append(PredictionInput((shown,), below, type(error)(
            shown, error.reason, error.remedy
        )))  # fmt: skip
    choice = _Choice(settings, namer, taken, kind)
    choice.choose(found.series)
    masks = "DICOM segmentations or contours"
    taken.passed_over |= {namer.shown(path): masks for path in found.masks}
    others = "DICOM that is no image"
    taken.passed_over |= {namer.shown(path): others for path in found.others}
    taken.notes += _text_in_pixels(choice.chosen, namer)
    if not settings.keep_names:
        namer.links.clear()
    return taken


class _Namer:
    """Names of cases, and the paths under which files are shown."""

    def __init__(
        self,
        place: Path | Sequence[Path],
        below: Path | None,
        series: Sequence["Series"],
        *,
        keep_names: bool,
    ) -> None:
        self.below = below
        self.keeps = keep_names
        self._place = place
        self._names = _kept_names(series) if keep_names else {}

    @cached_property
    def _pseudonyms(self) -> Pseudonyms:
        return Pseudonyms.local()

    @cached_property
    def links(self) -> LinkFolder:
        return LinkFolder(self._place, self._pseudonyms)

    def shown(self, path: Path) -> Path:
        return path if self.keeps else self.links.other(path)

    def hidden(self, series: "Series") -> str:
        return self._pseudonyms.of("case", series.identity)

    def case(self, series: "Series") -> str:
        """What results of a scan are called."""
        return self._names[series.number] if self.keeps else self.hidden(series)

    def item(self, series: "Series") -> PredictionInput:
        """The scan as it is segmented."""
        name = self.case(series)
        if self.keeps:
            return PredictionInput(series.files, self.below, case=name)
        files, _ = self.links.case(name, series.files)
        return PredictionInput(files, files[0].parent, case=name)


def _kept_names(series: Sequence["Series"]) -> dict[int, str]:
    """Names of files or folders by number of series; with numbers where a folder has several."""
    names = {}
    for scan in series:
        first = scan.files[0]
        is_called = first.stem if first.suffix.lower() == ".dcm" else first.name
        names[scan.number] = is_called if len(scan.files) == 1 else first.parent.resolve().name
    shared: dict[Path, list[int]] = {}
    for scan in series:
        if len(scan.files) > 1:
            shared.setdefault(scan.files[0].parent, []).append(scan.number)
    for numbers in shared.values():
        if len(numbers) > 1:
            names |= {n: f"{names[n]}-{place}" for place, n in enumerate(numbers, 1)}
    return names


@dataclass(slots=True)
class _Choice:
    """Which of the series that were found are segmented.

    Attributes:
        chosen: Those that are.
    """

    settings: DicomSettings
    namer: _Namer
    taken: DicomInputs
    kind: ScanKind | None
    chosen: list["Series"] = field(default_factory=list)

    def choose(self, series: Sequence["Series"]) -> None:
        """Take in series, or say why not."""
        wanted = self.settings.series
        if wanted is not None and wanted != ALL and not wanted.isdigit():
            self._by_name(series, wanted)
            return
        for group in _examinations(series):
            ours = [s for s in group if self.kind is None or (s.kind == "volume") == self._volumes]
            self._pass_over([s for s in group if s not in ours], _OTHER_KIND, unless=not ours)
            ours = ours or group
            volumes = [scan for scan in ours if scan.kind == "volume"]
            self._take([scan for scan in ours if scan.kind != "volume"])
            if len(volumes) > 1 and wanted != ALL:
                self._one_of(dict(enumerate(volumes, 1)), wanted)
            else:
                self._take(volumes)

    @property
    def _volumes(self) -> bool:
        return self.kind == "volume"

    def _by_name(self, series: Sequence["Series"], wanted: str) -> None:
        named = [scan for scan in series if self.namer.case(scan) == wanted]
        if series and not named:
            self._refuse(dict(enumerate(series, 1)), f"none is called '{wanted}'")
            return
        self._pass_over([scan for scan in series if scan not in named], _NOT_ASKED_FOR)
        self._take(named)

    def _one_of(self, numbered: Mapping[int, "Series"], wanted: str | None) -> None:
        """Take one of several volumes of an examination."""
        if wanted is not None:
            if int(wanted) not in numbered:
                self._refuse(numbered, f"none has the number {wanted}")
                return
            self._take([numbered[int(wanted)]])
            return
        large = [scan for scan in numbered.values() if scan.size[-1] >= FEWEST_SLICES]
        if len(large) != 1:
            self._refuse(numbered, "it is not known which one is meant")
            return
        self._pass_over([scan for scan in numbered.values() if scan not in large], _SMALL)
        self._take(large)

    def _take(self, series: Sequence["Series"]) -> None:
        for scan in series:
            self.taken.items += _items(scan, self.settings, self.namer, self.kind)
        self.chosen += series

    def _pass_over(self, series: Sequence["Series"], why: str, *, unless: bool = False) -> None:
        if not unless:
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


def _examinations(series: Sequence["Series"]) -> list[list["Series"]]:
    """Series of one study together."""
    groups: dict[object, list[Series]] = {}
    for scan in series:
        groups.setdefault(scan.study_uid or scan.files[0].parent, []).append(scan)
    return list(groups.values())


def _items(
    series: "Series", settings: DicomSettings, namer: _Namer, kind: ScanKind | None
) -> Iterator[PredictionInput]:
    item = namer.item(series)
    if series.kind == "sequence" and kind != "volume":
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


def _text_in_pixels(series: Sequence["Series"], namer: _Namer) -> list[str]:
    """One sentence where names may be written into pixels."""
    from ecs_med.data.readers.dicom.files import guarded, open_dataset
    from ecs_med.data.readers.dicom.frames import burned_in

    for scan in series:
        try:
            header = open_dataset(scan.files[0], tags=["BurnedInAnnotation", "Modality"])
            with guarded(scan.files[0]):
                problem = burned_in(header, namer.shown(scan.files[0]))
        except EcsMedError:
            continue
        if problem is not None:
            return [problem.sentence()]
    return []
