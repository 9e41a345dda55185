"""The same test cases across budgets: what the next labels buy, to look at."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecs_med.reporting.embedding import embedded_panel
from ecs_med.reporting.run.history import number
from ecs_med.reporting.run.reading import inner, read_json
from ecs_med.reporting.sweep.grid import Budget, Grid, short_name
from ecs_med.reporting.sweep.runs import BudgetRun
from ecs_med.reporting.text import decimal

__all__ = ["GalleryCase", "Picture", "SampleGallery", "sample_gallery"]

SIDE = 200
"""Longer side of a picture in pixels: a gallery holds dozens of them."""

MAX_CASES = 6


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: its data URI, empty where there is none, its description, what is below it."""

    source: str
    alt: str
    caption: str


@dataclass(frozen=True, slots=True)
class GalleryCase:
    """One test case.

    Attributes:
        title: Id, and the slice of a volume.
        leading: The image, and the expert's reference.
        rows: Name of a method, and its prediction at every budget.
    """

    title: str
    leading: tuple[Picture, ...]
    rows: tuple[tuple[str, tuple[Picture, ...]], ...]


@dataclass(frozen=True, slots=True)
class SampleGallery:
    """The gallery.

    Attributes:
        cases: The cases; empty where runs have no samples.
        legend: Name and CSS colour of the foreground classes.
        remark: Of which seed the pictures are.
    """

    cases: tuple[GalleryCase, ...] = ()
    legend: tuple[tuple[str, str], ...] = ()
    remark: str = ""


def sample_gallery(grid: Grid) -> SampleGallery:
    """Collect pictures from the `samples/` of one run for each method and budget.

    The runs are those of the lowest seed that every cell has, else of the lowest of each cell.
    """
    chosen = _chosen_runs(grid)
    indices = {cell: _index(run) for cell, run in chosen.items()}
    first = next((index for index in indices.values() if index), None)
    if first is None:
        return SampleGallery()
    cases = []
    for case_id in list(first)[:MAX_CASES]:
        found = {cell: index[case_id] for cell, index in indices.items() if case_id in index}
        folders = {cell: chosen[cell].folder / "samples" for cell in found}
        cases.append(_case(grid, case_id, found, folders))
    example = read_json(next(iter(chosen.values())).folder / "samples" / "gallery.json")[0]
    return SampleGallery(tuple(cases), _legend(example, grid), _remark(chosen))


Cell = tuple[str, Budget]


def _chosen_runs(grid: Grid) -> dict[Cell, BudgetRun]:
    seeds = [{run.seed for run in runs} for runs in grid.cells.values()]
    common = set.intersection(*seeds)
    wanted = min(common) if common else None
    return {
        cell: next((run for run in runs if run.seed == wanted), runs[0])
        for cell, runs in grid.cells.items()
    }


def _remark(chosen: Mapping[Cell, BudgetRun]) -> str:
    seeds = sorted({run.seed for run in chosen.values()})
    if len(seeds) == 1:
        return f"All pictures are of the runs with seed {seeds[0]}."
    return "No seed has a run in every cell, so the pictures are of different seeds."


def _index(run: BudgetRun) -> dict[str, Mapping[str, Any]]:
    """Entries of a run's samples by case and slice, in their order."""
    items = read_json(run.folder / "samples" / "gallery.json")[0].get("items")
    entries = [item for item in items if isinstance(item, Mapping)] if items else []
    return {_title(entry): entry for entry in entries if inner(entry, "panels")}


def _title(entry: Mapping[str, Any]) -> str:
    place = entry.get("slice_index")
    return f"{entry.get('case_id')}" + ("" if place is None else f", slice {place}")


def _case(
    grid: Grid,
    title: str,
    entries: Mapping[Cell, Mapping[str, Any]],
    folders: Mapping[Cell, Path],
) -> GalleryCase:
    def picture(cell: Cell, panel: str, alt: str, caption: str) -> Picture:
        name = inner(entries[cell], "panels").get(panel) if cell in entries else None
        source = "" if name is None else embedded_panel(folders[cell] / Path(str(name)).name, SIDE)
        return Picture(source, alt, caption)

    example = next(iter(entries))
    rows = []
    for method in grid.methods:
        pictures = []
        for budget in grid.budgets:
            cell = (method, budget)
            scores = inner(entries[cell], "scores") if cell in entries else {}
            dice = number(scores.get("foreground_dice"))
            alt = f"Prediction of {short_name(method)} with {budget.num_labeled} labels for {title}"
            caption = "" if dice is None else f"Dice {decimal(dice, 2)}"
            pictures.append(picture(cell, "prediction", alt, caption))
        rows.append((short_name(method), tuple(pictures)))
    leading = (
        picture(example, "image", f"Image {title}", "image"),
        picture(example, "reference", f"Expert's reference of {title}", "expert's reference"),
    )
    return GalleryCase(title, leading, tuple(rows))


def _legend(index: Mapping[str, Any], grid: Grid) -> tuple[tuple[str, str], ...]:
    colors = index.get("class_colors")
    if not isinstance(colors, list):
        return ()
    pairs = zip(grid.class_names, colors, strict=False)
    return tuple((name, color) for name, color in pairs if _is_color(color))


def _is_color(value: object) -> bool:
    """Whether a value is `#rrggbb`; anything else has no place in a style attribute."""
    return (
        isinstance(value, str)
        and len(value) == 7
        and value.startswith("#")
        and all(digit in "0123456789abcdefABCDEF" for digit in value[1:])
    )
