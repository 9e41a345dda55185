"""What was suggested, and the files that say so: `suggest.csv`, `suggest.html`, `failures.json`."""

import csv
import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecs_med.acquisition.base import Acquisition
from ecs_med.errors import SomeInputsFailed
from ecs_med.files import RESULT_REMEDY, cache_folder, write_json, write_text
from ecs_med.names import as_cell
from ecs_med.palette import css_color
from ecs_med.reporting.html import rendered_page
from ecs_med.types import Case, printable

__all__ = [
    "FAILURES",
    "Suggestion",
    "SuggestionReport",
    "patient_group",
    "relative_files",
    "write_report",
    "write_results",
]

TABLE, PAGE, FAILURES = "suggest.csv", "suggest.html", "failures.json"
COLUMNS = ("rank", "case", "patient", "score", "reason", "files")
SLICES = "slices"
_MOST_FILES = 8
"""Of a case that are named one by one: the channels of a scan, not the slices of a series."""
_CODE = re.compile(r"[A-Za-z]{0,8}[-_.]?\d[\w.-]*")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One case to annotate.

    Attributes:
        rank: From 1, the first to annotate.
        case: Its id.
        patient: Its patient where that is a code; a name is never written.
        score: By which it stands out; `None` where the rule has none.
        reason: Why it was picked, a sentence.
        files: Relative to the data folder; see `relative_files`.
        slices: Of a volume, the layers of its file that stand out, from 0; empty without a model.
    """

    rank: int
    case: str
    patient: str | None
    score: float | None
    reason: str
    files: tuple[str, ...]
    slices: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SuggestionReport:
    """What a look at a data set gave.

    Attributes:
        data: Folder or list file.
        model: Run folder; `None` without one.
        by: Name of the acquisition.
        output: Folder of the results.
        suggestions: The first one first.
        num_candidates: Cases that could be read, of which they were picked.
        num_patients: Patients of these; `None` where no patient is known.
        notes: What a person should know, one sentence each.
        packages: Folder of each package for annotators, by its kind.
        failures: Why a candidate was passed over, by id.
    """

    data: Path
    model: Path | None
    by: str
    output: Path
    suggestions: tuple[Suggestion, ...]
    num_candidates: int
    num_patients: int | None
    notes: tuple[str, ...] = ()
    packages: Mapping[str, Path] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain objects, lists, numbers and text."""
        return {
            "data": printable(str(self.data)),
            "model": None if self.model is None else printable(str(self.model)),
            "by": self.by,
            "output": printable(str(self.output)),
            "num_candidates": self.num_candidates,
            "num_patients": self.num_patients,
            "suggestions": [
                {name: getattr(one, name) for name in COLUMNS if name != "files"}
                | {"files": list(one.files), SLICES: list(one.slices)}
                for one in self.suggestions
            ],
            "notes": list(self.notes),
            "packages": {name: printable(str(path)) for name, path in self.packages.items()},
            "failures": self.failures,
        }

    def raise_failures(self) -> None:
        """Raise if a candidate was passed over.

        Raises:
            SomeInputsFailed: One sentence that says how many, and where the reasons are.
        """
        if self.failures:
            total = self.num_candidates + len(self.failures)
            raise SomeInputsFailed(
                f"{len(self.failures)} of {total} candidates could not be read; "
                f"{self.output / FAILURES} says why, the suggestions are among the others."
            )


def patient_group(case: Case) -> str | None:
    r"""The patient of a case where it is a code such as `p006` or `12-034`, never a name.

    Example:
        >>> from pathlib import Path
        >>> codes = ("p006", "12-034", "Doe^Jane", "doe1954", None)
        >>> [patient_group(Case("a", (Path("a.png"),), patient=code)) for code in codes]
        ['p006', '12-034', 'withheld', 'doe1954', None]
    """
    if case.patient is None:
        return None
    return case.patient if _CODE.fullmatch(case.patient) else "withheld"


def relative_files(case: Case, data: Path) -> tuple[str, ...]:
    """The image files of a case, relative to the data folder, or to that of the list file.

    Of a series of many files in one folder the folder alone is given. DICOM has none: its cases
    are known by their hashes, since files may be called as patients are.
    """
    root = (data if data.is_dir() else data.parent).absolute()
    files = [path.absolute() for path in case.images]
    if any(path.is_relative_to(cache_folder("dicom").absolute()) for path in files):
        return ()
    folders = {path.parent for path in files}
    if len(files) > _MOST_FILES and len(folders) == 1:
        files = list(folders)
    return tuple(printable(Path(os.path.relpath(path, root)).as_posix()) for path in files)


def write_report(
    report: SuggestionReport, acquisition: Acquisition, pictures: dict[str, dict[str, str]]
) -> list[Path]:
    """Write table, page and failures, each whole or not at all.

    Args:
        report: What was found.
        acquisition: The rule, for its words.
        pictures: JPEG data URIs by title, by id of the case.

    Returns:
        The files that were written.

    Raises:
        RunFolderError: If one cannot be written.
    """
    names = acquisition.pool.class_names
    page = rendered_page(
        "suggest.html.j2",
        package="ecs_med.acquisition",
        report=report,
        rule=acquisition,
        pictures=pictures,
        shows_doubt=any("The corrector's doubt" in one for one in pictures.values()),
        legend=[(name, css_color(index)) for index, name in enumerate(names) if index],
    )
    return write_results(report.output, {TABLE: _table(report), PAGE: page}, report.failures)


def write_results(
    output: Path, texts: Mapping[str, str], failures: Mapping[str, str]
) -> list[Path]:
    """Write texts by file name, and `failures.json`, which goes where nothing failed.

    Returns:
        The files that were written.

    Raises:
        RunFolderError: If one cannot be written.
    """
    for name, text in texts.items():
        write_text(output / name, text, remedy=RESULT_REMEDY)
    paths, path = [output / name for name in texts], output / FAILURES
    if not failures:
        path.unlink(missing_ok=True)
        return paths
    write_json(path, dict(failures), remedy=RESULT_REMEDY)
    return [*paths, path]


def _table(report: SuggestionReport) -> str:
    """As CSV; slices as a list of labelled cases has them, where there are any."""
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    has_slices = any(one.slices for one in report.suggestions)
    writer.writerow([*COLUMNS, *([SLICES] if has_slices else [])])
    for one in report.suggestions:
        score = "" if one.score is None else f"{one.score:.6g}"
        words = (one.case, one.patient or "", score, one.reason, ";".join(one.files))
        slices = [";".join(map(str, one.slices))] if has_slices else []
        writer.writerow([one.rank, *map(as_cell, words), *slices])
    return table.getvalue()
