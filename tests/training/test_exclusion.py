"""What `exclude` names: decisions of masks as they were, lists, and what is refused."""

import json
import shutil

import pytest
from PIL import Image

import ecs_med
from ecs_med.data.checks.examination import diagnose
from ecs_med.data.layout import open_data
from ecs_med.errors import BudgetError, RunFolderError, SettingsError, UnreadableFileError
from ecs_med.runs import RunFolder
from ecs_med.runs.decisions import DecisionFile
from ecs_med.splits import SplitDocument
from ecs_med.training.exclusion import excluded_masks
from ecs_med_datasets.phantom import write_phantom

TINY = {"iterations": 2, "batch": 2, "crop": 32, "max_size": 32, "device": "cpu"}
TINY |= {"encoder": "test_resnet", "encoder_weights": "none", "method": "supervised"}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return write_phantom(tmp_path_factory.mktemp("phantom") / "data", 40, size=32)


@pytest.fixture
def data(original, tmp_path):
    return shutil.copytree(original, tmp_path / "data")


def look(data):
    collection = open_data(data)
    found = diagnose(collection)
    return collection.cases, {id_: fact.content for id_, fact in found.facts.items()}


def decisions(path, contents, **said):
    rows = [
        {
            "case": id_.replace("__", "/"),
            "decision": decision,
            "mask": contents[id_.replace("__", "/")].mask,
            "labels": contents[id_.replace("__", "/")].labels,
        }
        for id_, decision in said.items()
    ]
    content = {"format": "ecs-med decisions", "version": 1, "decisions": rows}
    path.write_text(json.dumps(content))
    return path


FIRST, SECOND = "train/images/p000_0", "train/images/p000_1"
SAID = {"train__images__p000_0": "wrong", "train__images__p000_1": "right"}


def test_only_those_that_were_called_wrong(data, tmp_path):
    cases, contents = look(data)
    path = decisions(tmp_path / "decisions.json", contents, **SAID)
    assert excluded_masks(path, cases, contents) == ({FIRST}, [])
    assert excluded_masks(None, cases, contents) == (frozenset(), [])


def test_a_mask_that_was_changed_since_is_used_and_told(data, tmp_path):
    cases, contents = look(data)
    path = decisions(tmp_path / "decisions.json", contents, **SAID)
    mask = data / "train/masks/p000_0.png"
    with Image.open(mask) as picture:
        changed = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    changed.save(mask)
    cases, contents = look(data)
    excluded, notes = excluded_masks(path, cases, contents)
    assert excluded == frozenset()
    assert notes == [
        f"Masks that were changed since they were called wrong, and are used: {FIRST}."
    ]


def test_saving_a_mask_anew_changes_nothing(data, tmp_path):
    cases, contents = look(data)
    path = decisions(tmp_path / "decisions.json", contents, **SAID)
    mask = data / "train/masks/p000_0.png"
    before = mask.read_bytes()
    with Image.open(mask) as picture:
        picture.load()
    picture.save(mask, compress_level=0)
    assert mask.read_bytes() != before
    cases, contents = look(data)
    assert excluded_masks(path, cases, contents) == ({FIRST}, [])


def test_lists(data, tmp_path):
    cases, contents = look(data)
    plain, table = tmp_path / "wrong.txt", tmp_path / "audit.csv"
    plain.write_text("p000_0.png\n")
    assert excluded_masks(plain, cases, contents)[0] == {FIRST}
    table.write_text(f"rank,case,decision\n1,{FIRST},\n2,{SECOND},Wrong\n")
    assert excluded_masks(table, cases, contents)[0] == {SECOND}
    table.write_text(f"rank,case,decision\n1,{FIRST},\n")
    with pytest.raises(UnreadableFileError, match="has no row with wrong in the column decision"):
        excluded_masks(table, cases, contents)


def test_what_is_no_case_is_refused_by_name(data, tmp_path):
    cases, contents = look(data)
    plain = tmp_path / "wrong.txt"
    plain.write_text("p999_9\n")
    with pytest.raises(BudgetError, match="'p999_9' names no case"):
        excluded_masks(plain, cases, contents)
    path = decisions(tmp_path / "decisions.json", contents, **SAID)
    path.write_text(path.read_text().replace("p000_0", "p999_9"))
    with pytest.raises(BudgetError, match="train/images/p999_9 is not in the data set"):
        excluded_masks(path, cases, contents)
    with pytest.raises(SettingsError, match="no such list of masks"):
        excluded_masks(tmp_path / "absent.json", cases, contents)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["decisions"].append(d["decisions"][0]), "is decided twice"),
        (lambda d: d["decisions"][0].update(decision="maybe"), "decisions.0.decision"),
        (lambda d: d.update(version=2), "version"),
        (lambda d: d.update(decisions="all"), "decisions"),
    ],
)
def test_damaged_decisions(data, tmp_path, change, message):
    cases, contents = look(data)
    path = decisions(tmp_path / "decisions.json", contents, **SAID)
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(RunFolderError, match=message) as error:
        excluded_masks(path, cases, contents)
    assert "save it again from audit.html" in str(error.value)
    with pytest.raises(RunFolderError):
        DecisionFile.read(path)


def test_a_run_records_it_and_resumes_with_it(data, tmp_path):
    path = decisions(tmp_path / "decisions.json", look(data)[1], **SAID)
    run = RunFolder(ecs_med.train({**TINY, "data": data, "exclude": path, "run": tmp_path / "run"}))
    assert run.read_config().exclude == path
    document = SplitDocument.read(run.split_file)
    assert document.excluded() == {FIRST}
    assert document.roles()[FIRST] == "unlabeled"
    assert any("called them wrong: 1 of training" in note for note in document.notes)
    plain = RunFolder(ecs_med.train({**TINY, "data": data, "run": tmp_path / "plain"}))
    assert SplitDocument.read(plain.split_file).roles()[FIRST] == "labeled"
