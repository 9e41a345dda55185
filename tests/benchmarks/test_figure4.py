"""Figure 4 from correlations that are made up."""

from pathlib import Path
from typing import Any

import torch

from ecs_med.metrics import DoubtCounts
from ecs_med_benchmarks.certainty import ALL_PIXELS, FOREGROUND, CertaintyCorrelation
from ecs_med_benchmarks.figure4 import certainty_rows, draw_figure4
from ecs_med_benchmarks.rank_correlation import RankCorrelation


def correlation(rho: float | None, *per_class: float | None) -> RankCorrelation:
    return RankCorrelation(
        rho=rho,
        rho_per_class=per_class,
        rho_foreground=per_class[1],
        num_pixels=100,
        num_pixels_foreground=40,
        num_pixels_per_class=(60, 40),
        num_images=5,
    )


FOUND = CertaintyCorrelation(
    run=Path("runs/ecs-1-8-s0"),
    labeled="1/8",
    seed=0,
    num_labeled=10,
    num_unlabeled=70,
    class_names=("background", "polyp"),
    on_labeled=correlation(0.7, 0.6, 0.8),
    on_unlabeled=correlation(0.4, 0.5, None),
    pixels_per_image=20,
)


def drawn_names(found: CertaintyCorrelation) -> str:
    drawing = draw_figure4([found], "kvasir")
    assert drawing is not None
    return drawing.svg


def replace(found: CertaintyCorrelation, **changed: Any) -> CertaintyCorrelation:
    return found.model_copy(update=changed)


def test_rows_are_one_per_group_and_class() -> None:
    rows = certainty_rows([FOUND], "kvasir")
    assert [(row["images"], row["class"], row["rho"]) for row in rows] == [
        ("labeled", ALL_PIXELS, 0.7),
        ("labeled", FOREGROUND, 0.8),
        ("labeled", "background", 0.6),
        ("labeled", "polyp", 0.8),
        ("unlabeled", ALL_PIXELS, 0.4),
        ("unlabeled", FOREGROUND, None),
        ("unlabeled", "background", 0.5),
        ("unlabeled", "polyp", None),
    ]
    assert [row["num_pixels"] for row in rows[:4]] == [100, 40, 60, 40]
    assert rows[0]["num_images"] == 5
    assert rows[0]["auroc"] is None, "errors were not counted"


def test_rows_tell_how_well_errors_are_found_beside_the_segmenter() -> None:
    counts = DoubtCounts(2)
    own, plain = (torch.tensor(bins, dtype=torch.int16) for bins in ([1, 9, 5, 3], [7, 1, 2, 2]))
    counts.add(own, plain, torch.tensor([0, 0, 1, 0]), torch.tensor([0, 1, 1, 1]))
    part = FOUND.on_labeled.model_copy(update={"detection": counts.detection()})
    rows = certainty_rows([replace(FOUND, on_labeled=part)], "kvasir")
    aurocs = [(row["class"], row["auroc"], row["confidence_auroc"]) for row in rows[:4]]
    assert aurocs == [
        (ALL_PIXELS, 0.75, 0.125),
        (FOREGROUND, 0.5, 0.25),
        ("background", None, None),
        ("polyp", 0.5, 0.25),
    ]


def test_the_foreground_has_a_row_of_its_own_where_it_is_more_than_one_class() -> None:
    assert ">foreground<" not in drawn_names(FOUND)
    part = correlation(0.7, 0.6, 0.8, 0.1)
    more = {"num_pixels_per_class": (60, 30, 10), "rho_foreground": 0.25}
    part = part.model_copy(update=more)
    names = ("background", "polyp", "instrument")
    assert ">foreground<" in drawn_names(
        replace(FOUND, class_names=names, on_labeled=part, on_unlabeled=None)
    )


def test_without_hidden_masks_there_is_one_group() -> None:
    bare = replace(FOUND, on_unlabeled=None)
    assert {row["images"] for row in certainty_rows([bare], "kvasir")} == {"labeled"}
    drawing = draw_figure4([bare], "kvasir")
    assert drawing is not None
    assert "unlabelled images" not in drawing.page.split("aria-label")[1].split(">")[0]


def test_budgets_become_panels_and_seeds_a_mean() -> None:
    more = replace(FOUND, labeled="1/4", num_labeled=20)
    seed = replace(FOUND, seed=1, on_labeled=correlation(0.5, 0.4, 0.6))
    drawing = draw_figure4([more, FOUND, seed], "kvasir")
    assert drawing is not None
    assert "1/8 (10 labelled): 0.600 on labelled images, 0.400 on unlabelled" in drawing.page
    assert drawing.svg.index("1/8 (10 labelled)") < drawing.svg.index("1/4 (20 labelled)")
    assert "lowest to highest seed" in drawing.caption
    assert "up to 20 pixels of an image" in drawing.caption
    assert drawing.png.startswith(b"\x89PNG")
    assert draw_figure4([more, FOUND, seed], "kvasir") == drawing


def test_a_class_without_any_coefficient_is_called_undefined() -> None:
    nothing = replace(FOUND, on_labeled=correlation(None, None, None), on_unlabeled=None)
    drawing = draw_figure4([nothing], "kvasir")
    assert drawing is not None
    assert drawing.svg.count("undefined") == 3
    assert draw_figure4([], "kvasir") is None
