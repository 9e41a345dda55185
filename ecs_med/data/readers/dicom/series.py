"""Which files of many make one volume, one picture or one sequence."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ecs_med.data.readers.dicom.files import SUFFIXES, is_dicom
from ecs_med.data.readers.dicom.geometry import SAME_PLACE_MM
from ecs_med.data.readers.dicom.headers import ImageHeader, read_header
from ecs_med.data.readers.dicom.kinds import FileKind
from ecs_med.data.readers.dicom.planes import SAME_ORIENTATION
from ecs_med.data.readers.grids import times
from ecs_med.errors import UnreadableFileError
from ecs_med.types import ScanKind

__all__ = ["FoundSeries", "Series", "find_series"]


@dataclass(frozen=True, slots=True)
class Series:
    """Files that are one scan.

    Attributes:
        files: In the order of their paths.
        uid: Series instance UID: an identifier of the patient's examination, never shown.
        study_uid: See `uid`.
        modality: Such as `CT`; empty: unknown.
        kind: What the scan is.
        size: Columns and rows, then slices or frames where there can be several.
        spacing: Sides in mm along `size`, as far as the headers tell; `None` where they do not.
        number: Place among those that were found, from 1.
        sop_instance_uids: Identifiers of the files, in their order: never shown.
        part: Place among the volumes of one series and how many there are; `(1, 1)`: the only one.
    """

    files: tuple[Path, ...]
    uid: str
    study_uid: str
    modality: str
    kind: ScanKind
    size: tuple[int, ...]
    spacing: tuple[float, ...] | None
    number: int
    sop_instance_uids: tuple[str, ...]
    part: tuple[int, int] = (1, 1)

    @property
    def identity(self) -> str:
        """What tells it from every other scan: identifiers, never to be shown; else its path.

        A series may hold several scans, such as a localizer, so that its own does not suffice.
        """
        first = min(self.sop_instance_uids, default="")
        named = self.uid and first
        return (
            "/".join((self.uid, first, *map(str, self.part)))
            if named
            else str(self.files[0].resolve())
        )

    def describe(self) -> str:
        """What it is in words that name nobody, such as `CT, 512 x 512 x 20, 0.79 x 0.79 x 2 mm`.

        Example:
            >>> Series((), "", "", "MR", "volume", (35, 51, 32), (1.0,) * 3, 1, ()).describe()
            'MR, 35 x 51 x 32, 1 x 1 x 1 mm'
        """
        words = [self.modality or "unknown modality", times(self.size)]
        if self.spacing is not None:
            words.append(" x ".join(f"{side:.3g}" for side in self.spacing) + " mm")
        if self.part[1] > 1:
            words.append(f"volume {self.part[0]} of {self.part[1]} of its series")
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class FoundSeries:
    """What many files are.

    Attributes:
        series: Scans, by study, number and path.
        masks: Segmentations and structure sets.
        others: DICOM files that are no images: reports, plans, presentation states, directories.
        foreign: How many files are not DICOM.
        unreadable: Files that cannot be read, and why.
    """

    series: tuple[Series, ...]
    masks: tuple[Path, ...] = ()
    others: tuple[Path, ...] = ()
    foreign: int = 0
    unreadable: tuple[tuple[Path, UnreadableFileError], ...] = field(default=())


def find_series(paths: Iterable[Path]) -> FoundSeries:
    """Group files into scans by their headers.

    Slices make one volume if series, frame of reference, orientation and size are the same.
    Volumes of one series that lie in the same place are told apart by the element (time, echo,
    acquisition) that divides them into volumes that are each whole. A picture, and a file of
    several frames, is a scan by itself.

    Args:
        paths: Any files. Those that are not DICOM are counted, and those that cannot be read are
            given with their errors.
    """
    headers: list[ImageHeader] = []
    unreadable: list[tuple[Path, UnreadableFileError]] = []
    foreign = 0
    for path in paths:
        if not _may_be_dicom(path):
            foreign += 1
            continue
        try:
            headers.append(read_header(path))
        except UnreadableFileError as error:
            unreadable.append((path, error))
    headers.sort(key=lambda header: header.plane.path)
    single = [[h] for h in headers if h.kind in ("picture", "frames", "enhanced")]
    volumes = _volumes([header for header in headers if header.kind == "slice"])
    found = [_series(group, part) for group, part in (*((s, (1, 1)) for s in single), *volumes)]
    found.sort(key=lambda pair: pair[0])
    return FoundSeries(
        tuple(replace(series, number=n) for n, (_, series) in enumerate(found, 1)),
        tuple(h.plane.path for h in headers if h.kind in ("segmentation", "structures")),
        tuple(h.plane.path for h in headers if h.kind == "other"),
        foreign,
        tuple(unreadable),
    )


def _may_be_dicom(path: Path) -> bool:
    """Whether to try: what is called DICOM and is not is told as unreadable, not passed over."""
    return path.name.lower().endswith(SUFFIXES) or is_dicom(path)


_KINDS: dict[FileKind, ScanKind] = {"picture": "picture", "frames": "sequence"}

_SortKey = tuple[str, int, int, str, tuple[int, int], Path]


def _series(headers: Sequence[ImageHeader], part: tuple[int, int]) -> tuple[_SortKey, Series]:
    """A scan, and what it is sorted by."""
    first = headers[0]
    kind = _KINDS.get(first.kind, "volume")
    placed = len(headers) > 1 and first.plane.position is not None
    num_slices = len(set(_places(headers))) if placed else max(first.num_frames, len(headers))
    series_size = (first.plane.columns, first.plane.rows, num_slices)
    series = Series(
        files=tuple(header.plane.path for header in headers),
        uid=first.series_uid,
        study_uid=first.study_uid,
        modality=first.modality,
        kind=kind,
        size=series_size[:2] if kind == "picture" else series_size,
        spacing=_spacing(headers) if kind == "volume" else None,
        number=0,
        sop_instance_uids=tuple(header.plane.sop_instance_uid for header in headers),
        part=part,
    )
    # Within a series the largest comes first: localizers are small.
    key = (
        first.study_uid,
        first.series_number,
        -num_slices,
        first.series_uid,
        part,
        first.plane.path,
    )
    return key, series


def _spacing(headers: Sequence[ImageHeader]) -> tuple[float, ...] | None:
    """Sides of pixels, and the usual distance of slices, without judging whether it is even."""
    planes = [header.plane for header in headers]
    if headers[0].kind == "enhanced":
        from ecs_med.data.readers.dicom.enhanced import planes_of_frames

        try:
            planes = list(planes_of_frames(headers[0]))
        except UnreadableFileError:
            return None
    first = planes[0]
    if any(plane.position is None for plane in planes) or first.orientation is None:
        return None
    if first.spacing is None:
        return None
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    heights = np.sort(np.array([plane.position for plane in planes]) @ normal)
    steps = np.diff(heights)
    steps = steps[steps > SAME_PLACE_MM]
    row_mm, column_mm = first.spacing
    if steps.size:
        length = float(heights[-1] - heights[0])
        return column_mm, row_mm, length / round(length / float(np.median(steps)))
    side = first.spacing_between or first.thickness
    return (column_mm, row_mm, side) if side else None


def _volumes(
    headers: Sequence[ImageHeader],
) -> Iterator[tuple[list[ImageHeader], tuple[int, int]]]:
    """Slices grouped into volumes, each with its place among those of its series."""
    groups: dict[object, list[list[ImageHeader]]] = {}
    for header in headers:
        # Series without an identifier are told apart by their folders.
        where = header.series_uid or header.plane.path.parent
        plane = header.plane
        key = (where, header.frame_of_reference_uid, plane.rows, plane.columns)
        _add_by_orientation(groups.setdefault(key, []), header)
    for group in (group for alike in groups.values() for group in alike):
        parts = _in_time(group)
        for number, part in enumerate(parts, 1):
            yield part, (number, len(parts))


def _add_by_orientation(groups: list[list[ImageHeader]], header: ImageHeader) -> None:
    """Add a slice to the group that lies in the same direction, or begin one."""
    for group in groups:
        first, own = group[0].plane.orientation, header.plane.orientation
        alike = first is own or (
            first is not None
            and own is not None
            and np.abs(np.subtract(first, own)).max() <= SAME_ORIENTATION
        )
        if alike:
            group.append(header)
            return
    groups.append([header])


def _in_time(group: list[ImageHeader]) -> list[list[ImageHeader]]:
    """Tell apart volumes that lie in the same place, where one element divides them.

    Temporal positions divide wherever a place repeats; other elements do where each of their
    values then has every place equally often, so that no volume is torn apart. No element has
    more values than a place has slices.
    """
    places = _places(group)
    if len(set(places)) == len(group):
        return [group]
    for keyword, _ in group[0].divided_by:
        parts = _divided(group, places, keyword)
        if len(parts) > 1:
            return [whole for part in parts for whole in _in_time(part)]
    return [group]


def _divided(
    group: Sequence[ImageHeader], places: Sequence[tuple[int, ...]], keyword: str
) -> list[list[ImageHeader]]:
    """Parts by the values of an element, in their order; a single one: it does not divide."""
    parts: dict[str, list[ImageHeader]] = {}
    places_of: dict[str, list[tuple[int, ...]]] = {}
    for header, place in zip(group, places, strict=True):
        value = dict(header.divided_by).get(keyword, "")
        parts.setdefault(value, []).append(header)
        places_of.setdefault(value, []).append(place)
    equal = len({tuple(sorted(own)) for own in places_of.values()}) == 1
    too_many = len(parts) > max(Counter(places).values())
    if "" in parts or too_many or not (equal or keyword == "TemporalPositionIdentifier"):
        return [list(group)]
    return [parts[value] for value in sorted(parts, key=_as_number)]


def _as_number(value: str) -> tuple[float, str]:
    try:
        return float(value), value
    except ValueError:
        return 0.0, value


def _places(group: Sequence[ImageHeader]) -> list[tuple[int, ...]]:
    """Positions in whole hundredths of a mm; those of slices without one are all the same."""
    return [tuple(round(100 * along) for along in header.plane.position or ()) for header in group]
