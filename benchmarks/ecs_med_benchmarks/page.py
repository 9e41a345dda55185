"""`benchmark.html`: every table and figure that a benchmark folder holds, as one offline page."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecs_med.errors import RunFolderError
from ecs_med.files import write_json, write_text
from ecs_med.reporting.html import rendered_page
from ecs_med_benchmarks.rendering import as_csv, as_latex, as_markdown, cells_of, headings_of

__all__ = ["PAGE_NAME", "write_page", "write_table"]

PAGE_NAME = "benchmark.html"


def write_table(out: Path, document: Mapping[str, Any]) -> Path:
    """Write a table as JSON, CSV, Markdown and LaTeX below `out/tables/`.

    Args:
        out: Folder of the benchmark.
        document: Of `ecs_med_benchmarks.documents.table_document`.

    Returns:
        The Markdown file.

    Raises:
        RunFolderError: If it cannot be written.
    """
    folder = made(out / "tables")
    name = f"table-{document['number']}"
    write_json(folder / f"{name}.json", dict(document))
    write_text(folder / f"{name}.csv", as_csv(document))
    write_text(folder / f"{name}.tex", as_latex(document))
    write_text(folder / f"{name}.md", as_markdown(document))
    return folder / f"{name}.md"


def made(folder: Path) -> Path:
    """`folder`, made where it is missing.

    Raises:
        RunFolderError: If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(
            f"{folder}: cannot be made ({error.strerror}); choose another --out."
        ) from error
    return folder


def write_page(out: Path, title: str) -> Path:
    """Draw the page from the tables and figures below `out`, those of earlier calls among them.

    Args:
        out: Folder of the benchmark.
        title: Name of the data set.

    Returns:
        The page.

    Raises:
        RunFolderError: If it cannot be written.
    """
    from markupsafe import Markup

    tables = [_printable(content) for content in _documents(out / "tables", "table-*.json")]
    figures = [
        {**content, "picture": Markup(content["picture"])}
        for content in _documents(out / "figures", "figure-*.json")
    ]
    marks = dict.fromkeys(d["trial"] for d in [*tables, *figures] if d["trial"])
    page = rendered_page(
        "benchmark.html.j2",
        package="ecs_med_benchmarks",
        title=title,
        tables=tables,
        figures=figures,
        marks=list(marks),
    )
    write_text(out / PAGE_NAME, page)
    return out / PAGE_NAME


def _documents(folder: Path, pattern: str) -> list[dict[str, Any]]:
    """Whole JSON files of the folder; a damaged one is left out, since the next call mends it."""
    found = []
    for path in sorted(folder.glob(pattern)):
        try:
            found.append(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
    return found


def _printable(document: dict[str, Any]) -> dict[str, Any]:
    lines = document["lines"]
    with_classes = [line for line in lines if line["classes"]]
    names = [entry[0] for entry in with_classes[0]["classes"]] if with_classes else []
    return {
        **document,
        "headings": headings_of(document),
        "rows": cells_of(document),
        "class_names": names,
        "class_rows": [
            {"labels": line["budget"], "label": line["label"], "entries": line["classes"]}
            for line in with_classes
        ],
        "verdict": _verdict(document),
    }


def _verdict(document: Mapping[str, Any]) -> str:
    """One sentence: where ECS stands against supervised training, or the paper."""
    told = []
    for line in document["lines"]:
        if line["label"].startswith(("ECS", "λ = 0.1, negated focal")) and line["gain"] is not None:
            interval = line["gain_interval"]
            certainty = "" if interval is None else f" ({interval[0]:+.1f} to {interval[1]:+.1f})"
            told.append(f"{line['gain']:+.1f}{certainty} at {line['budget']}")
    if not told:
        return ""
    return f"ECS against supervised training, in mIoU points: {'; '.join(told)}."
