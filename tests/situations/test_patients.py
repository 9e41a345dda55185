"""Patients that folders and names of images tell: kept together, or told with the rule."""

import re
from pathlib import Path

import pytest
from situations.inputs_pairing import opened, remedies, told, touch

from ecs_med.splits import draw_split

EVERY = range(5)


def add_frames(root: Path, name: str) -> Path:
    """Four frames of five patients; `name` holds `{p}` and `{f}`."""
    names = [name.format(p=p, f=f) for p in EVERY for f in range(4)]
    return touch(
        root, *(f"{folder}/{each}.png" for each in names for folder in ("images", "masks"))
    )


def rule_of(remedy: str) -> str:
    found = re.search(r"`patient='?([^`]*?)'?`", remedy)
    assert found is not None
    return found[1]


def test_patients_in_subfolders_stay_together_by_default(tmp_path: Path) -> None:
    collection = opened(add_frames(tmp_path, "patient0{p}/frame{f}"))
    assert {case.patient for case in collection.cases} == {f"patient0{p}" for p in EVERY}
    assert "grouped by the folders patient00, patient01 and so on as 5 patients" in str(
        told(collection, "note")
    )
    split = draw_split(collection.cases, "all", 0)
    parts = (split.labeled, split.validation, split.test)
    patients = [{case.patient for case in part} for part in parts]
    assert not patients[0] & patients[1] | patients[0] & patients[2] | patients[1] & patients[2]
    assert all(c.patient is None for c in opened(tmp_path, patient="none").cases)


@pytest.mark.parametrize("name", ["TCGA_CS_494{p}_1996/{f}", "benign/case_{p}/{f}", "p{p}/t1/{f}"])
def test_other_names_of_patients(tmp_path: Path, name: str) -> None:
    patients = {case.patient for case in opened(add_frames(tmp_path, name)).cases}
    assert len(patients) == 5
    assert None not in patients


@pytest.mark.parametrize(
    "name", ["p{p}_slice{f}", "case_000{p}_frame_1{f}", "patient0{p}_{f}", "vid{p}-img{f}"]
)
def test_names_that_tell_the_patient_are_a_warning_whose_rule_works(
    tmp_path: Path, name: str
) -> None:
    collection = opened(add_frames(tmp_path, name))
    (remedy,) = remedies(collection, "warning")
    settled = opened(tmp_path, patient=rule_of(remedy))
    assert len({case.patient for case in settled.cases}) == 5
    assert not told(settled, "warning")
    assert not told(opened(tmp_path, patient="none"), "warning")


def test_folders_that_may_be_patients_are_a_warning_whose_rule_works(tmp_path: Path) -> None:
    collection = opened(add_frames(tmp_path, "00{p}/{f}"))
    assert "images lie in 5 folders (000, 001, 002, ...)" in told(collection, "warning")[0]
    settled = opened(tmp_path, patient=rule_of(remedies(collection, "warning")[0]))
    assert {case.patient for case in settled.cases} == {f"00{p}" for p in EVERY}


def test_two_patients_cannot_be_kept_apart(tmp_path: Path) -> None:
    for p in (1, 2):
        touch(tmp_path, *(f"{d}/p{p}/{f}.png" for f in range(4) for d in ("images", "masks")))
    assert "2 patients (p1, p2) are too few" in told(opened(tmp_path), "warning")[0]


@pytest.mark.parametrize(
    "name", ["fold{p}/{f}", "class_{p}/{f}", "kind/{p}{f}", "hippocampus_{p}{f}", "cju{p}q{f}k"]
)
def test_what_is_no_patient_is_no_warning(tmp_path: Path, name: str) -> None:
    collection = opened(add_frames(tmp_path, name))
    assert not told(collection, "warning")
    assert {case.patient for case in collection.cases} == {None}


def test_classes_are_no_patients(tmp_path: Path) -> None:
    for kind in ("benign", "malignant", "normal"):
        touch(tmp_path, *(f"{d}/{kind}/{f}.png" for f in range(4) for d in ("images", "masks")))
    assert opened(tmp_path).problems == ()


def test_a_data_set_that_is_divided_already_is_left_alone(tmp_path: Path) -> None:
    for part in ("train", "test"):
        add_frames(tmp_path / part, "p{p}_slice{f}")
    assert opened(tmp_path).problems == ()
