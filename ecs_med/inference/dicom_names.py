"""What scans of DICOM are called, and under which paths their files are shown."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ecs_med.data.intake.links import LinkFolder
from ecs_med.data.intake.pseudonyms import Pseudonyms
from ecs_med.inference.scans import PredictionInput

if TYPE_CHECKING:
    from ecs_med.data.readers.dicom.series import Series

__all__ = ["Namer"]


class Namer:
    """Names of cases, and the paths under which files are shown.

    Args:
        place: What the user named: a folder, an archive, or files.
        below: The input folder that the files lie in; `None` if they were named one by one.
        series: All that were found there.
        keep_names: Whether scans are called as files and folders are.
    """

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
        """The links to what lies at the place, made when they are first needed."""
        return LinkFolder(self._place, self._pseudonyms)

    def shown(self, path: Path) -> Path:
        """The path of a file that belongs to no scan, as messages may hold it."""
        return path if self.keeps else self.links.other(path)

    def hidden(self, series: "Series") -> str:
        """The name of a scan that names nobody, whatever its results are called."""
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
