"""Builds `report.html`, the one file of a run that is made for reading."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ecs_med.files import RESULT_REMEDY, write_text
from ecs_med.palette import css_color
from ecs_med.reporting.html import embedded_panel, rendered_page
from ecs_med.reporting.run import charts
from ecs_med.reporting.run.findings import examine_health, observations, verdict
from ecs_med.reporting.run.honesty import examine_honesty
from ecs_med.reporting.run.reading import RunRecord, read_run
from ecs_med.reporting.run.tables import key_figures, roles, score_table
from ecs_med.reporting.text import NOTHING, count, decimal, duration, flat, minute
from ecs_med.runs import GalleryEntry, Manifest, Metrics, RunFolder

__all__ = ["write_report"]

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


def write_report(run: Path, metrics: Metrics | None = None) -> Path:
    """Write `report.html` into a run folder: self-contained, readable offline, printable.

    Parts that a run does not have (pseudo-labels of a supervised run, scores of one that has
    stopped) are named as missing. The same run folder gives the same bytes.

    Args:
        run: The run folder.
        metrics: The scores of a run that is about to write them.

    Raises:
        RunFolderError: If `run` is no run folder, or cannot be written to.
    """
    record = read_run(run)
    if metrics is not None:
        record = replace(record, metrics=metrics)
    path = RunFolder(run).report_file
    page = rendered_page("report.html.j2", package=__package__, **_context(record))
    write_text(path, page, remedy=RESULT_REMEDY)
    return path


def _context(record: RunRecord) -> dict[str, Any]:
    manifest, name = record.manifest, record.folder.resolve().name
    health, honesty = examine_health(record), examine_honesty(record)
    asked = record.config.method if record.config else "unknown method"
    of_run = manifest.warnings if manifest else ()
    of_split = record.split.warnings if record.split else ()
    chosen = record.chosen_iteration
    return {
        "title": manifest.data.name if manifest else name,
        "run_name": name,
        "finished": minute(manifest.finished) if manifest else "",
        "method": manifest.method.with_source if manifest else asked,
        "uses_corrector": record.uses_corrector,
        "corrects": manifest is not None and manifest.method.corrects,
        "verdict": verdict(record),
        "unit": record.unit,
        "tiles": key_figures(record),
        "scores": score_table(record.metrics, record.unit),
        "keeps_last": record.config is not None and record.config.keep == "last",
        "chosen": None if chosen is None else count(chosen),
        "loss_chart": charts.losses(record),
        "score_chart": charts.validation(record),
        "rate_chart": charts.learning_rates(record),
        "gallery": _gallery(record),
        "legend": [(name, css_color(i)) for i, name in enumerate(record.class_names) if i],
        "honesty": honesty,
        "health": health,
        "health_charts": charts.pseudo_labels(record),
        "selection_chart": charts.selection(record),
        "warnings": tuple(dict.fromkeys((*of_run, *of_split, *honesty.warnings, *health.warnings))),
        "observations": observations(record),
        "notes": record.notes,
        "roles": roles(record),
        "data": _data_facts(record),
        "data_notes": manifest.data.notes if manifest else (),
        "initialization": manifest.initialization.to_json() if manifest else {},
        "settings": flat(record.config.model_dump(mode="json")) if record.config else [],
        "environment": _environment(manifest),
    }


def _data_facts(record: RunRecord) -> list[tuple[str, str]]:
    if record.manifest is None:
        return []
    data = record.manifest.data
    return [
        ("data set", data.name),
        ("folder", str(data.root)),
        ("layout", data.layout),
        (f"{data.unit}s in all", count(data.num_cases)),
        ("seed", str(record.manifest.seed)),
    ]


def _environment(manifest: Manifest | None) -> list[tuple[str, str]]:
    if manifest is None:
        return []
    return [
        ("time", duration(manifest.seconds)),
        ("of this, validation", duration(manifest.validation_seconds)),
        ("validation", manifest.validation),
        *([("augmentation", manifest.augmentation)] if manifest.augmentation else []),
        ("speed", f"{decimal(manifest.images_per_second, 1)} images/s"),
        ("peak memory", f"{count(manifest.peak_memory_mb)} MB"),
        ("precision", manifest.precision),
        ("git commit", manifest.git_commit or "not from a git checkout"),
        ("command", " ".join(manifest.command)),
        ("device", _listed(manifest.device)),
        ("versions", _listed(manifest.versions)),
    ]


def _listed(values: Mapping[str, str | int]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items()) or NOTHING


def _gallery(record: RunRecord) -> dict[str, Any]:
    """Cases whose pictures are all there, and how they were chosen."""
    if record.gallery is None:
        return {"items": [], "num_broken": 0}
    cases = [_case(RunFolder(record.folder), entry) for entry in record.gallery.items[:MAX_SHOWN]]
    shown = [case for case in cases if case is not None]
    num_test = record.metrics.test.num_cases if record.metrics else None
    over_all = record.gallery.ranked_over_all or record.gallery.num_candidates == num_test
    return {
        "items": shown,
        "num_broken": len(cases) - len(shown),
        "num_candidates": record.gallery.num_candidates,
        "ranked_over_all": over_all,
    }


def _case(run: RunFolder, entry: GalleryEntry) -> dict[str, Any] | None:
    pictures = [
        (title, embedded_panel(run.gallery, entry, panel, PANEL_SIDE))
        for panel, title in PANEL_TITLES.items()
        if panel in entry.panels
    ]
    if not pictures or not all(source for _, source in pictures):
        return None
    return {
        "name": entry.title,
        "rank": RANK_TITLES.get(entry.rank, "Case"),
        "score": decimal(entry.score),
        "pictures": pictures,
    }
