"""The published figures agree with each other, and damage to their file is named."""

from statistics import fmean

import pytest

from ecs_med.errors import DataError
from ecs_med_benchmarks.published import COLUMNS, parse_published, read_published, select
from ecs_med_datasets.benchmark_layouts import CityscapesLayout
from ecs_med_datasets.pascal_voc import PascalVocLayout

HEADER = ",".join(COLUMNS)


def value(**wanted: str) -> float:
    (figure,) = select(**wanted)
    return figure.value


@pytest.mark.parametrize(
    ("dataset", "labeled", "gain"),
    [
        *(("cityscapes", "1/2", 1.67), ("cityscapes", "1/4", 3.39), ("cityscapes", "1/8", 4.26)),
        *(("voc", "1/2", 1.21), ("voc", "1/4", 2.82), ("voc", "1/8", 5.02)),
    ],
)
def test_gains_of_table_1(dataset: str, labeled: str, gain: float) -> None:
    asked = {"table": "1", "dataset": dataset, "labeled": labeled, "metric": "miou"}
    difference = value(method="ecs", **asked) - value(method="supervised", **asked)
    assert difference == pytest.approx(gain, abs=1e-9)


def test_mean_of_classes_is_the_mean_of_table_1() -> None:
    asked = {"table": "1", "dataset": "cityscapes", "labeled": "1/1"}
    per_class = {f.class_name: f.value for f in select(**asked, metric="iou")}
    assert tuple(per_class) == CityscapesLayout.class_names
    # Both the classes and their mean are rounded to two digits.
    assert fmean(per_class.values()) == pytest.approx(value(**asked, metric="miou"), abs=0.01)


def test_tables_that_repeat_a_figure_agree() -> None:
    for dataset in ("voc", "cityscapes"):
        for labeled in ("1/8", "1/4"):
            asked = {"dataset": dataset, "labeled": labeled, "method": "ecs", "metric": "miou"}
            assert value(table="1", **asked) == value(table="3", **asked)
        full = "ecs correction_weight=0.1 unlabeled_loss=negated_focal"
        ours = value(table="1", dataset=dataset, labeled="1/4", method="ecs", metric="miou")
        assert value(table="2", dataset=dataset, method=full) == ours


def test_no_figure_stands_twice_and_classes_are_known() -> None:
    keys = [(f.table, f.dataset, f.method, f.labeled, f.class_name, f.metric) for f in select()]
    assert len(keys) == len(set(keys))
    known = {
        "voc": PascalVocLayout.class_names,
        "cityscapes": CityscapesLayout.class_names,
    }
    for figure in read_published():
        assert (figure.class_name is not None) == (figure.metric == "iou")
        assert figure.class_name is None or figure.class_name in known[figure.dataset]


def test_deviation_is_none_where_none_was_published() -> None:
    (theirs,) = select(table="4", dataset="voc", labeled="1/8", method="s4gan+mlmt")
    (ours,) = select(table="4", dataset="voc", labeled="1/8", method="ecs")
    assert (theirs.value, theirs.deviation) == (71.4, None)
    assert (ours.value, ours.deviation) == (72.95, 0.72)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["source,table"], "expected the columns"),
        ([HEADER, "a,1,voc,ecs,1/8,,miou,many,"], "line 2: could not convert"),
        ([HEADER, "a,1,voc,ecs,1/8,,miou,170,"], "outside of 0 to 100"),
        ([HEADER, "a,1,voc,ecs,1/8,,auc,70,"], "unknown metric 'auc'"),
        ([HEADER, "a,1,voc"], "line 2"),
    ],
)
def test_damaged_file_is_named(lines: list[str], told: str) -> None:
    with pytest.raises(DataError, match=told):
        parse_published(lines)
