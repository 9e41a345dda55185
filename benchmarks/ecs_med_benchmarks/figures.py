"""Figures 3 and 4 of the paper: which runs they take, and their files."""

import csv
import functools
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecs_med.config import TrainConfig
from ecs_med.errors import SettingsError
from ecs_med.files import write_atomically, write_json, write_text
from ecs_med.reporting.plots import Drawing
from ecs_med.sweep.plan import Cell, cell_name
from ecs_med.sweep.state import read_state
from ecs_med_benchmarks.documents import trial_mark
from ecs_med_benchmarks.page import made
from ecs_med_benchmarks.protocol import Protocol
from ecs_med_benchmarks.variants import ECS, SUPERVISED, Variant

__all__ = ["FIGURES", "FigureSpec", "corrector_cells", "figure_numbered", "write_figure"]

_CURVE_POINTS = 20
"""Validations of a curve of Figure 3."""

_LOSSES = {
    "corrector-ce-1": {"corrector_loss": "cross_entropy", "class_weight": 1.0},
    "corrector-ce-2": {"corrector_loss": "cross_entropy", "class_weight": 2.0},
    "corrector-focal-1": {"corrector_loss": "focal", "class_weight": 1.0},
    "corrector-focal-2": {"corrector_loss": "focal", "class_weight": 2.0},
}
"""The four losses of Figure 3, by part of their run folders' names."""


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


def figure_numbered(number: str) -> FigureSpec:
    """The figure of that number.

    Raises:
        SettingsError: If there is none.
    """
    if number not in FIGURES:
        raise SettingsError(f"--figure {number} is none; there are {', '.join(FIGURES)}.")
    return FIGURES[number]


def corrector_cells(cells: Sequence[Cell]) -> list[Cell]:
    """The runs of Figure 3: four correctors on the segmenter of each finished supervised run.

    Args:
        cells: The supervised runs, in their order; those that are not done are left out.
    """
    return [
        _on_segmenter(key, losses, cell)
        for cell in cells
        if read_state(cell.folder).progress == "done"
        for key, losses in _LOSSES.items()
    ]


def _on_segmenter(key: str, losses: Mapping[str, Any], cell: Cell) -> Cell:
    iterations = cell.config.iterations or _CURVE_POINTS
    settings = cell.config.model_dump(mode="json", exclude_unset=True)
    own = {
        "method": "corrector",
        "start_from": cell.folder,
        "method_settings": {"corrector": losses},
        "evaluate_every": max(1, iterations // _CURVE_POINTS),
        "run": cell.folder.parent / cell_name(key, cell.labeled, cell.seed),
    }
    return Cell(key, cell.labeled, cell.seed, TrainConfig.parse({**settings, **own}))


def write_figure(
    out: Path,
    spec: FigureSpec,
    protocol: Protocol,
    cells: Sequence[Cell],
    *,
    scale: float,
    deviations: Sequence[str],
    device: str = "auto",
) -> dict[str, Any] | None:
    """Draw a figure from finished runs, and write it as SVG, PNG, CSV and JSON.

    Args:
        out: Folder of the benchmark; files go to its `figures/`.
        spec: The figure.
        protocol: As it was run.
        cells: For Figure 3 the corrector's runs, for Figure 4 those of ECS.
        scale: Of the trial, 1 for a full run.
        deviations: Where the user's settings left the protocol.
        device: Where Figure 4 applies the models.

    Returns:
        What the page needs, JSON-able; `None` where no run has anything to draw.
    """
    done = [cell for cell in cells if read_state(cell.folder).progress == "done"]
    if spec.number == "3":
        rows, drawing = _corrector_curves(done)
    else:
        rows, drawing = _relations(done, protocol.title, device)
    if drawing is None:
        return None
    mark = trial_mark(scale)
    document = {
        "kind": "figure",
        "number": spec.number,
        "title": drawing.title,
        "dataset": protocol.title,
        "trial": mark,
        "deviations": list(deviations),
        "caption": drawing.caption,
        "remarks": [spec.published, *_absent(cells, done)],
        "picture": drawing.page,
        "rows": rows,
    }
    _write_files(made(out / "figures"), drawing, rows, document)
    return document


def _absent(cells: Sequence[Cell], done: Sequence[Cell]) -> list[str]:
    missing = [cell.name for cell in cells if cell not in done]
    return [f"Not in the figure, since they have no score: {', '.join(missing)}."] * bool(missing)


def _corrector_curves(cells: Sequence[Cell]) -> tuple[list[dict[str, Any]], Drawing | None]:
    from ecs_med_benchmarks.corrector_curves import curve_rows, read_curve
    from ecs_med_benchmarks.figure3 import draw_figure3

    curves = [read_curve(cell.folder, labeled=cell.labeled) for cell in cells]
    return curve_rows(curves), draw_figure3(curves)


def _relations(
    cells: Sequence[Cell], dataset: str, device: str
) -> tuple[list[dict[str, Any]], Drawing | None]:
    from dataclasses import replace

    from ecs_med_benchmarks.figure4 import draw_figure4, relation_rows
    from ecs_med_benchmarks.relation import measure_relation

    relations = [
        replace(measure_relation(cell.folder, device=device), labeled=cell.labeled)
        for cell in cells
    ]
    return relation_rows(relations, dataset), draw_figure4(relations, dataset)


def _write_files(
    folder: Path, drawing: Drawing, rows: Sequence[Mapping[str, Any]], document: Mapping[str, Any]
) -> None:
    name = f"figure-{document['number']}"
    write_text(folder / f"{name}.svg", drawing.svg)
    write_atomically(folder / f"{name}.png", functools.partial(_write_bytes, drawing.png))
    text = io.StringIO()
    mark = document["trial"] or ""
    writer = csv.DictWriter(text, [*rows[0], "trial"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "trial": mark} for row in rows)
    write_text(folder / f"{name}.csv", text.getvalue())
    write_json(folder / f"{name}.json", dict(document))


def _write_bytes(content: bytes, path: Path) -> None:
    path.write_bytes(content)
