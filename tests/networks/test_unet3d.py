import pytest
import torch
from monai.networks.nets import DynUNet, UNet

from ecs_med.errors import SettingsError
from ecs_med.networks import Initialization, build_segmenter
from ecs_med.networks.correctors import CorrectorPlan, corrector_kind
from ecs_med.networks.halves import decode, encode, spatial_dims

SMALL = {"channels": [4, 8, 16]}
NAMES = ["unet3d", "dynunet"]


def segmenter(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_segmenter(
        Initialization(name, "network"), in_channels=2, num_classes=3, network=name, settings=SMALL
    )


@pytest.mark.parametrize("name", NAMES)
def test_halves_are_the_whole_to_the_last_bit(name: str) -> None:
    network, images = segmenter(name), torch.randn(2, 2, 16, 24, 16)
    features = encode(network, images)
    assert torch.equal(decode(network, features), network(images))
    sides = [feature.shape[2] for feature in features]
    assert sides == sorted(sides, reverse=True)
    assert spatial_dims(network) == 3


def test_weights_are_those_of_the_stock_classes() -> None:
    plain = UNet(3, 2, 3, (4, 8, 16), (2, 2), num_res_units=2, norm="INSTANCE")
    dynamic = DynUNet(3, 2, 3, (3, 3, 3), (1, 2, 2), (2, 2), filters=(4, 8, 16))
    images = torch.randn(1, 2, 16, 16, 16)
    for stock, name in ((plain, "unet3d"), (dynamic, "dynunet")):
        own = segmenter(name)
        missing, unexpected = stock.load_state_dict(own.state_dict(), strict=False)
        assert not unexpected
        # Second names of weights that are loaded.
        assert all(name.startswith("skip_layers.") for name in missing)
        assert torch.equal(stock(images), own(images))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["network", "mask"])
def test_a_corrector_judges_volumes(name: str, kind: str) -> None:
    network = segmenter(name)
    plan = CorrectorPlan(
        network, Initialization("none", "none"), 2, 3, network=name, network_settings=SMALL
    )
    corrector = corrector_kind(kind).build(plan)
    inputs = torch.randn(2, 2 + 3, 16, 16, 32)
    logits = corrector(inputs)
    assert logits.shape == (2, 4, 16, 16, 32)
    logits.sum().backward()
    assert all(p.grad is not None for p in corrector.parameters())
    assert all(p.grad is None for p in network.parameters())


def test_the_second_decoder_is_refused_by_name() -> None:
    plan = CorrectorPlan(
        segmenter("unet3d"), Initialization("none", "none"), 2, 3, network="unet3d"
    )
    with pytest.raises(SettingsError, match=r"^The second decoder .* made for slices.*`dims=2`\.$"):
        corrector_kind("decoder").build(plan)
