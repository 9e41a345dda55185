"""Segmenters in two halves."""

import pytest
import segmentation_models_pytorch as smp
import torch
from tiny_networks import Halved
from torch import nn

from ecs_med.errors import SettingsError
from ecs_med.networks import Initialization, build_segmenter
from ecs_med.networks.halves import check_halves, decode, encode

TINY = Initialization("test_resnet", "none")


def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {
        **{
            name: build_segmenter(TINY, in_channels=3, num_classes=4, network=name)
            for name in ("deeplabv3plus", "deeplabv2")
        },
        "unet": smp.Unet("tu-test_resnet", encoder_weights=None, classes=4),
        "own": Halved(3, 4),
    }


@pytest.mark.parametrize("name", ["deeplabv3plus", "deeplabv2", "unet", "own"])
@pytest.mark.parametrize("training", [False, True])
def test_the_halves_one_after_the_other_are_the_whole(name: str, training: bool) -> None:
    network = networks()[name].train(training)
    images = torch.randn(2, 3, 64, 96)
    torch.manual_seed(1)  # Dropout.
    whole = network(images)
    torch.manual_seed(1)
    features = encode(network, images)
    assert torch.equal(decode(network, features), whole)
    assert all(len(feature) == 2 for feature in features)


@pytest.mark.parametrize("name", ["deeplabv3plus", "deeplabv2", "unet"])
def test_the_image_among_the_features_gives_its_size_alone(name: str) -> None:
    network = networks()[name].eval()
    image, *features = encode(network, torch.randn(2, 3, 64, 64))
    logits = decode(network, [image, *features])
    assert torch.equal(decode(network, [torch.zeros_like(image), *features]), logits)
    assert not torch.equal(decode(network, [image, *(0 * f for f in features)]), logits)


class Turned(smp.Unet):  # type: ignore[misc]
    """A forward pass that says nothing of its halves."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = super().forward(x.flip(-1)).flip(-1)
        return result


@pytest.mark.parametrize("kind", ["plain", "own forward", "two outputs"])
def test_others_are_refused_in_one_sentence(kind: str) -> None:
    network = {
        "plain": lambda: nn.Conv2d(3, 4, 1),
        "own forward": lambda: Turned("tu-test_resnet", encoder_weights=None),
        "two outputs": lambda: smp.Unet(
            "tu-test_resnet", encoder_weights=None, aux_params={"classes": 2}
        ),
    }[kind]()
    with pytest.raises(SettingsError, match=r"unimatch looks between .* choose another `network`"):
        check_halves(network, "unimatch")
    with pytest.raises(SettingsError, match="cannot be divided"):
        encode(network, torch.zeros(1, 3, 32, 32))
    with pytest.raises(SettingsError, match="cannot be divided"):
        decode(network, [torch.zeros(1, 3, 32, 32)])
