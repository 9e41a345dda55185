"""Builds `report.html`, the one file of a run that is made for reading."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecs_med.files import write_text
from ecs_med.reporting.embedding import embedded_panel
from ecs_med.reporting.html import rendered_page
from ecs_med.reporting.run import charts
from ecs_med.reporting.run.findings import case_unit, chosen_iteration, observations, verdict
from ecs_med.reporting.run.health import Health, examine_health
from ecs_med.reporting.run.history import number
from ecs_med.reporting.run.reading import RunRecord, inner, read_run, texts
from ecs_med.reporting.run.roles import roles
from ecs_med.reporting.run.tables import class_names, color_of, key_figures, score_table
from ecs_med.reporting.text import NOTHING, count, decimal, duration, flat, method_name

__all__ = ["write_report"]

REPORT_NAME = "report.html"
PANEL_SIDE = 400
"""Longer side of a panel inside the report in pixels; `gallery/` keeps the full one."""
MAX_SHOWN = 12
PANEL_TITLES = {
    "image": "Image",
    "reference": "Expert's reference",
    "prediction": "Prediction",
    "corrector": "Corrector's changes",
    "errors": "Errors",
}
RANK_TITLES = {"worst": "Worst", "median": "Median", "best": "Best"}


def write_report(run: Path) -> Path:
    """Write `report.html` into a run folder: self-contained, readable offline, printable.

    Parts that a run does not have (pseudo-labels of a supervised run, scores of one that has
    stopped) are named as missing. The same run folder gives the same bytes.

    Args:
        run: Folder written by training.

    Returns:
        Path of the report.

    Raises:
        RunFolderError: If `run` is no run folder, or cannot be written to.
    """
    record = read_run(run)
    path = run / REPORT_NAME
    # A lone surrogate from an undecodable file name cannot be written as UTF-8.
    page = _render(record).encode("utf-8", errors="replace").decode("utf-8")
    write_text(path, page)
    return path


def _render(record: RunRecord) -> str:
    return rendered_page("report.html.j2", **_context(record))


def _context(record: RunRecord) -> dict[str, Any]:
    unit = case_unit(record)
    health = examine_health(record)
    manifest = record.manifest
    names = class_names(record)
    data = inner(manifest, "data")
    chosen = chosen_iteration(record)
    return {
        "title": str(data.get("name") or record.folder.resolve().name),
        "run_name": record.folder.resolve().name,
        "finished": str(manifest.get("finished") or "")[:16].replace("T", " "),
        "method": method_name(record.config.get("method", "unknown method")),
        "uses_corrector": record.config.get("method") == "ecs",
        "verdict": verdict(record),
        "unit": unit,
        "tiles": key_figures(record, unit) if record.metrics else (),
        "scores": score_table(record, unit),
        "chosen": None if chosen is None else count(chosen),
        "loss_chart": charts.losses(record),
        "score_chart": charts.validation(record),
        "rate_chart": charts.learning_rates(record),
        "gallery": _gallery(record),
        "legend": [(name, color_of(i)) for i, name in enumerate(names) if i],
        "health": health,
        "health_charts": charts.pseudo_labels(health),
        "selection_chart": charts.selection(record),
        "warnings": _warnings(record, health),
        "observations": observations(record),
        "notes": record.notes,
        "roles": roles(record),
        "data": data,
        "data_notes": texts(data.get("notes")),
        "initialization": [
            (part, text) for part, text in inner(manifest, "initialization").items() if text
        ],
        "seed": record.config.get("seed", manifest.get("seed")),
        "settings": flat(record.config),
        "environment": _environment(manifest),
    }


def _warnings(record: RunRecord, health: Health) -> tuple[str, ...]:
    """Warnings of the run, of its split, and of its pseudo-labels, each once."""
    sources = (record.manifest.get("warnings"), record.split.get("warnings"), health.warnings)
    return tuple(dict.fromkeys(text for source in sources for text in texts(source)))


def _environment(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    memory = number(manifest.get("peak_memory_mb"))
    rows = [
        ("time", duration(manifest.get("seconds"))),
        ("speed", f"{decimal(manifest.get('images_per_second'), 1)} images/s"),
        ("peak memory", f"{count(memory)} MB"),
        ("precision", str(manifest.get("precision") or "unknown")),
        ("git commit", str(manifest.get("git_commit") or "not from a git checkout")),
        ("command", " ".join(texts(manifest.get("command")))),
        ("device", _listed(inner(manifest, "device"))),
        ("versions", _listed(inner(manifest, "versions"))),
    ]
    return rows if manifest else []


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in flat(values)) or NOTHING


def _gallery(record: RunRecord) -> dict[str, Any]:
    entries = record.gallery.get("items")
    shown, num_broken = [], 0
    for entry in entries[:MAX_SHOWN] if isinstance(entries, list) else []:
        panels = inner(entry, "panels") if isinstance(entry, Mapping) else {}
        pictures = [
            (
                PANEL_TITLES[name],
                embedded_panel(
                    record.folder / "gallery" / Path(str(panels[name])).name, PANEL_SIDE
                ),
            )
            for name in PANEL_TITLES
            if name in panels
        ]
        if not pictures or not all(source for _, source in pictures):
            num_broken += 1
            continue
        rank = str(entry.get("rank") or "")
        place = entry.get("slice_index")
        shown.append(
            {
                "case_id": str(entry.get("case_id")),
                "slice": None if place is None else str(place),
                "rank": rank,
                "title": RANK_TITLES.get(rank, "Case"),
                "score": decimal(entry.get("score")),
                "pictures": pictures,
            }
        )
    return {
        "items": shown,
        "num_broken": num_broken,
        "num_candidates": record.gallery.get("num_candidates"),
        "ranked_over_all": record.gallery.get("ranked_over_all") is True,
        "num_cases": inner(record.metrics, "test").get("num_cases"),
    }
