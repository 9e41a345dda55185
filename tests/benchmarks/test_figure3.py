"""Figure 3 from run folders that are written by hand."""

from pathlib import Path
from typing import Any

import pytest
import torch

from ecs_med.config import TrainConfig
from ecs_med.errors import RunFolderError
from ecs_med.metrics import scores_from_confusion
from ecs_med.runs import CorrectorScores, RunFolder, ValidationRow
from ecs_med.runs.history import HistoryFile
from ecs_med.splits import Role, Split
from ecs_med.types import Case
from ecs_med_benchmarks.corrector_curves import curve_rows, mean_curve, read_curve
from ecs_med_benchmarks.figure3 import draw_figure3

SCORES = {10: 0.2, 20: 0.4, 25: None, 30: 0.5}


def write_run(path: Path, *, seed: int = 0, shift: float = 0.0, **settings: Any) -> Path:
    """A run of 8 labelled and 24 unlabelled images at batch 4; one validation has no score."""
    path.mkdir(parents=True)
    folder = RunFolder(path)
    own = {"corrector": settings.pop("ecs", {})}
    config = {"data": "/data/kvasir", "labeled": "1/4", "seed": seed, "batch": 4, **settings}
    config |= {"method": "corrector", "method_settings": own}
    folder.write_config(TrainConfig.parse(config))
    roles: list[Role] = [*["labeled"] * 8, *["unlabeled"] * 24, *["test"] * 5]
    cases = [
        Case(id=f"{place:02d}", images=(Path("i.png"),), mask=Path("m.png"))
        for place in range(len(roles))
    ]
    by_id = {case.id: role for case, role in zip(cases, roles, strict=True)}
    Split.from_roles(cases, by_id, seed=seed, asked="1/4").write(folder.split_file)
    segmenter = scores_from_confusion(torch.eye(2, dtype=torch.int64), ("background", "polyp"))
    history = HistoryFile(folder.history_file)
    for iteration, miou in SCORES.items():
        corrector = CorrectorScores(
            miou=None if miou is None else miou + shift,
            iou_per_class=(miou, None, 0.9),
            num_cases=5,
        )
        history.append(
            ValidationRow(iteration=iteration, validation=segmenter, corrector=corrector)
        )
    return path


def test_epochs_are_passes_over_the_labelled_images(tmp_path: Path) -> None:
    curve = read_curve(write_run(tmp_path / "run", seed=3), "1/4")
    assert curve.iterations == (10, 20, 30), "without the validation that has no score"
    assert curve.epochs == (10 * 4 / 8, 20 * 4 / 8, 30 * 4 / 8)
    assert curve.miou == (0.2, 0.4, 0.5)
    assert curve.iou_right == (0.9, 0.9, 0.9)
    assert (curve.labeled, curve.num_labeled) == ("1/4", 8)
    assert (curve.seed, curve.loss, curve.class_weight) == (3, "cross_entropy", 2.0)
    assert curve.num_scored == 5


def test_a_budget_has_the_name_of_its_cell_whatever_the_run_was_asked_for(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", labeled="runs/base/split.json")
    assert read_curve(run, "25 %").labeled == "25 %"
    for number, budget in enumerate(("10%", "0.1", "all", "50", "1/8")):
        run = write_run(tmp_path / str(number), labeled=budget)
        assert read_curve(run, budget).labeled == budget


def test_the_mean_is_taken_where_all_seeds_have_a_score(tmp_path: Path) -> None:
    curves = [
        read_curve(write_run(tmp_path / "a", seed=0), "1/4"),
        read_curve(write_run(tmp_path / "b", seed=1, shift=0.1), "1/4"),
    ]
    history = (tmp_path / "b" / "history.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "b" / "history.jsonl").write_text("".join(history[:2]))
    curves[1] = read_curve(tmp_path / "b", "1/4")
    points = mean_curve(curves)
    assert [point.iteration for point in points] == [10, 20]
    assert [point.miou for point in points] == pytest.approx([0.25, 0.45])
    assert (points[0].lowest, points[0].highest) == pytest.approx((0.2, 0.3))
    assert points[0].num_seeds == 2


def test_rows_hold_every_validation_of_every_run(tmp_path: Path) -> None:
    rows = curve_rows([read_curve(write_run(tmp_path / "run"), "1/4")], "kvasir")
    assert [(row["iteration"], row["epoch"], row["miou"]) for row in rows] == [
        (10, 5.0, 0.2),
        (20, 10.0, 0.4),
        (30, 15.0, 0.5),
    ]
    assert (rows[0]["dataset"], rows[0]["run"]) == ("kvasir", "run")


def test_four_losses_are_drawn_and_told(tmp_path: Path) -> None:
    curves = [
        read_curve(
            write_run(
                tmp_path / f"{loss}-{weight}-{seed}",
                seed=seed,
                shift=0.01 * seed,
                ecs={"corrector_loss": loss, "class_weight": weight},
            ),
            "1/4",
        )
        for loss in ("cross_entropy", "focal")
        for weight in (1.0, 2.0)
        for seed in (0, 1)
    ]
    drawing = draw_figure3(curves, "kvasir")
    assert drawing is not None
    assert drawing.name == "figure-3"
    for words in ("cross-entropy, weight 1", "focal loss, weight 2", "1/4 (8 labelled)"):
        assert words in drawing.svg
    assert "mean over 2 seeds" in drawing.caption
    assert "focal loss with weight 2 0.505 after 15 epochs" in drawing.page
    assert drawing.png.startswith(b"\x89PNG")
    again = draw_figure3(curves, "kvasir")
    assert again == drawing, "the same input gives the same bytes"
    alone = draw_figure3(curves[:1], "kvasir")
    assert alone is not None
    assert alone.caption.endswith("One seed.")


def test_nothing_gives_no_figure(tmp_path: Path) -> None:
    assert draw_figure3([], "kvasir") is None
    run = write_run(tmp_path / "run")
    (run / "history.jsonl").write_text("")
    with pytest.raises(RunFolderError, match="no score of a corrector; name runs of `method="):
        read_curve(run, "1/4")
