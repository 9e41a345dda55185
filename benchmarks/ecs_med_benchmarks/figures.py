"""Figures 3 and 4 of the paper: which runs they take, and their files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ecs_med.config import TrainConfig, merge_settings
from ecs_med.files import make_folder, write_bytes, write_text, written_together
from ecs_med.reporting.plots import Drawing
from ecs_med.reporting.table import Value, csv_text
from ecs_med.sweep.plan import Cell, cell_name
from ecs_med.sweep.state import read_metrics
from ecs_med_benchmarks.documents import FigureDocument, trial_mark
from ecs_med_benchmarks.protocol import Protocol
from ecs_med_benchmarks.tables import CORRECTORS, ECS, SUPERVISED, Variant

__all__ = ["FIGURES", "FigureSpec", "corrector_cells", "write_figure"]

_CURVE_POINTS = 20
"""Validations of a curve of Figure 3."""


@dataclass(frozen=True, slots=True)
class FigureSpec:
    """One figure.

    Attributes:
        number: In the paper.
        title: What it shows.
        variant: Whose runs it takes, at every budget and seed.
        published: Where the paper's own curve can be read, since it gives no numbers.
    """

    number: str
    title: str
    variant: Variant
    published: str


FIGURES = {
    spec.number: spec
    for spec in (
        FigureSpec(
            "3",
            "The corrector alone, four losses",
            SUPERVISED,
            "The paper draws Figure 3 without numbers; its finding: the class weight of 2 raises "
            "the (N+1)-class mIoU with either loss.",
        ),
        FigureSpec(
            "4",
            "The corrector's judgement and the true error",
            ECS,
            "The paper draws Figure 4 without numbers; its finding: the correlation is positive, "
            "larger on labelled than on unlabelled images, and larger on Cityscapes than on VOC.",
        ),
    )
}
"""Every figure by its number."""


def corrector_cells(cells: Sequence[Cell]) -> list[Cell]:
    """The runs of Figure 3: four correctors on the segmenter of each finished supervised run.

    Args:
        cells: The supervised runs, in their order; those that are not done are left out.
    """
    return [
        _on_segmenter(variant, cell)
        for cell in cells
        if read_metrics(cell.folder) is not None
        for variant in CORRECTORS
    ]


def _on_segmenter(variant: Variant, cell: Cell) -> Cell:
    iterations = cell.config.iterations or _CURVE_POINTS
    own = {
        "method": variant.method,
        "start_from": cell.folder,
        "evaluate_every": max(1, iterations // _CURVE_POINTS),
        "run": cell.folder.parent / cell_name(variant.key, cell.labeled, cell.seed),
    }
    settings = cell.config.model_dump(mode="json", exclude_unset=True)
    config = TrainConfig.parse(merge_settings(settings, variant.settings, own))
    return Cell(variant.key, cell.labeled, cell.seed, config)


def write_figure(
    out: Path,
    spec: FigureSpec,
    protocol: Protocol,
    cells: Sequence[Cell],
    *,
    scale: float,
    deviations: Sequence[str],
    device: str = "auto",
) -> FigureDocument | None:
    """Draw a figure from finished runs, and write it as SVG, PNG, CSV and JSON.

    Args:
        out: Folder of the benchmark; files go to its `figures/`.
        spec: The figure.
        protocol: As it was run.
        cells: Those of `corrector_cells` for Figure 3, of the variant itself for Figure 4.
        scale: Of the trial, 1 for a full run.
        deviations: Where the user's settings left the protocol.
        device: Where Figure 4 applies the models.

    Returns:
        What the page needs; `None` where no run has anything to draw.
    """
    done = [cell for cell in cells if read_metrics(cell.folder) is not None]
    if spec.number == "3":
        rows, drawing = _corrector_curves(done, protocol.title)
    else:
        rows, drawing = _certainty_correlations(done, protocol.title, device)
    if drawing is None:
        return None
    remarks = [spec.published]
    if len(done) < len(cells):
        missing = ", ".join(cell.name for cell in cells if cell not in done)
        remarks.append(f"Not in the figure, since they have no score: {missing}.")
    document = FigureDocument(
        number=spec.number,
        title=drawing.title,
        dataset=protocol.title,
        trial=trial_mark(scale),
        deviations=tuple(deviations),
        remarks=tuple(remarks),
        caption=drawing.caption,
        picture=drawing.page,
        rows=tuple(rows),
    )
    path = make_folder(out / "figures") / document.name
    marked = [{**row, "trial": document.trial} for row in rows]
    with written_together():
        write_text(path.with_suffix(".svg"), drawing.svg)
        write_bytes(path.with_suffix(".png"), drawing.png)
        write_text(path.with_suffix(".csv"), csv_text(list(marked[0]), marked))
        document.write(path.with_suffix(".json"))
    return document


def _corrector_curves(
    cells: Sequence[Cell], dataset: str
) -> tuple[list[dict[str, Value]], Drawing | None]:
    from ecs_med_benchmarks.corrector_curves import curve_rows, read_curve
    from ecs_med_benchmarks.figure3 import draw_figure3

    curves = [read_curve(cell.folder, cell.labeled) for cell in cells]
    return curve_rows(curves, dataset), draw_figure3(curves, dataset)


def _certainty_correlations(
    cells: Sequence[Cell], dataset: str, device: str
) -> tuple[list[dict[str, Value]], Drawing | None]:
    from ecs_med_benchmarks.certainty import measure_certainty
    from ecs_med_benchmarks.figure4 import certainty_rows, draw_figure4

    found = [
        measure_certainty(cell.folder, device=device).model_copy(update={"labeled": cell.labeled})
        for cell in cells
    ]
    return certainty_rows(found, dataset), draw_figure4(found, dataset)
