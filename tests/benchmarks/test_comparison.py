"""Lines of a table against hand-worked numbers and the paper's."""

from pathlib import Path

import pytest

from ecs_med.analysis import compare_paired
from ecs_med.config import merge_settings
from ecs_med.errors import SettingsError
from ecs_med_benchmarks.comparison import compare
from ecs_med_benchmarks.documents import table_document
from ecs_med_benchmarks.outcomes import Outcome, RowOutcome
from ecs_med_benchmarks.plan import deviations, plan_runs
from ecs_med_benchmarks.protocols import Cityscapes, Kvasir, Voc, protocol_named
from ecs_med_benchmarks.rendering import as_latex, as_markdown
from ecs_med_benchmarks.tables import TABLES, rows_of
from ecs_med_benchmarks.variants import DEEPLABV2, ECS, RIVALS, SUPERVISED, Variant


def row(variant: Variant, scores: list[float], selected: float | None = None) -> RowOutcome:
    outcomes = tuple(
        Outcome(Path("run"), seed, score, {"a": score, "b": None}, 100, 50, 60.0, selected, "none")
        for seed, score in enumerate(scores)
    )
    return RowOutcome(variant, "1/8", outcomes, ())


def test_means_differences_and_gains() -> None:
    rows = [row(SUPERVISED, [0.64, 0.66, 0.65]), row(ECS, [0.70, 0.71, 0.72])]
    baseline, ecs = compare(TABLES["1"], "voc", rows)
    assert (baseline.miou, baseline.deviation) == (pytest.approx(65.0), pytest.approx(1.0))
    assert (baseline.published, baseline.published_deviation) == (65.20, 0.86)
    assert baseline.difference == pytest.approx(-0.20)
    assert baseline.gain is None
    assert ecs.gain == pytest.approx(6.0)
    expected = compare_paired([0.70, 0.71, 0.72], [0.64, 0.66, 0.65])
    assert ecs.gain_interval == (
        pytest.approx(100 * (expected.lower or 0)),
        pytest.approx(100 * (expected.upper or 0)),
    )
    assert ecs.p_value == pytest.approx(expected.p_value)
    assert ecs.classes[1][1] is None, "a class that occurs nowhere has no score"


def test_pairs_are_by_seed_and_a_lone_run_has_no_interval() -> None:
    late = RowOutcome(ECS, "1/8", row(ECS, [0.1, 0.2, 0.9]).outcomes[2:], (("ecs-1-8-s0", "why"),))
    line = compare(TABLES["1"], "voc", [row(SUPERVISED, [0.1, 0.2, 0.5]), late])[1]
    assert line.gain == pytest.approx(40.0)
    assert (line.gain_interval, line.num_missing) == (None, 1)


def test_a_rival_that_selects_nothing_is_named() -> None:
    document = table_document(
        TABLES["3"],
        Voc(),
        [row(SUPERVISED, [0.6]), row(RIVALS[2], [0.6], selected=0.0)],
        scale=1,
        deviations=["crop 64, not 512"],
    )
    assert any("selected nothing" in remark for remark in document["remarks"])
    text = as_markdown(document)
    assert "| 0.0 % |" in text
    assert "Differs from the protocol in: crop 64, not 512." in text
    assert "TRIAL" not in text
    assert r"\toprule" in as_latex(document)


def test_rows_of_the_paper() -> None:
    first = [(v.key, b) for v, b in rows_of(TABLES["1"], Cityscapes())]
    assert first[0] == ("supervised", "all")
    assert first[-1] == ("ecs", "1/8")
    assert len(first) == 7
    assert {b for _, b in rows_of(TABLES["2"], Voc())} == {"1/4"}
    assert {b for _, b in rows_of(TABLES["2"], Kvasir(), ["1/8"])} == {"1/8"}


def test_protocols_hold_section_4_4() -> None:
    voc, cityscapes = Voc(), Cityscapes()
    assert (voc.crop, voc.batch, voc.iterations) == (512, 14, 22_000)
    assert (cityscapes.crop, cityscapes.batch, cityscapes.iterations) == (768, 6, 15_000)
    for protocol in (voc, cityscapes):
        settings = protocol.train_settings()
        optimizers = settings["optimizers"]
        assert optimizers["segmenter"]["lr"] == 0.01
        assert optimizers["segmenter"]["momentum"] == 0.9
        assert optimizers["corrector"]["betas"] == [0.9, 0.99]
        assert optimizers["corrector"]["lr"] == 1e-4
        assert settings["augmentation"] == {"flip": True, "scale": [1.0, 1.0], "jitter": 0.0}
        assert (settings["max_size"], settings["min_size"], settings["keep"]) == (0, 0, "last")
        assert protocol.seeds == tuple(range(10))


def test_deviations_are_told_and_places_are_not() -> None:
    told = deviations(Voc(), {"crop": 64, "batch": 14, "device": "cpu", "iterations": None})
    assert told == ["crop 64, not 512"]


def test_an_unknown_benchmark_is_told_the_nearest() -> None:
    with pytest.raises(SettingsError, match="did you mean 'kvasir'"):
        protocol_named("kvasir-seg")


@pytest.mark.parametrize(
    ("is_published", "given", "encoder"),
    [(True, {}, "resnet101"), (True, {"encoder": "mine"}, "mine"), (False, {}, "resnet50")],
)
def test_table_4_has_the_rivals_encoder_where_the_protocol_is_the_papers(
    is_published: bool, given: dict[str, str], encoder: str
) -> None:
    cells = plan_runs(
        [(variant, "1/8") for variant in DEEPLABV2],
        merge_settings(Voc().train_settings(), given),
        overrides=given,
        is_published=is_published,
        data=Path("voc"),
        out=Path("out"),
        seeds=(0,),
    )
    for cell in cells:
        assert cell.config.network == "deeplabv2"
        assert cell.config.network_settings == {"output_stride": 8}
        assert cell.config.corrector_output_stride == 16
        assert cell.config.encoder == encoder
    assert cells[0].folder == Path("out/runs/deeplabv2-supervised-1-8-s0")
