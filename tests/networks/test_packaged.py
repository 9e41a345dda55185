"""Encoders whose weights come as packages: that they are the right ones, and which is taken."""

import tomllib
from pathlib import Path

import pytest
import skimage.data
import timm
import torch
from skimage.transform import resize

from ecs_med.config import TrainConfig
from ecs_med.errors import SettingsError
from ecs_med.networks import Initialization, build_segmenter, choose_initialization, packaged
from ecs_med.networks.encoders import channel_statistics
from ecs_med.networks.packaged import PACKAGED_ENCODERS, has_packaged_weights
from ecs_med.networks.weights import _packaged

CATS, COFFEES = {281, 282, 285}, {504, 967}
"""Classes of ImageNet: tabby, tiger cat, Egyptian cat; coffee mug, espresso."""


def install(monkeypatch: pytest.MonkeyPatch, *encoders: str) -> None:
    """Make it look as if the packages of these encoders and no others were installed."""
    modules = {PACKAGED_ENCODERS[name].module for name in encoders}
    monkeypatch.setattr(packaged, "find_spec", lambda name: name if name in modules else None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(params=[*PACKAGED_ENCODERS])
def installed(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if not has_packaged_weights(name):
        pytest.skip(f"the extra {PACKAGED_ENCODERS[name].extra} is not installed")
    return name


def test_every_package_is_what_its_extra_installs() -> None:
    path = Path(__file__).parents[2] / "pyproject.toml"
    extras = tomllib.loads(path.read_text())["project"]["optional-dependencies"]
    for one in PACKAGED_ENCODERS.values():
        assert [entry.split(">=")[0] for entry in extras[one.extra]] == [one.package]


@pytest.mark.parametrize("name", PACKAGED_ENCODERS)
def test_images_are_normalised_as_the_table_says(name: str) -> None:
    one = PACKAGED_ENCODERS[name]
    assert channel_statistics(name, 3) == ([one.mean] * 3, [one.std] * 3)


def test_packaged_weights_are_the_encoders(installed: str) -> None:
    """timm's own model filled by name must respond as our encoder does."""
    weights = Initialization(installed, "packaged")
    segmenter = build_segmenter(weights, in_channels=3, num_classes=2)
    reference = timm.create_model(installed)
    reference.load_state_dict(_packaged(installed))
    image = torch.randn(1, 3, 64, 64)
    ours = segmenter.get_submodule("encoder").eval()(image)
    stem = reference.eval().bn1(reference.conv_stem(image))
    torch.testing.assert_close(ours[1], reference.blocks[0](stem))
    assert weights.sentence().endswith(f"of the package {PACKAGED_ENCODERS[installed].package}")


@pytest.mark.parametrize(("picture", "classes"), [("cat", CATS), ("coffee", COFFEES)])
@pytest.mark.parametrize("published", [True, False])
def test_packaged_weights_classify(
    installed: str, picture: str, classes: set[int], published: bool
) -> None:
    """With the intensities of the weights' authors and with those that are used here."""
    model = timm.create_model(installed)
    model.load_state_dict(_packaged(installed))
    side = model.pretrained_cfg["input_size"][-1]
    pixels = resize(getattr(skimage.data, picture)(), (side, side), anti_aliasing=True)
    image = torch.tensor(pixels, dtype=torch.float32).permute(2, 0, 1)[None]
    one = PACKAGED_ENCODERS[installed]
    image = (image * 255 - 127) / 128 if published else (image - one.mean) / one.std
    with torch.no_grad():
        probabilities = model.eval()(image).softmax(dim=1)[0]
    assert probabilities.argmax().item() in classes
    assert probabilities.max() > 0.6


def test_what_is_installed_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for names in ([n] for n in PACKAGED_ENCODERS):
        install(monkeypatch, *names)
        for choice in ("auto", "imagenet"):
            config = TrainConfig(data=tmp_path, encoder_weights=choice)
            for initialization in choose_initialization(config):
                assert initialization == Initialization(names[0], "packaged")


def test_of_several_the_measured_best_is_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(monkeypatch, *PACKAGED_ENCODERS)
    segmenter, corrector = choose_initialization(TrainConfig(data=tmp_path))
    assert segmenter == corrector == Initialization("tf_efficientnet_lite0", "packaged")


@pytest.mark.parametrize(
    ("encoder", "remedy"),
    [
        ("tf_efficientnet_lite0", "install 'ecs-med[offline-weights]'."),
        ("tf_efficientnet_lite2", "install 'ecs-med[offline-weights-lite2]'."),
        ("resnet26", "install 'ecs-med[offline-weights]' for tf_efficientnet_lite0."),
    ],
)
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, encoder: str, remedy: str
) -> None:
    install(monkeypatch)
    with pytest.raises(SettingsError) as caught:
        choose_initialization(TrainConfig(data=tmp_path, encoder=encoder))
    assert str(caught.value).endswith(remedy)
    assert f"No ImageNet weights for {encoder} on this machine" in str(caught.value)


def test_weights_of_another_version_of_timm_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"_conv_stem.weight": torch.zeros(1)}, path)
    monkeypatch.setattr("ecs_med.networks.weights.packaged_weights_file", lambda _: path)
    with pytest.raises(SettingsError, match="do not match this version of timm"):
        build_segmenter(
            Initialization("tf_efficientnet_lite1", "packaged"), in_channels=3, num_classes=2
        )
