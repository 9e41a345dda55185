from pathlib import Path
from typing import Any

import pytest

from ecs_med.config import TrainConfig
from ecs_med.errors import SettingsError
from ecs_med.training.dimensions import fitting_patch, with_dimensions
from ecs_med.training.images import Images
from ecs_med.training.resolve import resolve

PICTURES = Images("picture", 3, (64, 64))
HIPPOCAMPUS = Images("volume", 1, (50, 35), depth=36, anisotropy=1.0)
CT = Images("volume", 1, (512, 512), depth=300, anisotropy=1.3)
THICK = Images("volume", 1, (256, 256), depth=24, anisotropy=7.0)
FEW = Images("volume", 1, (64, 64), depth=9, anisotropy=2.0)


def config(**values: Any) -> TrainConfig:
    return TrainConfig.parse({"data": "x", **values})


def chosen(images: Images, on_cpu: bool = True, **values: Any) -> tuple[str, str, int]:
    found, _ = with_dimensions(config(**values), images, on_cpu=on_cpu)
    assert found.dims is not None
    return found.dims, found.network, found.context


def test_slices_are_the_default() -> None:
    for images in (PICTURES, HIPPOCAMPUS, CT):
        assert chosen(images) == ("2", "deeplabv3plus", 0)


def test_dims_choose_network_and_context() -> None:
    assert chosen(CT, dims="3") == ("3", "unet3d", 0)
    assert chosen(CT, on_cpu=False, dims=3) == ("3", "dynunet", 0)
    assert chosen(CT, dims=2.5) == ("2.5", "deeplabv3plus", 1)
    assert chosen(CT, dims="2.5", context=2, network="deeplabv2") == ("2.5", "deeplabv2", 2)


def test_network_and_context_say_it_without_dims() -> None:
    assert chosen(CT, network="dynunet") == ("3", "dynunet", 0)
    assert chosen(CT, context=1) == ("2.5", "deeplabv3plus", 1)


@pytest.mark.parametrize(
    ("images", "on_cpu", "dims", "reason"),
    [
        (HIPPOCAMPUS, True, "3", "volumes have 36 x 50 x 35 voxels, slices 1 pixels apart"),
        (CT, True, "2", "volumes of 300 x 512 x 512 voxels are more than a CPU trains on"),
        (CT, False, "3", "volumes have 300 x 512 x 512 voxels"),
        (THICK, False, "2.5", "slices lie 7 pixels apart, which is more than 3"),
        (FEW, False, "2.5", "volumes have 9 slices, which is fewer than 16"),
        (PICTURES, False, "2", "these are pictures"),
    ],
)
def test_auto_goes_by_size_and_spacing_and_says_why(
    images: Images, on_cpu: bool, dims: str, reason: str
) -> None:
    found, sentence = with_dimensions(config(dims="auto"), images, on_cpu=on_cpu)
    assert found.dims == dims
    assert sentence is not None
    assert f": {reason}" in sentence
    assert sentence.endswith("; `dims` says otherwise.")


@pytest.mark.parametrize(
    ("images", "values", "sentence"),
    [
        (PICTURES, {"network": "unet3d"}, "segments volumes, and these are pictures"),
        (PICTURES, {"context": 1}, "`context` is for volumes, and these are pictures"),
        (PICTURES, {"dims": "3"}, "segments volumes, and these are pictures"),
        (CT, {"network": "unet3d", "context": 1}, "slices need no neighbours"),
        (CT, {"network": "unet3d", "dims": "2"}, "contradict each other"),
        (CT, {"dims": "3", "network": "deeplabv2"}, "contradict each other"),
        (CT, {"dims": "3", "network": "deeplabv3plus"}, "contradict each other"),
        (CT, {"dims": "2", "context": 1}, "contradict each other"),
        (CT, {"network": "unet3d", "method": "ecmt"}, "The method ecmt has networks for 2 dim"),
        (CT, {"network": "unet3d", "crop": 40}, "multiple of 16 voxels in 3-D (got 40)"),
    ],
)
def test_what_does_not_go_together_is_refused(
    images: Images, values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve(config(device="cpu", encoder_weights="none", **values), images, Path("run"))
    assert sentence in str(caught.value)


def test_a_patch_is_no_longer_than_volumes_are() -> None:
    assert fitting_patch(config(), (36, 50, 35), on_cpu=True) == (48, 48, 48)
    assert fitting_patch(config(), (9, 200, 20), on_cpu=True) == (16, 48, 32)
    assert fitting_patch(config(crop=64), (100, 40, 500), on_cpu=True) == (64, 48, 64)
    assert fitting_patch(config(), (300, 512, 512), on_cpu=False) == (96, 96, 96)


def test_settings_of_volumes_are_resolved() -> None:
    asked = config(network="unet3d", device="cpu")
    found, (segmenter, _) = resolve(asked, HIPPOCAMPUS, Path("run"))
    assert (found.patch, found.crop, found.batch, found.min_size) == ((48, 48, 48), 48, 2, 0)
    assert (found.encoder, found.corrector_encoder) == ("none", "none")
    assert segmenter.sentence() == "unet3d with first weights of its own"
    assert resolve(found, HIPPOCAMPUS, Path("run"))[0] == found
