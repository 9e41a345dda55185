"""Every mistake of point 8 of the contract: one sentence that names it, exit code 2, no run."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from ecs_med_cli.app import main
from ecs_med_datasets.phantom import write_phantom

Break = Callable[[Path], list[str]]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "data"
    return write_phantom(folder, num_images=20, size=32)


def first(folder: Path, kind: str = "images") -> Path:
    return sorted((folder / "train" / kind).iterdir())[0]


def truncated_png(folder: Path) -> list[str]:
    path = first(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return [path.name]


def truncated_jpeg(folder: Path) -> list[str]:
    path = first(folder)
    jpeg = path.with_suffix(".jpg")
    Image.open(path).save(jpeg)
    path.unlink()
    jpeg.write_bytes(jpeg.read_bytes()[:300])
    return [jpeg.name]


def empty_png(folder: Path) -> list[str]:
    first(folder).write_bytes(b"")
    return [first(folder).name, "empty"]


def text_named_png(folder: Path) -> list[str]:
    first(folder).write_text("not a picture")
    return [first(folder).name]


def truncated_mask(folder: Path) -> list[str]:
    path = first(folder, "masks")
    path.write_bytes(path.read_bytes()[:60])
    return [path.name]


def sizes_that_differ(folder: Path) -> list[str]:
    Image.fromarray(np.zeros((16, 32), np.uint8)).save(first(folder, "masks"))
    return [first(folder, "masks").name, "32", "16"]


def value_out_of_range(folder: Path) -> list[str]:
    mask = np.zeros((32, 32), np.uint8)
    mask[:4] = 90
    Image.fromarray(mask).save(first(folder, "masks"))
    return ["90", "--mask-values"]


def no_masks(folder: Path) -> list[str]:
    for masks in folder.rglob("masks"):
        shutil.rmtree(masks)
    return ["masks"]


def two_images_of_one_stem(folder: Path) -> list[str]:
    path = first(folder)
    Image.open(path).save(path.with_suffix(".jpg"))
    return [path.stem]


BROKEN: list[Break] = [
    truncated_png,
    truncated_jpeg,
    empty_png,
    text_named_png,
    truncated_mask,
    sizes_that_differ,
    value_out_of_range,
    no_masks,
    two_images_of_one_stem,
]


def ended(*words: object) -> int | str | None:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return end.value.code


def train_words(data: Path, *more: object) -> list[object]:
    run = data.parent / "run"
    few = ["--iterations", 1, "--batch", 2, "--crop", 32, "--encoder-weights", "none"]
    return ["train", "--data", data, "--run", run, "--encoder", "test_resnet", *few, *more]


@pytest.mark.parametrize("spoil", BROKEN, ids=lambda spoil: spoil.__name__)
def test_broken_data(
    source: Path, tmp_path: Path, spoil: Break, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(source, data)
    words = spoil(data)
    assert ended(*train_words(data, "--labeled", "all")) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("ecs-med: ")
    assert all(word in said for word in words), said
    assert not re.search(r"; [A-Z][a-z]|export it again.*export it again", said), said
    assert not (tmp_path / "run").exists()
    assert ended("check", data) == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--labeled", "0"], "0"),
        (["--labeled", "200%"], "200%"),
        (["--encoder", "resnet5O"], "did you mean"),
        (["--device", "cuda:7"], "--device"),
        (["--method", "exs"], "did you mean 'ecs'"),
        (["--batch", "1"], "batch"),
        (["--crop", "50"], "multiple of 32"),
        (["--encoder-weights", "nowhere.pth"], "nowhere.pth"),
        (["--iterations", "-3"], "iterations"),
    ],
    ids=lambda value: str(value),
)
def test_wrong_options(
    source: Path,
    tmp_path: Path,
    words: list[str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = tmp_path / "data"
    data.symlink_to(source)
    assert ended(*train_words(data, *words)) == 2
    assert expected in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_other_colours_and_depths_are_understood(source: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(source, data)
    grey, alpha, deep = sorted((data / "train" / "images").iterdir())[:3]
    Image.open(grey).convert("L").save(grey)
    Image.open(alpha).convert("RGBA").save(alpha)
    Image.fromarray(np.arange(1024, dtype=np.uint16).reshape(32, 32) * 60).save(deep)
    assert ended(*train_words(data, "--labeled", "all", "--method", "supervised")) == 0


def test_one_labeled_image_is_enough_to_start(source: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.symlink_to(source)
    names = "--class-names", "background,polyp,instrument"
    assert ended(*train_words(data, "--labeled", "1", *names)) == 0


def test_an_orphan_mask_is_a_warning(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(source, data)
    first(data).unlink()
    assert ended("check", data) == 0
    assert first(data, "masks").name in capsys.readouterr().out


@pytest.mark.parametrize("fault", ["truncated", "empty", "nan"])
def test_broken_volumes(tmp_path: Path, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    rng = np.random.default_rng(0)
    for index in range(10):
        for kind, values in (
            ("imagesTr", rng.normal(size=(8, 8, 4)).astype(np.float32)),
            ("labelsTr", rng.integers(0, 2, (8, 8, 4)).astype(np.uint8)),
        ):
            (data / kind).mkdir(parents=True, exist_ok=True)
            if kind == "imagesTr" and index == 3 and fault == "nan":
                values[0, 0, 0] = np.nan
            path = data / kind / f"case_{index}.nii.gz"
            nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)
    broken = data / "imagesTr" / "case_3.nii.gz"
    if fault != "nan":
        broken.write_bytes(broken.read_bytes()[: 200 if fault == "truncated" else 0])
    assert ended(*train_words(data, "--labeled", "all")) == 2
    assert "case_3.nii.gz" in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (tmp_path / "run").exists()
