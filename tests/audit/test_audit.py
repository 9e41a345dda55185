"""A whole audit: files, going on, decisions, changed masks, damage, words."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from ecs_med.audit import judges
from ecs_med.audit.audit import audit
from ecs_med.audit.ranking import fitting_cases, ranked
from ecs_med.audit.verdict import Verdict, shape_of
from ecs_med.audit.words import place_words, sentence
from ecs_med.errors import (
    BudgetError,
    RunFolderError,
    SettingsError,
    SomeInputsFailed,
    TrainingInterrupted,
)
from ecs_med.runs import RunFolder
from ecs_med.splits import SplitDocument
from ecs_med.sweep.executors.base import Stop
from ecs_med_datasets.phantom import CLASS_NAMES, PATIENT_PATTERN

PICTURES = {
    "iterations": 2,
    "batch": 2,
    "crop": 32,
    "device": "cpu",
    "encoder_weights": "none",
    "max_size": 32,
    "encoder": "test_resnet",
    "reading": {"patient": PATIENT_PATTERN, "class_names": CLASS_NAMES},
}
ASKED = {"folds": 2, "settings": PICTURES}


class Killed(BaseException):
    """A death that nothing sees coming."""


def rows(folder):
    with (folder / "audit.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def decided(path, report, **said):
    found = {one.verdict.case: one for one in report.findings}
    entries = [
        {"case": case, "decision": decision, "mask": found[case].mask, "labels": found[case].labels}
        for case, decision in ((key.replace("__", "/"), value) for key, value in said.items())
    ]
    content = {"format": "ecs-med decisions", "version": 1, "decisions": entries}
    path.write_text(json.dumps(content))
    return path


def _ranks(values: list[float]) -> list[float]:
    """From 1, equal ones share the mean of theirs."""
    return [
        1 + sum(v < value for v in values) + (sum(v == value for v in values) - 1) / 2
        for value in values
    ]


def test_every_mask_is_judged_by_a_run_that_has_not_seen_its_patient(audited):
    table = rows(audited.output)
    assert len(table) == 24
    assert [row["rank"] for row in table] == [str(rank) for rank in range(1, 25)]
    measures = ("overlap", "softmin", "corrector", "dice")
    ranks = [_ranks([float(row[name]) for row in table]) for name in measures]
    # The table rounds, so that equal ranks may have been apart.
    means = np.mean(ranks, axis=0)
    assert (np.diff(means) > -1).all()
    assert means[:6].mean() < means[-6:].mean() - 3
    for fold in range(2):
        run = RunFolder(audited.output / f"runs/ecs-plus-all-s0-f{fold}")
        document = SplitDocument.read(run.split_file)
        own = {row["case"] for row in table if row["fold"] == str(fold)}
        assert own == set(document.ids("test"))
        seen = {case.patient for case in document.cases if case.role == "labeled"}
        assert seen
        assert not seen & {case.patient for case in document.cases if case.id in own}
    assert "polyp: Dice" in "".join(row["classes"] for row in table)
    assert table[0]["files"].count(";") == 1
    assert not (audited.output / "failures.json").exists()
    # Two steps make no judge, and the page says so.
    assert any("these models segment poorly" in note for note in audited.notes)


def test_the_same_call_does_nothing_again(phantom, audited, monkeypatch):
    before = (audited.output / "audit.csv").read_bytes()

    def never(*_):
        raise AssertionError("judged again")

    monkeypatch.setattr(judges.FoldJudge, "__call__", never)
    again = audit(phantom, **ASKED, output=audited.output)
    assert again.findings == audited.findings
    assert (audited.output / "audit.csv").read_bytes() == before


def test_killed_while_judging_it_goes_on_and_ends_alike(phantom, audited, tmp_path, monkeypatch):
    folder = shutil.copytree(audited.output, tmp_path / "audit")
    for name in ("scores.jsonl", "audit.csv", "audit.html"):
        (folder / name).unlink()
    judge, seen = judges.FoldJudge.__call__, []

    def dying(self, case, files):
        if len(seen) == 5:
            raise Killed
        seen.append(case.id)
        return judge(self, case, files)

    monkeypatch.setattr(judges.FoldJudge, "__call__", dying)
    with pytest.raises(Killed):
        audit(phantom, **ASKED, output=folder)
    with (folder / "scores.jsonl").open("a") as file:
        file.write('{"case": "cut o')
    counted = []
    monkeypatch.setattr(
        judges.FoldJudge, "__call__", lambda *a: counted.append(a[1].id) or judge(*a)
    )
    audit(phantom, **ASKED, output=folder)
    assert len(counted) == 24 - 5
    assert not set(counted) & set(seen)
    assert (folder / "audit.csv").read_bytes() == (audited.output / "audit.csv").read_bytes()


def test_decided_masks_are_marked_and_last(phantom, audited, tmp_path):
    first, second = (one.verdict.case for one in audited.findings[:2])
    said = {first.replace("/", "__"): "wrong", second.replace("/", "__"): "right"}
    path = decided(tmp_path / "decisions.json", audited, **said)
    folder = shutil.copytree(audited.output, tmp_path / "audit")
    report = audit(phantom, **ASKED, output=folder, decisions=path, count=2)
    order = [(one.verdict.case, one.decision) for one in report.findings]
    assert order[-2:] == [(first, "wrong"), (second, "right")]
    assert report.findings[-2].rank == 1
    assert [row["decision"] for row in rows(folder)][-2:] == ["wrong", "right"]
    page = (folder / "audit.html").read_text()
    assert page.count('class="case mask"') == 4
    assert "Called wrong before." in page
    assert page.count("data:image/jpeg") == 2 * 4


def test_a_decision_on_a_mask_that_was_changed_is_void(phantom, audited, tmp_path):
    case = audited.findings[0].verdict.case
    path = decided(tmp_path / "decisions.json", audited, **{case.replace("/", "__"): "wrong"})
    document = json.loads(path.read_text())
    document["decisions"][0] |= {"mask": "0" * 20, "labels": "1" * 20}
    document["decisions"].append({"case": "gone", "decision": "right"})
    path.write_text(json.dumps(document))
    folder = shutil.copytree(audited.output, tmp_path / "audit")
    report = audit(phantom, **ASKED, output=folder, decisions=path)
    assert report.findings[0].decision is None
    assert any(f"open again: {case}." in note for note in report.notes)
    assert any("not in these data: gone." in note for note in report.notes)


def test_changed_data_are_told_before_anything_is_trained(own_phantom, tmp_path):
    audit(own_phantom, **ASKED, output=tmp_path / "out")
    mask = own_phantom / "train/masks/p000_0.png"
    with Image.open(mask) as picture:
        turned = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    turned.save(mask)
    with pytest.raises(RunFolderError, match=r"1 mask was edited \(train/images/p000_0\)"):
        audit(own_phantom, **ASKED, output=tmp_path / "out")


def test_what_cannot_be_read_is_passed_over(phantom, audited, tmp_path, monkeypatch):
    folder = shutil.copytree(audited.output, tmp_path / "audit")
    (folder / "scores.jsonl").unlink()
    prepare = judges.FoldJudge.prepare

    def failing(self, case):
        if case.id.endswith("p003_1"):
            raise SettingsError("p003_1: is of another kind.")
        return prepare(self, case)

    monkeypatch.setattr(judges.FoldJudge, "prepare", failing)
    report = audit(phantom, **ASKED, output=folder)
    assert len(report.findings) == 23
    assert json.loads((folder / "failures.json").read_text()) == report.failures
    with pytest.raises(SomeInputsFailed, match="1 of 24 masks could not be judged"):
        report.raise_failures()


def test_refusals(phantom, tmp_path):
    with pytest.raises(SettingsError, match="ask for two"):
        audit(phantom, folds=1, settings=PICTURES, output=tmp_path / "out")
    with pytest.raises(BudgetError, match="more than the 12 patients"):
        audit(phantom, folds=13, settings=PICTURES, output=tmp_path / "out")
    with pytest.raises(SettingsError, match="`labeled` is decided by the audit"):
        audit(phantom, settings={**PICTURES, "labeled": "10%"}, output=tmp_path / "out")
    with pytest.raises(SettingsError, match="`count` is 0"):
        audit(phantom, folds=2, settings=PICTURES, output=tmp_path / "out", count=0)
    assert not (tmp_path / "out").exists()


def test_stopped_it_says_that_it_goes_on(phantom, tmp_path):
    stop = Stop()
    stop.request()
    with pytest.raises(TrainingInterrupted, match="0 of 2 folds trained"):
        audit(phantom, **ASKED, output=tmp_path / "out", stop=stop)


def verdict(case="a", **values):
    return Verdict(case=case, files="", fold=0, overlap=0.5, softmin=0.5, dice=0.5, **values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"kind": "missing", "index": 1, "expected": 0.031, "center": (0.2, 0.1)},
            "A polyp of 3.1 % of the picture is expected at the upper left, and none is drawn.",
        ),
        (
            {"kind": "extra", "index": 2, "given": 0.0004, "center": (0.9, 0.5)},
            "An instrument of less than 0.1 % of the picture is drawn at the bottom, and none is "
            "expected.",
        ),
        (
            {"kind": "class", "index": 2, "other": 1, "given": 0.1},
            "An instrument of 10.0 % of the picture is drawn in the middle, and a polyp is "
            "expected there.",
        ),
        (
            {"kind": "contour", "index": 1, "given": 0.2, "expected": 0.1},
            "A polyp is drawn in the middle with an outline that looks too wide: 20.0 % of the "
            "picture, where 10.0 % are expected.",
        ),
        (
            {"kind": "missing", "index": 1, "expected": 0.5, "layer": 7, "num_slices": 9},
            "Slice 7: a polyp of 50.0 % of the picture is expected in the middle, and none is "
            "drawn.",
        ),
    ],
)
def test_sentences(values, said):
    assert sentence(verdict(**values), ("background", "polyp", "instrument")) == said


def test_unnamed_classes_and_what_a_swapped_mask_would_fit():
    names = ("background", "class 1")
    swapped = verdict(kind="swapped", index=1, given=0.1, expected=0.2)
    said = sentence(swapped, names, fits="b")
    assert said.startswith(
        "An object of class 1 of 20.0 % of the picture is expected in the middle"
    )
    assert said.endswith("; the mask would fit b.")
    assert place_words((0.5, 0.9)) == "at the right"


def test_masks_that_were_exchanged_are_found_in_each_other():
    top, left = np.zeros((2, 96, 64), np.bool_)
    top[:30], left[:, :20] = True, True
    one = verdict("a", kind="swapped", shape=shape_of(top), expected_shape=shape_of(left))
    two = verdict("b", kind="swapped", shape=shape_of(left), expected_shape=shape_of(top))
    three = verdict("c", shape=shape_of(~top), expected_shape=shape_of(~top))
    assert fitting_cases([one, two, three]) == {"a": "b", "b": "a"}
    assert fitting_cases([three]) == {}


def test_masks_are_sorted_by_the_mean_of_their_ranks():
    def of(case, overlap, softmin, dice, corrector=None):
        values = {"overlap": overlap, "softmin": softmin, "dice": dice, "corrector": corrector}
        return Verdict(case=case, files="", fold=0, **values)

    # Ranks by overlap, softmin and Dice: b 1, 3, 2; c 2, 1, 1; a 3, 2, 3.
    found = [of("b", 0.1, 0.9, 0.3), of("c", 0.2, 0.1, 0.2), of("a", 0.3, 0.2, 0.9)]
    assert [one.case for one in ranked(found)] == ["c", "b", "a"]
    # A corrector counts where all have one.
    assert ranked([*found[:2], of("a", 0.3, 0.2, 0.9, 0.0)])[0].case == "c"
    judged = [of("b", 0.1, 0.9, 0.3, 0.0), of("c", 0.2, 0.1, 0.2, 0.9), of("a", 0.3, 0.2, 0.9, 0.5)]
    assert [one.case for one in ranked(judged)] == ["b", "c", "a"]
    assert [one.case for one in ranked([of("z", 1, 1, 1), of("y", 1, 1, 1)])] == ["y", "z"]
