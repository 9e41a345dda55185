"""The data doctor: every fault is found, named, and has a remedy; good data are left alone."""

from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from ecs_med.config import ReadingSettings
from ecs_med.data.checks.examination import Diagnosis, diagnose, examine
from ecs_med.data.layout import open_data
from ecs_med.types import Problem

SIDE = 32


def write_picture(path: Path, seed: int = 0, size: tuple[int, int] = (SIDE, SIDE)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def write_mask(path: Path, classes: int = 2, size: tuple[int, int] = (SIDE, SIDE)) -> None:
    """Vertical stripes of equal width, one a class."""
    path.parent.mkdir(parents=True, exist_ok=True)
    row = np.arange(size[1]) * classes // size[1]
    Image.fromarray(np.tile(row, (size[0], 1)).astype(np.uint8)).save(path)


def write_volume(path: Path, values: np.ndarray, spacing: tuple[float, ...] = (1, 1, 1)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, np.diag([*spacing, 1.0])), path)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    for index in range(4):
        write_picture(tmp_path / "images" / f"{index}.png", seed=index)
        write_mask(tmp_path / "masks" / f"{index}.png")
    return tmp_path


def look(root: Path) -> Diagnosis:
    return diagnose(open_data(root))


def found(root: Path, words: str) -> Problem:
    """The only problem that says `words`."""
    matching = [p for p in examine(open_data(root)) if words in p.message]
    assert len(matching) == 1, examine(open_data(root))
    return matching[0]


def test_good_data_have_no_problem(good: Path) -> None:
    diagnosis = look(good)
    assert {problem.severity for problem in diagnosis.problems} <= {"note"}
    assert diagnosis.num_errors == 0
    assert diagnosis.scheme is not None
    assert diagnosis.scheme.num_classes == 2


def test_summary_by_hand(good: Path) -> None:
    write_picture(good / "images" / "wide.png", seed=9, size=(SIDE, 2 * SIDE))
    summary = look(good).summary
    assert (summary.kind, summary.num_cases, summary.num_labeled) == ("pictures", 5, 4)
    assert (summary.smallest, summary.largest) == ((32, 32), (32, 64))
    [part] = summary.partitions
    assert (part.name, part.num_labeled, part.num_unlabeled) == ("not given", 4, 1)
    assert [(c.pixel_share, c.num_cases) for c in summary.classes] == [(0.5, 4), (0.5, 4)]
    assert summary.void_share == 0
    assert summary.to_json()["classes"][0]["name"] == "background"


@pytest.mark.parametrize("content", [b"", b"just text", b"\x89PNG\r\n\x1a\n broken"])
def test_broken_image(good: Path, content: bytes) -> None:
    (good / "images" / "2.png").write_bytes(content)
    [error] = [p for p in examine(open_data(good)) if p.severity == "error"]
    assert error.path == good / "images" / "2.png"
    assert error.remedy


def test_truncated_image(good: Path) -> None:
    path = good / "images" / "2.png"
    path.write_bytes(path.read_bytes()[:-200])
    [error] = [p for p in examine(open_data(good)) if p.severity == "error"]
    assert error.path == path


def test_broken_mask_is_told_once(good: Path) -> None:
    (good / "masks" / "1.png").write_bytes(b"")
    [error] = [p for p in examine(open_data(good)) if p.severity == "error"]
    assert error.path == good / "masks" / "1.png"


def test_size_mismatch(good: Path) -> None:
    write_mask(good / "masks" / "3.png", size=(SIDE, SIDE + 2))
    problem = found(good, "32 x 34")
    assert (problem.severity, problem.path) == ("error", good / "masks" / "3.png")


