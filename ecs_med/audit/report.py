"""What an audit found, and the files that say so: `audit.csv`, `audit.html`, `failures.json`."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from ecs_med.acquisition.report import FAILURES, write_results
from ecs_med.audit.faults import KINDS
from ecs_med.audit.verdict import Verdict
from ecs_med.audit.words import KIND_TITLES
from ecs_med.errors import SomeInputsFailed
from ecs_med.names import as_cell
from ecs_med.palette import css_color
from ecs_med.reporting.html import rendered_page
from ecs_med.types import printable

__all__ = ["AuditReport", "Finding", "write_report"]

TABLE, PAGE = "audit.csv", "audit.html"
COLUMNS = (
    *("rank", "case", "patient", "fold", "overlap", "softmin", "corrector", "dice"),
    *("kind", "class", "slice", "sentence", "classes", "decision", "files"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One mask, and what is said of it.

    Attributes:
        rank: From 1, the most suspicious one first.
        verdict: What was measured.
        sentence: What seems to be wrong, in words.
        patient: Of the case where that is a code; a name is never written.
        files: Image and mask relative to the data folder.
        mask: Digest of the mask's bytes, by which a decision is known to be of it.
        labels: Digest of its labels.
        decision: `right`, `wrong` or `unsure`, if somebody has decided before.
    """

    rank: int
    verdict: Verdict
    sentence: str
    patient: str | None
    files: tuple[str, ...]
    mask: str
    labels: str
    decision: str | None = None

    @property
    def title(self) -> str:
        """The kind of fault in words."""
        return KIND_TITLES[self.verdict.kind]


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit found.

    Attributes:
        data: Folder or list file.
        output: Folder of the results.
        method: Of the runs.
        folds: Number of runs.
        findings: The most suspicious mask first, those that were decided before last.
        class_names: Background first.
        identity: By which a page keeps decisions of this data set apart from others.
        known: Decisions that were made before and hold, as `decisions.json` has them.
        notes: What a person should know, one sentence each.
        failures: Why a case could not be judged, by id.
    """

    data: Path
    output: Path
    method: str
    folds: int
    findings: tuple[Finding, ...]
    class_names: tuple[str, ...]
    identity: str
    known: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """How many masks look wrong, in a sentence."""
        open_ones = [one for one in self.findings if one.decision is None]
        doubted = sum(one.verdict.kind != "none" for one in open_ones)
        of_all = f"{len(self.findings)} masks" if len(self.findings) > 1 else "one mask"
        decided = len(self.findings) - len(open_ones)
        before = f"; {decided} were decided before" if decided else ""
        if not doubted:
            return f"No mask of {of_all} differs clearly from what is expected{before}."
        differ = "differs" if doubted == 1 else "differ"
        return f"{doubted} of {of_all} {differ} clearly from what is expected{before}."

    def to_json(self) -> dict[str, Any]:
        """Plain objects, lists, numbers and text."""
        return {
            "data": printable(str(self.data)),
            "output": printable(str(self.output)),
            "method": self.method,
            "folds": self.folds,
            "findings": [self._row(one) for one in self.findings],
            "notes": list(self.notes),
            "failures": self.failures,
        }

    def _row(self, one: Finding) -> dict[str, Any]:
        found = one.verdict
        return {
            "rank": one.rank,
            "case": found.case,
            "patient": one.patient,
            "fold": found.fold,
            "overlap": found.overlap,
            "softmin": found.softmin,
            "corrector": found.corrector,
            "dice": found.dice,
            "kind": found.kind,
            "class": self.class_names[found.index] if found.index else None,
            "slice": found.layer,
            "sentence": one.sentence,
            "classes": {
                self.class_names[each.index]: {
                    "dice": each.dice,
                    "softmin": each.softmin,
                    "corrector": each.corrector,
                }
                for each in found.classes
            },
            "decision": one.decision,
            "files": list(one.files),
        }

    def raise_failures(self) -> None:
        """Raise if a case could not be judged.

        Raises:
            SomeInputsFailed: One sentence that says how many, and where the reasons are.
        """
        if self.failures:
            total = len(self.findings) + len(self.failures)
            raise SomeInputsFailed(
                f"{len(self.failures)} of {total} masks could not be judged; "
                f"{self.output / FAILURES} says why, the others are in {PAGE}."
            )


def write_report(report: AuditReport, pictures: Mapping[str, Mapping[str, str]]) -> list[Path]:
    """Write table, page and failures, each whole or not at all.

    Args:
        report: What was found.
        pictures: JPEG data URIs by title, by id of the case; of those that are shown.

    Returns:
        The files that were written.

    Raises:
        RunFolderError: If one cannot be written.
    """
    from markupsafe import Markup

    script = (files("ecs_med.audit") / "audit.js").read_text(encoding="utf-8")
    names = report.class_names
    page = rendered_page(
        "audit.html.j2",
        package="ecs_med.audit",
        styles=("audit.css",),
        report=report,
        pictures=pictures,
        kinds=[(kind, KIND_TITLES[kind]) for kind in KINDS],
        hidden=sum(
            one.verdict.case not in pictures and not one.decision for one in report.findings
        ),
        script=Markup(script),
        has_corrector=any(one.verdict.corrector is not None for one in report.findings),
        legend=[(name, css_color(index)) for index, name in enumerate(names) if index],
    )
    return write_results(report.output, {TABLE: _table(report), PAGE: page}, report.failures)


def _table(report: AuditReport) -> str:
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in report.to_json()["findings"]:
        scores = (
            f"{name}: Dice {each['dice']:.4g}, softmin {each['softmin']:.4g}"
            for name, each in row["classes"].items()
        )
        flat = {**row, "classes": "; ".join(scores), "files": ";".join(row["files"])}
        writer.writerow({key: _cell(value) for key, value in flat.items()})
    return table.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return as_cell(value) if isinstance(value, str) else value
