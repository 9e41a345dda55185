"""The same test cases across budgets: what the next labels buy, to look at."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ecs_med.errors import RunFolderError
from ecs_med.reporting.html import embedded_panel
from ecs_med.reporting.sweep.grid import Budget, Grid
from ecs_med.reporting.sweep.runs import FinishedRun
from ecs_med.reporting.text import decimal
from ecs_med.runs import Gallery, GalleryEntry, MethodFacts, RunFolder

__all__ = ["SampleGallery", "sample_gallery"]

SIDE = 200
"""Longer side of a picture in pixels: a gallery holds dozens of them."""

MAX_CASES = 6

Place = tuple[MethodFacts, Budget]


class Picture(NamedTuple):
    """One picture: its data URI, empty where there is none, its description, what is below it."""

    source: str
    alt: str
    caption: str


class GalleryCase(NamedTuple):
    """One test case: image and expert's reference, then each method with a picture a budget."""

    title: str
    leading: tuple[Picture, ...]
    rows: tuple[tuple[str, tuple[Picture, ...]], ...]


class SampleGallery(NamedTuple):
    """The gallery, empty where runs have no samples.

    Attributes:
        legend: Name and CSS colour of the foreground classes.
        remark: Of which seed the pictures are.
    """

    cases: tuple[GalleryCase, ...] = ()
    legend: tuple[tuple[str, str], ...] = ()
    remark: str = ""


class _Samples(NamedTuple):
    """The samples of one run: its folder of pictures, and the entries by title."""

    folder: Path
    entries: Mapping[str, GalleryEntry]
    gallery: Gallery

    def picture(self, title: str, panel: str) -> str:
        """Data URI of a panel; empty where there is none."""
        entry = self.entries.get(title)
        return embedded_panel(self.folder, entry, panel, SIDE) if entry else ""


def sample_gallery(grid: Grid) -> SampleGallery:
    """Collect pictures from the `samples/` of one run for each method and budget.

    The runs are those of the lowest seed that every cell has, else of the lowest of each cell.
    """
    chosen = _chosen_runs(grid)
    samples = {cell: found for cell, run in chosen.items() if (found := _samples(run))}
    if not samples:
        return SampleGallery()
    first = next(iter(samples.values()))
    cases = [_case(grid, title, samples) for title in list(first.entries)[:MAX_CASES]]
    pairs = zip(first.gallery.class_names, first.gallery.class_colors, strict=False)
    legend = tuple((name, color) for name, color in pairs if color is not None)
    return SampleGallery(tuple(cases), legend, _remark(chosen))


def _chosen_runs(grid: Grid) -> dict[Place, FinishedRun]:
    seeds = [{run.seed for run in runs} for runs in grid.cells.values()]
    common = set.intersection(*seeds)
    wanted = min(common) if common else None
    return {
        cell: next((run for run in runs if run.seed == wanted), runs[0])
        for cell, runs in grid.cells.items()
    }


def _remark(chosen: Mapping[Place, FinishedRun]) -> str:
    seeds = sorted({run.seed for run in chosen.values()})
    if len(seeds) == 1:
        return f"All pictures are of the runs with seed {seeds[0]}."
    return "No seed has a run in every cell, so the pictures are of different seeds."


def _samples(run: FinishedRun) -> _Samples | None:
    """The samples of a run; `None` where there are none, or their list is damaged."""
    folder = RunFolder(run.folder).samples
    try:
        gallery = Gallery.read(folder / "gallery.json")
    except RunFolderError:
        return None
    entries = {entry.title: entry for entry in gallery.items}
    return _Samples(folder, entries, gallery) if entries else None


def _case(grid: Grid, title: str, samples: Mapping[Place, _Samples]) -> GalleryCase:
    example = next(found for found in samples.values() if title in found.entries)

    def prediction(method: MethodFacts, budget: Budget) -> Picture:
        found = samples.get((method, budget))
        entry = found.entries.get(title) if found else None
        dice = entry.scores.get("foreground_dice") if entry else None
        return Picture(
            source=found.picture(title, "prediction") if found else "",
            alt=f"Prediction of {method.short_name} with {budget.num_labeled} labels for {title}",
            caption="" if dice is None else f"Dice {decimal(dice, 2)}",
        )

    reference = example.picture(title, "reference")
    return GalleryCase(
        title,
        leading=(
            Picture(example.picture(title, "image"), f"Image {title}", "image"),
            Picture(reference, f"Expert's reference of {title}", "expert's reference"),
        ),
        rows=tuple(
            (method.short_name, tuple(prediction(method, budget) for budget in grid.budgets))
            for method in grid.methods
        ),
    )
