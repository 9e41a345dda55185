"""What is decided for the user, and the name of a run folder."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ecs_med.config import OptimizerSettings, TrainConfig
from ecs_med.errors import DataError, SettingsError
from ecs_med.training.augmentation import ImagesWithUp
from ecs_med.training.resolve import Images, default_run_folder, look_at_images, resolve
from ecs_med.types import Case

RUN = Path("run")


def config(**values: object) -> TrainConfig:
    return TrainConfig.parse({"data": "folder", "encoder_weights": "none", **values})


@pytest.mark.parametrize(
    ("labeled", "name"),
    [
        ("10%", "kvasir-ecs-plus-10pct-s0"),
        ("12.5%", "kvasir-ecs-plus-12.5pct-s0"),
        ("0.1", "kvasir-ecs-plus-0.1-s0"),
        ("1/8", "kvasir-ecs-plus-1-8-s0"),
        ("50", "kvasir-ecs-plus-50-s0"),
        ("all", "kvasir-ecs-plus-all-s0"),
    ],
)
def test_run_folders_of_different_budgets_differ(labeled: str, name: str) -> None:
    assert default_run_folder(config(labeled=labeled), "kvasir") == Path("runs") / name


def test_a_split_file_gives_its_name(tmp_path: Path) -> None:
    path = tmp_path / "subset 3.txt"
    path.write_text("a\n")
    folder = default_run_folder(config(labeled=str(path)), "kvasir")
    assert folder == Path("runs/kvasir-ecs-plus-subset-3-s0")


@pytest.mark.parametrize(
    ("size", "values", "crop"),
    [
        ((352, 352), {}, 128),
        ((35, 50), {}, 128),
        ((35, 50), {"min_size": 0}, 64),
        ((35, 50), {"max_size": 96}, 96),
        ((35, 50), {"max_size": 0}, 128),
        ((600, 900), {"max_size": 0}, 512),
        ((600, 900), {"crop": 96}, 96),
    ],
)
def test_the_crop_fits_the_images(
    size: tuple[int, int], values: dict[str, object], crop: int
) -> None:
    resolved, _ = resolve(config(device="cpu", **values), Images("picture", 3, size), RUN)
    assert resolved.crop == crop


def test_everything_open_is_decided() -> None:
    resolved, first = resolve(config(device="cpu"), Images("picture", 3, (352, 352)), RUN)
    assert (resolved.iterations, resolved.batch, resolved.evaluate_every) == (1000, 8, None)
    assert (resolved.precision, resolved.device) == ("fp32", "cpu")
    assert (resolved.encoder, resolved.corrector_encoder) == ("resnet50", "resnet34")
    assert first[0].source == "none"
    assert resolve(resolved, Images("picture", 3, (352, 352)), RUN)[0] == resolved


@pytest.mark.parametrize("up", [None, "grey", "photograph", "volume"])
def test_images_without_an_up_are_turned(up: ImagesWithUp | None) -> None:
    images = Images("picture", 3, (352, 352), up=up)

    def decided(**asked: object) -> tuple[object, object]:
        found = resolve(config(device="cpu", augmentation=asked), images, RUN)[0].augmentation
        return found.flip_vertical, found.rotate

    assert decided() == (up is None, up is None)
    assert decided(rotate=False) == (up is None, False)
    assert decided(flip_vertical=True, rotate="auto") == (True, up is None)
    assert decided(flip_vertical=True, rotate=True) == (True, True)


def test_a_crop_that_networks_cannot_take_is_refused() -> None:
    with pytest.raises(SettingsError, match="multiple of 32"):
        resolve(config(device="cpu", crop=100), Images("picture", 3, (352, 352)), RUN)


def test_pictures_and_volumes_do_not_mix(tmp_path: Path) -> None:
    import nibabel

    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    nibabel.save(nibabel.Nifti1Image(np.zeros((8, 8, 4)), np.eye(4)), tmp_path / "b.nii.gz")
    cases = [Case(name, (tmp_path / name,)) for name in ("a.png", "b.nii.gz")]
    with pytest.raises(DataError, match="mixed"):
        look_at_images(cases, config())
    expected = Images("volume", 1, (8, 8), "axial", depth=4, anisotropy=1.0)
    assert look_at_images(cases[1:], config()) == expected


def test_optimisers_go_by_the_length_of_the_run() -> None:
    images = Images("picture", 3, (352, 352))
    short, _ = resolve(config(device="cpu", iterations=9_999), images, RUN)
    long, _ = resolve(config(device="cpu", iterations=10_000), images, RUN)
    given, _ = resolve(
        config(device="cpu", optimizers={"segmenter": {"name": "sgd", "lr": 0.1}}), images, RUN
    )
    assert short.optimizers == {
        "segmenter": OptimizerSettings(name="adam", lr=1e-3),
        "corrector": OptimizerSettings(name="adam", lr=1e-3),
    }
    assert long.optimizers == {
        "segmenter": OptimizerSettings(name="sgd", lr=0.01),
        "corrector": OptimizerSettings(name="adam", lr=1e-4),
    }
    assert given.optimizers == {
        "segmenter": OptimizerSettings(name="sgd", lr=0.1),
        "corrector": OptimizerSettings(name="adam", lr=1e-3),
    }