def test_mask_values_that_make_no_sense(good: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    for index in range(4):
        Image.fromarray(noise).save(good / "masks" / f"{index}.png")
    write_mask(good / "masks" / "3.png", size=(SIDE, SIDE + 2))
    diagnosis = look(good)
    assert diagnosis.num_errors == 2
    assert diagnosis.scheme is None
    assert "32 x 34" in diagnosis.problems[1].message
    assert diagnosis.problems[0].remedy
    assert diagnosis.problems[0].path == good / "masks" / "0.png"


def test_rare_and_empty_classes(good: Path) -> None:
    write_mask(good / "masks" / "0.png", classes=3)
    Image.new("L", (SIDE, SIDE)).save(good / "masks" / "1.png")
    rare = found(good, "'class 2' occurs in 1 of 4 masks")
    assert rare.severity == "warning"
    empty = found(good, "1 of 4 masks hold background alone")
    assert empty.severity == "note"
    assert "images/1" in empty.message


def test_one_mask_only(good: Path) -> None:
    for index in range(3):
        (good / "masks" / f"{index}.png").unlink()
    assert found(good, "only one image has a mask").severity == "error"


def test_no_mask_at_all_is_told_once(tmp_path: Path) -> None:
    write_picture(tmp_path / "images" / "a.png")
    assert found(tmp_path, "not one mask").severity == "error"


def test_duplicates_and_leakage(tmp_path: Path) -> None:
    for part, seeds in (("train", (0, 1, 1)), ("test", (0, 5))):
        for index, seed in enumerate(seeds):
            write_picture(tmp_path / part / "images" / f"{index}.png", seed=seed)
            write_mask(tmp_path / part / "masks" / f"{index}.png")
    # Cases are in the order of their ids, so the one in test/ comes first.
    leak = found(tmp_path, "same pixels as test/images/0, but test there and train here")
    twice = found(tmp_path, "same pixels as train/images/1")
    assert leak.path == tmp_path / "train/images/0.png"
    assert twice.path == tmp_path / "train/images/2.png"
    assert {leak.severity, twice.severity} == {"warning"}


def test_patient_in_two_partitions(tmp_path: Path) -> None:
    for seed, part in enumerate(("train", "val", "test")):
        name = "p1_x" if part != "val" else "p2_x"
        write_picture(tmp_path / part / "images" / f"{name}.png", seed=seed)
        write_mask(tmp_path / part / "masks" / f"{name}.png")
    settings = ReadingSettings(patient="regex:(p[0-9])")
    problems = examine(open_data(tmp_path, settings), settings)
    [shared] = [p for p in problems if "more than one partition" in p.message]
    assert "1 patient(s) in more than one partition (p1)" in shared.message


def test_sizes_far_apart_constant_and_rotated_pictures(good: Path) -> None:
    write_picture(good / "images" / "huge.png", seed=7, size=(SIDE, 5 * SIDE))
    Image.new("RGB", (SIDE, SIDE), "white").save(good / "images" / "white.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.eye(SIDE, dtype=np.uint8) * 255).save(good / "images/t.jpg", exif=exif)
    write_mask(good / "masks" / "t.png")
    assert "images/huge" in found(good, "times larger or smaller").message
    assert found(good, "every pixel has the same value").path == good / "images" / "white.png"
    assert found(good, "orientation tag").path == good / "masks" / "t.png"


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[2:5] = 1
    for index in range(4):
        values = generator.normal(size=(8, 8, 8)).astype(np.float32)
        write_volume(tmp_path / "imagesTr" / f"v{index}.nii.gz", values)
        write_volume(tmp_path / "labelsTr" / f"v{index}.nii.gz", labels)
    return tmp_path


def test_volumes_are_summed_up(volumes: Path) -> None:
    diagnosis = look(volumes)
    assert diagnosis.num_errors == 0
    assert diagnosis.summary.kind == "volumes"
    assert diagnosis.summary.spacing_mm == (1.0, 1.0, 1.0)
    assert [c.pixel_share for c in diagnosis.summary.classes] == [0.625, 0.375]


def volume_faults() -> Mapping[str, tuple[np.ndarray, tuple[float, ...], str]]:
    values = np.random.default_rng(1).normal(size=(8, 8, 8)).astype(np.float32)
    nan = values.copy()
    nan[1, 2, 3] = np.nan
    return {
        "nan": (nan, (1, 1, 1), "NaN or infinite"),
        "spacing": (values, (1, 1, 5), "is usual here"),
        "channels": (np.stack([values, values + 1], axis=-1), (1, 1, 1), "2 channel(s), where"),
    }


@pytest.mark.parametrize("fault", ["nan", "spacing", "channels"])
def test_faults_of_volumes(volumes: Path, fault: str) -> None:
    values, spacing, words = volume_faults()[fault]
    path = volumes / "imagesTr" / "bad.nii.gz"
    write_volume(path, values, spacing)
    problem = found(volumes, words)
    assert problem.path == path
    assert problem.severity == ("warning" if fault == "spacing" else "error")


def test_pictures_among_volumes(volumes: Path) -> None:
    write_picture(volumes / "imagesTr" / "p.png")
    assert found(volumes, "in one data set").severity == "error"


def test_progress_counts_to_the_end(good: Path) -> None:
    seen: list[tuple[int, int]] = []
    diagnose(open_data(good), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_an_interruption_does_not_wait_for_the_rest(good: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        diagnose(open_data(good), progress=interrupt)
