import csv
import json

import numpy as np
import pytest

from ecs_med.config import TrainConfig
from ecs_med.data.layout import open_data
from ecs_med.data.masks.reading import LabelScheme
from ecs_med.errors import DataError, MaskValueError, SettingsError
from ecs_med.inference.evaluation_run import evaluate, select_cases, write_evaluation
from ecs_med.splits import draw_split

LABELS = LabelScheme(class_names=("background", "bright"), threshold=128)


@pytest.fixture
def data(tmp_path, write_picture):
    """Ten pictures whose masks are right, one without a mask."""
    rng = np.random.default_rng(0)
    for number in range(11):
        pixels = rng.choice([0, 255], (6, 6)).astype(np.uint8)
        write_picture(tmp_path / f"data/images/{number}.png", pixels)
        if number < 10:
            write_picture(tmp_path / f"data/masks/{number}.png", pixels, "L")
    return tmp_path / "data"


@pytest.fixture
def trained(make_model, data):
    """A model with the run folder of a training on `data`."""
    model = make_model(labels=LABELS)
    split = draw_split(open_data(data).cases, "50%", 0)
    split.write(model.run / "split.json")
    config = TrainConfig(data=data).model_dump_json()
    (model.run / "config.json").write_text(config)
    return model, split


def test_own_data_is_scored_on_the_test_cases(trained, data):
    model, split = trained
    selection = select_cases(model.run, data)
    assert selection.cases == split.test
    assert selection.note == "scored on 2 test cases (the data that the run was trained on)"


def test_own_data_by_partition(trained, data):
    model, split = trained
    assert select_cases(model.run, data, "validation").cases == split.validation
    assert len(select_cases(model.run, data, "train").cases) == 7
    assert len(select_cases(model.run, data, "all").cases) == 10


def test_other_data_is_scored_on_every_mask(make_model, data):
    selection = select_cases(make_model().run, data)
    assert len(selection.cases) == 10
    assert selection.part == "all"


def test_partition_that_is_not_there(make_model, data):
    with pytest.raises(DataError, match="no test case with a mask to score"):
        select_cases(make_model().run, data, "test")


def test_a_test_case_that_is_gone(trained, data):
    model, split = trained
    split.test[0].images[0].unlink()
    with pytest.raises(DataError, match=f"{split.test[0].id}, a test case of the run, is not"):
        select_cases(model.run, data)


def test_files(trained, data, tmp_path):
    model, split = trained
    seen = []
    report = evaluate(model, data, on_case=lambda *count: seen.append(count))
    write_evaluation(report, tmp_path / "scores")
    content = json.loads((tmp_path / "scores/evaluation.json").read_text())
    assert content["miou"] == 1.0
    assert content["num_cases"] == 2
    assert content["partition"] == "test"
    with (tmp_path / "scores/cases.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["case"] for row in rows] == [case.id for case in split.test]
    assert [row["dice_bright"] for row in rows] == ["1.0", "1.0"]
    assert seen == [(1, 2), (2, 2)]


def test_masks_that_are_stored_in_another_way(make_model, data, write_picture):
    model = make_model(labels=LABELS)
    for path in (data / "masks").iterdir():
        path.unlink()
    write_picture(data / "masks/0.png", np.eye(6), "L")
    for reading in (None, {"mask_values": (0, 1)}):
        report = evaluate(model, data, reading=reading)
        assert report.evaluation.scores.num_cases == 1
        assert report.evaluation.per_case[0].num_pixels == (30, 6)
        assert "mask values 0" in report.selection.note
    write_picture(data / "masks/0.png", np.diag([0, 50, 90, 90, 50, 0]), "L")
    with pytest.raises(
        MaskValueError, match=r"no class of the model.*threshold=50`, else store the value"
    ):
        evaluate(model, data)
    report = evaluate(model, data, reading={"mask_threshold": 50})
    assert report.evaluation.per_case[0].num_pixels == (32, 4)


def test_mask_options_with_another_number_of_classes(make_model, data):
    with pytest.raises(SettingsError):
        evaluate(make_model(), data, reading={"mask_values": (0, 128, 255)})
