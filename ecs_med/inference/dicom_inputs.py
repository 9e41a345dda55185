"""DICOM among the inputs of a prediction: which series are segmented, and under what names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ecs_med.data.intake.links import LinkFolder
from ecs_med.data.intake.pseudonyms import Pseudonyms
from ecs_med.data.intake.resampling import resampled
from ecs_med.errors import DataError, EcsMedError
from ecs_med.inference.scans import PredictionInput

if TYPE_CHECKING:
    from ecs_med.data.readers.dicom.series import FoundSeries, Series

__all__ = ["DicomInputs", "DicomSettings", "take_in_dicom"]

ALL = "all"
FEWEST_SLICES = 3
"""A volume of fewer beside a larger one is a localizer or a key image."""


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
    place: Path, files: Sequence[Path], settings: DicomSettings, below: Path | None
) -> DicomInputs:
    """Find the scans among DICOM files.

    Series are told apart within one examination, or where that is not known within one folder. If
    it has several volumes, one has to be named. Pictures are scans by themselves, and so are the
    frames of a file that has several without places in space.

    Args:
        place: What the user named.
        files: DICOM files that lie there.
        settings: What the user says.
        below: The input folder that they lie in; `None` if they were named one by one.
    """
    from ecs_med.data.readers.dicom.series import find_series

    found = find_series(files)
    namer = _Namer(place, below, keep_names=settings.keep_names)
    taken = DicomInputs()
    for path, error in found.unreadable:
        shown = namer.shown(path)
        taken.items.append(PredictionInput((shown,), below, type(error)(
            shown, error.reason, error.remedy
        )))  # fmt: skip
    for group in _examinations(found):
        taken.items += _chosen(group, settings, namer, taken)
    masks = "DICOM segmentations or contours"
    taken.passed_over |= {namer.shown(path): masks for path in found.masks}
    others = "DICOM that is no image"
    taken.passed_over |= {namer.shown(path): others for path in found.others}
    taken.notes += _text_in_pixels(found.series, namer)
    return taken


class _Namer:
    """Names of cases, and the paths under which files are shown."""

    def __init__(self, place: Path, below: Path | None, *, keep_names: bool) -> None:
        self.below = below
        self.keeps = keep_names
        self._pseudonyms = Pseudonyms.local()
        self.links = LinkFolder(place, self._pseudonyms)

    def shown(self, path: Path) -> Path:
        return path if self.keeps else self.links.other(path)

    def hidden(self, series: "Series") -> str:
        return self._pseudonyms.of("case", series.identity)

    def case(self, series: "Series") -> str:
        """What results of a scan are called."""
        first = series.files[0]
        if not self.keeps:
            return self.hidden(series)
        alone = len(series.files) == 1
        name = first.stem if alone and first.suffix.lower() == ".dcm" else first.name
        return name if alone else first.parent.resolve().name

    def item(self, series: "Series") -> PredictionInput:
        """The scan as it is segmented."""
        name = self.case(series)
        if self.keeps:
            return PredictionInput(series.files, self.below, case=name)
        files, _ = self.links.case(name, series.files)
        return PredictionInput(files, files[0].parent, case=name)


def _examinations(found: "FoundSeries") -> list[list["Series"]]:
    """Volumes of one study together; each picture and sequence alone."""
    groups: dict[object, list[Series]] = {}
    for series in found.series:
        study = series.study_uid or series.files[0].parent
        key = study if series.kind == "volume" else series.number
        groups.setdefault(key, []).append(series)
    return list(groups.values())


def _chosen(
    group: Sequence["Series"], settings: DicomSettings, namer: _Namer, taken: DicomInputs
) -> Iterator[PredictionInput]:
    """The scans of an examination that are segmented, or why none is."""
    numbered = dict(enumerate(group, 1))
    if settings.series not in (None, ALL):
        wanted = {n: s for n, s in numbered.items() if settings.series in (str(n), namer.case(s))}
        if not wanted and len(group) > 1:
            yield _refused(numbered, namer, f"none is called '{settings.series}'")
            return
        numbered = wanted or numbered
    elif settings.series is None and len(group) > 1:
        large = {n: s for n, s in numbered.items() if s.size[-1] >= FEWEST_SLICES}
        if len(large) != 1:
            yield _refused(numbered, namer, "it is not known which one is meant")
            return
        small = f"series of fewer than {FEWEST_SLICES} slices beside a larger one"
        for number in numbered.keys() - large.keys():
            taken.passed_over[namer.shown(numbered[number].files[0])] = small
        numbered = large
    for series in numbered.values():
        yield from _items(series, settings, namer)


def _refused(numbered: dict[int, "Series"], namer: _Namer, why: str) -> PredictionInput:
    items = {number: namer.item(series) for number, series in numbered.items()}
    listed = "; ".join(
        f"{number}: {series.describe()} ({items[number].case})"
        for number, series in numbered.items()
    )
    first = next(iter(items.values()))
    error = DataError(
        f"{first.path.parent}: is one of {len(numbered)} series of an examination, and {why}: "
        f"{listed}; name one with `series`, or segment `{ALL}`."
    )
    return replace(first, problem=error)


def _items(series: "Series", settings: DicomSettings, namer: _Namer) -> Iterator[PredictionInput]:
    item = namer.item(series)
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


def _text_in_pixels(series: Sequence["Series"], namer: _Namer) -> list[str]:
    """One sentence where names may be written into pixels."""
    from ecs_med.data.readers.dicom.files import open_dataset
    from ecs_med.data.readers.dicom.frames import burned_in

    found = []
    for scan in series:
        try:
            header = open_dataset(scan.files[0], tags=["BurnedInAnnotation", "Modality"])
        except EcsMedError:
            continue
        problem = burned_in(header, namer.shown(scan.files[0]))
        found += [problem] if problem else []
    if not found:
        return []
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    first = found[0]
    return [replace(first, message=f"{first.message}{more}").sentence()]
