"""Lines of a table against hand-worked numbers and the paper's."""

from pathlib import Path

import pytest

from ecs_med.analysis import compare_paired
from ecs_med.config import merge_settings
from ecs_med.errors import SettingsError
from ecs_med.metrics import Scores
from ecs_med.runs import DataFacts, InitialWeights, Manifest, MethodFacts, Metrics
from ecs_med_benchmarks.comparison import Outcome, RowOutcome, compare
from ecs_med_benchmarks.documents import TableDocument, table_document
from ecs_med_benchmarks.page import as_latex, as_markdown, write_page, write_table
from ecs_med_benchmarks.plan import deviations, plan_runs
from ecs_med_benchmarks.protocols import CITYSCAPES, KVASIR, VOC, protocol_named
from ecs_med_benchmarks.tables import DEEPLABV2, ECS, RIVALS, SUPERVISED, TABLES, Variant, rows_of


def outcome(seed: int, score: float, selected: float | None) -> Outcome:
    """A run of 100 labelled cases and two classes, of which one occurs nowhere."""
    names = ("a", "b")
    scores = Scores(
        miou=score,
        dice=None,
        iou_per_class=(score, None),
        dice_per_class=(None, None),
        foreground_iou=None,
        foreground_dice=None,
        pixel_accuracy=None,
        num_cases=50,
        class_names=names,
    )
    facts = MethodFacts(
        name="x", title="X", short_name="X", uses_corrector=False, uses_unlabeled=False
    )
    counts = {"num_cases": 150, "num_labeled": 100, "num_unlabeled": 0, "num_validation": 0}
    data = DataFacts(
        **counts, num_test=50, name="voc", root=Path("voc"), layout="voc", unit="image"
    )
    manifest = Manifest(
        method=facts,
        data=data,
        versions={"python": "3.11", "torch": "2.10", "numpy": "2"},
        device={"type": "cpu", "threads": 2},
        processes=1,
        precision="fp32",
        git_commit=None,
        initialization=InitialWeights(segmenter="random"),
        validation="never",
        seed=seed,
        command=(),
        started="2026-01-02T00:00:00+00:00",
        finished="2026-01-02T00:01:00+00:00",
        seconds=60.0,
        validation_seconds=0.0,
        images_per_second=1.0,
        peak_memory_mb=1,
    )
    metrics = Metrics(best_iteration=1, validation=None, test=scores, class_names=names)
    return Outcome(seed, metrics, manifest, selected)


def row(variant: Variant, scores: list[float], selected: float | None = None) -> RowOutcome:
    outcomes = tuple(outcome(seed, score, selected) for seed, score in enumerate(scores))
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
    assert ecs.classes[1].iou is None, "a class that occurs nowhere has no score"


def test_pairs_are_by_seed_and_a_lone_run_has_no_interval() -> None:
    late = RowOutcome(ECS, "1/8", row(ECS, [0.1, 0.2, 0.9]).outcomes[2:], (("ecs-1-8-s0", "why"),))
    line = compare(TABLES["1"], "voc", [row(SUPERVISED, [0.1, 0.2, 0.5]), late])[1]
    assert line.gain == pytest.approx(40.0)
    assert (line.gain_interval, line.num_missing) == (None, 1)


def test_a_rival_that_selects_nothing_is_named() -> None:
    document = table_document(
        TABLES["3"],
        VOC,
        [row(SUPERVISED, [0.6]), row(RIVALS[2], [0.6], selected=0.0)],
        scale=1,
        deviations=["crop 64, not 512"],
    )
    assert any("selected nothing" in remark for remark in document.remarks)
    facts = dict(document.facts)
    assert facts["Device"] == "cpu, 2 threads, fp32"
    assert facts["Versions"] == "python 3.11, torch 2.10"
    assert (facts["Commit"], facts["Dates"]) == ("installed copy", "2026-01-02")
    text = as_markdown(document)
    assert "| 0.0 % |" in text
    assert "Differs from the protocol in: crop 64, not 512." in text
    assert "TRIAL" not in text
    assert r"\toprule" in as_latex(document)


def test_a_table_comes_back_from_its_file_and_stands_on_the_page(tmp_path: Path) -> None:
    rows = [row(SUPERVISED, [0.6, 0.62]), row(ECS, [0.7, 0.73])]
    document = table_document(TABLES["1"], VOC, rows, scale=0.5, deviations=[])
    write_table(tmp_path, document)
    assert TableDocument.read(tmp_path / "tables" / "table-1.json") == document
    (tmp_path / "tables" / "table-2.json").write_text("{")
    page = write_page(tmp_path, "VOC").read_text()
    assert "TRIAL at scale 0.5" in page
    assert "ECS against supervised training, in mIoU points: +10.5" in page
    assert '<td class="num">71.5 ± 2.1</td>' in page
    table = (tmp_path / "tables" / "table-1.csv").read_text().splitlines()
    assert table[0].startswith("label,budget,num_labeled,num_runs,num_missing,class,miou,")
    assert table[2].startswith("Supervised,1/8,100,2,0,a,61.0,")
    assert "Table 2" not in page


def test_rows_of_the_paper() -> None:
    first = [(v.key, b) for v, b in rows_of(TABLES["1"], CITYSCAPES)]
    assert first[0] == ("supervised", "all")
    assert first[-1] == ("ecs", "1/8")
    assert len(first) == 7
    assert {b for _, b in rows_of(TABLES["2"], VOC)} == {"1/4"}
    assert {b for _, b in rows_of(TABLES["2"], KVASIR, ["1/8"])} == {"1/8"}


def test_protocols_hold_section_4_4() -> None:
    voc, cityscapes = VOC, CITYSCAPES
    assert (voc.crop, voc.batch, voc.iterations) == (512, 14, 22_000)
    assert (cityscapes.crop, cityscapes.batch, cityscapes.iterations) == (768, 6, 15_000)
    for protocol in (voc, cityscapes):
        settings = protocol.train_settings()
        optimizers = settings["optimizers"]
        assert optimizers["segmenter"]["lr"] == 0.01
        assert optimizers["segmenter"]["momentum"] == 0.9
        assert optimizers["corrector"]["betas"] == [0.9, 0.99]
        assert optimizers["corrector"]["lr"] == 1e-4
        augmentation = {name: v for name, v in settings["augmentation"].items() if name != "strong"}
        still = {"flip_vertical": False, "rotate": False, "scale": [1.0, 1.0], "jitter": 0.0}
        assert augmentation == {"flip": True, **still}
        assert (settings["max_size"], settings["min_size"], settings["keep"]) == (0, 0, "last")
        assert protocol.seeds == tuple(range(10))


def test_deviations_are_told_and_places_are_not() -> None:
    told = deviations(VOC, {"crop": 64, "batch": 14, "device": "cpu", "iterations": None})
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
        merge_settings(VOC.train_settings(), given),
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
