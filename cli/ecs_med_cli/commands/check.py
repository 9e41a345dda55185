"""`ecs-med check`: is my data all right, before any minute of training."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from ecs_med.data.checks.grouping import group_problems
from ecs_med.errors import BudgetError, DataError
from ecs_med.names import visible
from ecs_med_cli import options
from ecs_med_cli.console import PlainTable, Terminal
from ecs_med_cli.declaration import Given, in_options, with_options
from ecs_med_cli.lean import sparing_imports

if TYPE_CHECKING:
    from ecs_med.data.checks.examination import Diagnosis
    from ecs_med.data.checks.facts import DataSummary
    from ecs_med.types import CaseCollection, Problem

__all__ = ["check"]

NUM_NAMES = 3
MIN_WIDTH = 120
STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}


@with_options(settings=options.READING)
def check(
    *,
    data: Annotated[Path, typer.Argument(help="Folder, or JSON or CSV list.")],
    settings: Given,
    as_json: Annotated[bool, options.JSON.info()] = False,
) -> None:
    """Decode every image and mask and print one table of all problems.

    Layouts: images/ beside masks/ (or labels/, annotations/), optionally inside train/,
    validation/, test/, matched by name; imagesTr/ beside labelsTr/ (Decathlon or nnU-Net);
    patients with DICOM series, and masks as DICOM SEG, RTSTRUCT or NIfTI among them;
    a JSON or CSV list. An image without a mask is unlabelled. Ends with 2 if training
    would be wrong.
    """
    with sparing_imports():
        from ecs_med.config import ReadingSettings
        from ecs_med.data.checks.examination import diagnose
        from ecs_med.data.layout import open_data
        from ecs_med.files import cache_folder
        from ecs_med.types import Problem

    reading = ReadingSettings.parse(settings.get("reading", {}))
    try:
        collection = open_data(data, reading)
    except DataError as error:
        if not as_json:
            raise
        _print_json(data, [Problem.from_error(error, [data])], None, None)
        raise typer.Exit(2) from None
    with Terminal(as_json=as_json).bar("decoding") as moved:
        # Always decoded; what it tells is kept for the start of a training.
        cache = cache_folder("prepared")
        diagnosis = diagnose(collection, reading, progress=moved, cache=cache, anew=True)
    problems = list(diagnosis.problems)
    if not diagnosis.num_errors:
        problems[:0] = _split_problems(collection, diagnosis)
    if as_json:
        _print_json(data, problems, collection, diagnosis)
    else:
        _print_tables(problems, diagnosis.summary, collection.root)
    if any(problem.severity == "error" for problem in problems):
        raise typer.Exit(2)


def _split_problems(collection: "CaseCollection", diagnosis: "Diagnosis") -> "list[Problem]":
    """What stands in the way of dividing the cases for training, though every file is well."""
    from ecs_med.splits import draw_split
    from ecs_med.types import Problem

    try:
        draw_split(collection.cases, "all", 0, joined=diagnosis.joined)
    except BudgetError as error:
        return [Problem.from_error(error, [collection.root])]
    return []


def _print_json(
    data: Path,
    problems: "Sequence[Problem]",
    collection: "CaseCollection | None",
    diagnosis: "Diagnosis | None",
) -> None:
    def count(severity: str) -> int:
        return sum(problem.severity == severity for problem in problems)

    scheme = diagnosis.scheme if diagnosis else None
    report = {
        "data": str(data),
        "layout": collection.layout if collection else None,
        "ok": count("error") == 0,
        "num_errors": count("error"),
        "num_warnings": count("warning"),
        "problems": [
            {
                "severity": problem.severity,
                "path": str(problem.path) if problem.path else None,
                "message": in_options(problem.message),
                "remedy": in_options(problem.remedy),
            }
            for problem in problems
        ],
        "summary": diagnosis.summary.to_json() if diagnosis else None,
        "masks": scheme.model_dump(mode="json") if scheme else None,
    }
    Terminal(as_json=True).print_json(report)


def _print_tables(problems: "Sequence[Problem]", summary: "DataSummary", root: Path) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, MIN_WIDTH))
    console.print(Text(visible(_summary_sentence(summary))))
    for line in _class_lines(summary):
        console.print(Text(visible(line)))
    if problems:
        table = PlainTable("", "file", "what", "remedy")
        table.columns[1].overflow = "fold"
        for group in group_problems(problems):
            first = group[0]
            message, names = in_options(first.message), _names(group, root)
            if len(group) > 1:
                message = f"{len(group)} files, such as: {message}"
            label = Text(first.severity, style=STYLES[first.severity])
            table.add_row(label, names, message, in_options(first.remedy))
        console.print(table)
    console.print(_verdict(problems))


def _names(group: "Sequence[Problem]", root: Path) -> str:
    base = f"{root}{os.sep}"
    paths = [str(problem.path) for problem in group if problem.path is not None]
    # The data set itself needs no name here: its row concerns the whole.
    names = ["" if path == str(root) else path.removeprefix(base) for path in paths[:NUM_NAMES]]
    return "\n".join(names) + ("\n..." if len(paths) > NUM_NAMES else "")


def _summary_sentence(summary: "DataSummary") -> str:
    parts = ", ".join(
        f"{part.name} {part.num_labeled} labelled + {part.num_unlabeled} unlabelled"
        for part in summary.partitions
    )
    sizes = ""
    if summary.smallest and summary.largest:
        smallest, largest = (
            " x ".join(map(str, shape)) for shape in (summary.smallest, summary.largest)
        )
        sizes = f" of {smallest}" if smallest == largest else f" of {smallest} to {largest}"
    if summary.spacing_mm:
        sizes += " at " + " x ".join(f"{side:.3g}" for side in summary.spacing_mm) + " mm"
    patients = f" of {summary.num_patients} patients" if summary.num_patients else ""
    kind = {"none": "cases", "mixed": "pictures and volumes"}.get(summary.kind, summary.kind)
    return (
        f"{summary.name} ({summary.layout}): {summary.num_cases} {kind}{patients}{sizes};"
        f" partitions: {parts}."
    )


def _class_lines(summary: "DataSummary") -> list[str]:
    is_sparse = summary.void_share > 0
    of = "labelled pixels" if is_sparse else "pixels"
    lines = [
        f"  {index} {entry.name}: {entry.pixel_share:.2%} of the {of}, in {entry.num_cases} masks"
        for index, entry in enumerate(summary.classes)
    ]
    if is_sparse and summary.num_annotated is not None:
        lines.append(
            f"  {summary.num_annotated:,} pixels are labelled, {1 - summary.void_share:.2%} of "
            f"those of all masks; {summary.num_sparse} masks are labelled in part."
        )
    return lines


def _verdict(problems: "Sequence[Problem]") -> Text:
    num_errors = sum(problem.severity == "error" for problem in problems)
    num_warnings = sum(problem.severity == "warning" for problem in problems)
    warnings = f"{num_warnings} warning{'' if num_warnings == 1 else 's'}"
    if num_errors:
        errors = f"{num_errors} error{'' if num_errors == 1 else 's'}"
        return Text(f"{errors}, {warnings}: training would be wrong; correct the errors first.")
    return Text(f"No errors, {warnings}: training can start.")
