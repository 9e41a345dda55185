"""Figure 4 from correlations that are made up."""

from pathlib import Path
from typing import Any

from ecs_med_benchmarks.certainty import ALL_PIXELS, CertaintyCorrelation, RankCorrelation
from ecs_med_benchmarks.figure4 import certainty_rows, draw_figure4


def correlation(rho: float | None, *per_class: float | None) -> RankCorrelation:
    return RankCorrelation(
        rho=rho,
        rho_per_class=per_class,
        num_pixels=100,
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


def replace(found: CertaintyCorrelation, **changed: Any) -> CertaintyCorrelation:
    return found.model_copy(update=changed)


def test_rows_are_one_per_group_and_class() -> None:
    rows = certainty_rows([FOUND], "kvasir")
    assert [(row["images"], row["class"], row["rho"]) for row in rows] == [
        ("labeled", ALL_PIXELS, 0.7),
        ("labeled", "background", 0.6),
        ("labeled", "polyp", 0.8),
        ("unlabeled", ALL_PIXELS, 0.4),
        ("unlabeled", "background", 0.5),
        ("unlabeled", "polyp", None),
    ]
    assert [row["num_pixels"] for row in rows[:3]] == [100, 60, 40]
    assert rows[0]["num_images"] == 5


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
