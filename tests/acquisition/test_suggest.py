"""Suggestions on data sets: who is never asked for, going on after a kill, damage, volumes."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from plugins import install

import ecs_med
from ecs_med.acquisition import lookers
from ecs_med.acquisition.candidates import find_candidates
from ecs_med.acquisition.lookers import ModelLooker
from ecs_med.acquisition.suggest import suggest, usual_acquisition
from ecs_med.data.layout import open_data
from ecs_med.errors import DataError, SettingsError, SomeInputsFailed
from ecs_med.inference.model import Model
from ecs_med.runs import RunFolder
from ecs_med.splits import SplitDocument, read_listed_slices
from ecs_med_datasets.phantom import PATIENT_PATTERN

READING = {"patient": PATIENT_PATTERN}


class Killed(BaseException):
    """A death that nothing sees coming."""


def rows(folder):
    with (folder / "suggest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("by", ["random", "entropy", "foreground", "doubt"])
def test_never_a_case_that_is_labelled_validated_or_tested(phantom, run, tmp_path, by):
    report = suggest(phantom, run, count=99, by=by, output=tmp_path / "out")
    split = SplitDocument.read(RunFolder(run).split_file)
    assert {row["case"] for row in rows(tmp_path / "out")} == set(split.ids("unlabeled"))
    assert report.num_candidates == 16
    assert any("99 were asked for" in note for note in report.notes)


def test_moved_and_renamed_test_cases_are_known_by_their_contents(phantom, run, tmp_path):
    folder = tmp_path / "new" / "images"
    folder.mkdir(parents=True)
    sources = [*sorted((phantom / "test/images").iterdir())[:3]]
    sources += sorted((phantom / "train/images").iterdir())[-2:]
    sources += sorted((phantom / "train/images").iterdir())[:1]
    for number, path in enumerate(sources):
        shutil.copy(path, folder / f"scan{number}.png")
    found = find_candidates(tmp_path / "new", run)
    assert [case.id.rpartition("/")[2] for case in found.cases] == ["scan3", "scan4"]


def test_new_pictures_of_tested_patients_are_left_out(own_phantom, run, tmp_path):
    tested = sorted((own_phantom / "test/images").iterdir())[0].name.split("_")[0]
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    for name in (f"{tested}_8.png", "p900_0.png"):
        Image.fromarray(pixels).save(own_phantom / "train/images" / name)
    found = find_candidates(own_phantom, run, READING)
    ids = {case.id for case in found.cases}
    assert "train/images/p900_0" in ids
    assert f"train/images/{tested}_8" not in ids
    assert any("patients of validation or test" in note for note in found.notes)
    without = find_candidates(own_phantom, None, READING)
    assert {case.id for case in without.cases} == ids


def test_of_copies_one_is_suggested(own_phantom, tmp_path):
    images = own_phantom / "train/images"
    shutil.copy(images / "p013_1.png", images / "p998_0.png")
    report = suggest(own_phantom, by="random", count=99, reading=READING, output=tmp_path / "out")
    assert "train/images/p998_0" not in {row["case"] for row in rows(tmp_path / "out")}
    assert report.num_candidates == 16
    assert "Copies of another candidate, which are not suggested: 1." in report.notes


def test_a_rule_of_another_package(phantom, tmp_path, monkeypatch):
    code = (
        "from ecs_med.acquisition import Acquisition\n"
        "class Last(Acquisition):\n"
        "    name, title, source, rule = 'last', 'the last', 'a test', 'The last one.'\n"
        "    def pick(self, allowed, chosen): return allowed[-1]\n"
        "    def reason(self, index): return 'It is the last.'\n"
    )
    install(monkeypatch, tmp_path / "site", "last_rule", code, acquisitions={"last": "Last"})
    report = suggest(phantom, by="last", count=2, reading=READING, output=tmp_path / "out")
    assert [one.case[-6:] for one in report.suggestions] == ["p013_1", "p012_1"]


def test_without_a_model_all_without_a_mask(phantom, tmp_path):
    report = suggest(phantom, count=4, by="random", reading=READING, output=tmp_path / "out")
    assert report.num_candidates == 16
    assert (report.num_patients, report.model) == (8, None)
    patients = [row["patient"] for row in rows(tmp_path / "out")]
    assert len(set(patients)) == 4
    assert all((phantom / row["files"]).is_file() for row in rows(tmp_path / "out"))


def test_a_set_with_all_masks_has_no_candidate(example_folder, tmp_path):
    with pytest.raises(DataError, match="no case without a mask"):
        suggest(example_folder, by="random", output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_usual_rules(run, plain_run):
    assert usual_acquisition(None) == "coldstart"
    for path in (run, plain_run):
        assert usual_acquisition(ecs_med.load_model(path, "cpu")) == "foreground"


def test_what_a_rule_needs_is_asked_for_by_name(phantom, plain_run, tmp_path):
    with pytest.raises(SettingsError, match=r"needs a corrector.*supervised.*by=entropy"):
        suggest(phantom, plain_run, by="doubt", output=tmp_path)
    with pytest.raises(SettingsError, match="needs a model"):
        suggest(phantom, by="entropy", output=tmp_path)
    with pytest.raises(SettingsError, match="did you mean 'doubt'"):
        suggest(phantom, plain_run, by="doubd", output=tmp_path)
    with pytest.raises(SettingsError, match="at least one"):
        suggest(phantom, plain_run, count=0, output=tmp_path)


@pytest.fixture
def counted(monkeypatch):
    """How often a segmenter was asked."""
    calls = []
    real = Model.logits

    def logits(self, slices):
        calls.append(len(slices))
        return real(self, slices)

    monkeypatch.setattr(Model, "logits", logits)
    return calls


def test_each_candidate_is_predicted_once_and_the_suggested_again_to_be_drawn(
    phantom, run, tmp_path, counted
):
    suggest(phantom, run, count=3, output=tmp_path / "out")
    assert counted == [1] * (16 + 3)
    counted.clear()
    suggest(phantom, run, count=3, by="entropy", output=tmp_path / "out")
    assert counted == [1] * 3


@pytest.mark.parametrize("cut", [0, 40])
def test_a_killed_pass_goes_on_and_gives_the_same_bytes(phantom, run, tmp_path, monkeypatch, cut):
    suggest(phantom, run, count=5, output=tmp_path / "whole")
    real, seen = ModelLooker.see, []

    def mortal(self, case, case_id, fingerprint):
        seen.append(case_id)
        if len(seen) == 8:
            raise Killed
        return real(self, case, case_id, fingerprint)

    with monkeypatch.context() as inside:
        inside.setattr(ModelLooker, "see", mortal)
        with pytest.raises(Killed):
            suggest(phantom, run, count=5, output=tmp_path / "killed")
        scores = tmp_path / "killed/scores.jsonl"
        assert len(scores.read_text().splitlines()) == 1 + 7
        if cut:  # the last line came down in part
            scores.write_bytes(scores.read_bytes()[:-cut])
        seen.clear()
        seen.extend(range(8))
        suggest(phantom, run, count=5, output=tmp_path / "killed")
        assert len(seen) - 8 == 16 - 7 + bool(cut)
    for name in ("suggest.csv", "scores.jsonl"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_changed_files_and_other_models_are_looked_at_again(
    own_phantom, run, plain_run, tmp_path, counted
):
    out = tmp_path / "out"
    suggest(own_phantom, run, count=1, by="entropy", output=out, reading=READING)
    counted.clear()
    one = own_phantom / "train/images" / "p013_1.png"
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(one)
    suggest(own_phantom, run, count=1, by="entropy", output=out, reading=READING)
    assert counted == [1] * 2
    counted.clear()
    suggest(own_phantom, plain_run, count=1, by="entropy", output=out, reading=READING)
    assert counted == [1] * 17


def test_what_cannot_be_read_is_told_and_passed_over(own_phantom, tmp_path):
    path = own_phantom / "train/images" / "p013_1.png"
    path.write_bytes(path.read_bytes()[:60])
    told, out = [], tmp_path / "out"
    settings = {"by": "random", "count": 99, "reading": READING, "output": out}
    report = suggest(own_phantom, on_failure=told.append, **settings)
    assert list(report.failures) == ["train/images/p013_1"]
    assert str(path) in told[0]
    assert json.loads((out / "failures.json").read_text()) == report.failures
    assert len(rows(out)) == 15
    with pytest.raises(SomeInputsFailed, match="1 of 16 candidates"):
        report.raise_failures()
    path.unlink()
    suggest(own_phantom, **settings)
    assert not (out / "failures.json").exists()


def test_names_of_patients_are_not_written(own_phantom, tmp_path):
    for path in sorted((own_phantom / "train/images").iterdir()):
        path.rename(path.with_name(path.name.replace("p013", "Doe-Jane")))
    reading = {"patient": r"regex:([A-Za-z-]+\d*)_\d+\.png$"}
    suggest(own_phantom, by="random", count=99, reading=reading, output=tmp_path / "out")
    found = {row["patient"] for row in rows(tmp_path / "out")}
    assert "withheld" in found
    assert "Doe-Jane" not in found


def test_volumes_are_suggested_whole_with_the_slice_that_stands_out(volumes, tmp_path):
    small = {"network": "unet3d", "network_settings": {"channels": [4, 8, 8]}, "dims": "3"}
    settings = {"iterations": 2, "batch": 2, "crop": 32, "device": "cpu", "labeled": "all"}
    settings |= {"encoder_weights": "none", "method": "ecs-plus", "data": volumes, **small}
    run = ecs_med.train({**settings, "run": tmp_path / "run"})
    report = suggest(volumes, run, by="doubt", output=tmp_path / "out")
    assert {one.case for one in report.suggestions} == {"imagesTr/v6", "imagesTr/v7"}
    page = (tmp_path / "out/suggest.html").read_text()
    assert page.count("<img") == 2 * 3
    assert "counted from 0 as stored" in report.suggestions[0].reason


def test_volumes_by_slices(volumes, tmp_path):
    settings = {"iterations": 2, "batch": 2, "crop": 32, "device": "cpu", "labeled": "all"}
    settings |= {"encoder_weights": "none", "encoder": "test_resnet", "dims": "2"}
    run = ecs_med.train({**settings, "method": "ecs", "data": volumes, "run": tmp_path / "run"})
    report = suggest(volumes, run, count=1, by="doubt", output=tmp_path / "out")
    (look,) = [
        json.loads(line)
        for line in (tmp_path / "out/scores.jsonl").read_text().splitlines()[1:]
        if json.loads(line)["case"] == report.suggestions[0].case
    ]
    assert 0 <= look["slice_index"] < look["num_slices"]
    assert tuple(look["layers"]) == report.suggestions[0].slices
    assert f"slices {look['layers'][0]}, {look['layers'][1]}" in report.suggestions[0].reason
    assert read_listed_slices(tmp_path / "out/suggest.csv", open_data(volumes).cases) == {
        report.suggestions[0].case: tuple(sorted(look["layers"]))
    }


def test_pictures_that_are_gone_are_told_on_the_page(phantom, run, tmp_path, monkeypatch):
    suggest(phantom, run, count=2, output=tmp_path / "out")
    page = (tmp_path / "out/suggest.html").read_text()
    assert page.count("<img") == 2 * 3

    def gone(self, case):
        raise DataError("gone.png: is gone; restore it.")

    monkeypatch.setattr(lookers.ModelLooker, "prepare", gone)
    suggest(phantom, run, count=2, output=tmp_path / "out")
    page = (tmp_path / "out/suggest.html").read_text()
    assert page.count("could not be read again") == 2
