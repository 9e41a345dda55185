"""The contract of segmenter and corrector, and where their weights come from."""

from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from ecs_med.config import TrainConfig
from ecs_med.errors import SettingsError
from ecs_med.networks import (
    Initialization,
    build_corrector,
    build_segmenter,
    choose_initialization,
    corrector_input,
    one_hot,
)
from ecs_med.networks.encoders import channel_statistics, library_name
from ecs_med.networks.packaged import PACKAGED_ENCODER
from ecs_med.networks.weights import load_encoder_weights

TINY = Initialization("test_resnet", "none")


def first_layer(network: nn.Module) -> nn.Conv2d:
    return next(m for m in network.modules() if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize("encoder", ["test_resnet", PACKAGED_ENCODER])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_both_networks_keep_the_contract(encoder: str, channels: int) -> None:
    initialization = Initialization(encoder, "none")
    segmenter = build_segmenter(initialization, in_channels=channels, num_classes=5).eval()
    corrector = build_corrector(initialization, in_channels=channels, num_classes=5).eval()
    images = torch.randn(2, channels, 64, 96)
    logits = segmenter(images)
    assert logits.shape == (2, 5, 64, 96)
    corrected = corrector(corrector_input(images, logits.softmax(dim=1)))
    assert corrected.shape == (2, 6, 64, 96)


def test_output_stride_16() -> None:
    segmenter = build_segmenter(TINY, in_channels=3, num_classes=2).eval()
    features = segmenter.encoder(torch.randn(1, 3, 64, 64))
    assert features[-1].shape[-2:] == (4, 4)


def test_a_grey_image_gives_the_response_of_its_rgb_copy() -> None:
    torch.manual_seed(0)
    rgb = first_layer(build_segmenter(TINY, in_channels=3, num_classes=2))
    torch.manual_seed(0)
    grey = first_layer(build_segmenter(TINY, in_channels=1, num_classes=2))
    image = torch.randn(1, 1, 16, 16)
    torch.testing.assert_close(grey(image), rgb(image.expand(1, 3, 16, 16)))


def test_the_correctors_first_layer_is_extended_by_he_normal_weights() -> None:
    torch.manual_seed(0)
    plain = first_layer(build_segmenter(TINY, in_channels=3, num_classes=2))
    torch.manual_seed(0)
    layer = first_layer(build_corrector(TINY, in_channels=3, num_classes=21))
    assert torch.equal(layer.weight[:, :3], plain.weight)
    fan_out = layer.out_channels * layer.kernel_size[0] * layer.kernel_size[1]
    assert layer.weight[:, 3:].std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.05)


def test_one_hot_is_all_zero_in_void() -> None:
    encoded = one_hot(torch.tensor([[1, 255, 0]]), 2)
    assert encoded.tolist() == [[[0, 0, 1], [1, 0, 0]]]


def test_an_unknown_encoder_is_told_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"'resnet5O'; did you mean .*resnet50"):
        library_name("resnet5O")


def test_an_encoder_that_cannot_be_dilated_is_refused_in_one_sentence() -> None:
    transformer = Initialization("swin_tiny_patch4_window7_224", "none")
    with pytest.raises(SettingsError, match="convolutional encoder"):
        build_segmenter(transformer, in_channels=3, num_classes=2)


def test_weights_from_a_file(tmp_path: Path) -> None:
    source = build_segmenter(TINY, in_channels=3, num_classes=2)
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(
        {f"encoder.{k}": v for k, v in source.encoder.state_dict().items()}, path
    )
    filled = build_segmenter(
        Initialization("test_resnet", "file", path), in_channels=3, num_classes=2
    )
    for key, value in source.encoder.state_dict().items():
        assert torch.equal(filled.encoder.state_dict()[key], value)


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04"])
def test_a_broken_weights_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    encoder = build_segmenter(TINY, in_channels=3, num_classes=2).encoder
    with pytest.raises(SettingsError, match=r"weights\.pth: not readable"):
        load_encoder_weights(encoder, Initialization("test_resnet", "file", path))


def test_weights_of_another_encoder_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file({"conv1.weight": torch.zeros(3)}, path)
    encoder = build_segmenter(TINY, in_channels=3, num_classes=2).encoder
    with pytest.raises(SettingsError, match="do not fit the encoder test_resnet"):
        load_encoder_weights(encoder, Initialization("test_resnet", "file", path))


def test_the_papers_encoders_are_the_default_without_weights(tmp_path: Path) -> None:
    first, second = choose_initialization(TrainConfig(data=tmp_path, encoder_weights="none"))
    assert (first.encoder, second.encoder) == ("resnet50", "resnet34")
    assert first.sentence() == "resnet50 with random weights"


def test_missing_weights_are_told_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SettingsError, match="No ImageNet weights for resnet26 on this machine"):
        choose_initialization(TrainConfig(data=tmp_path, encoder="resnet26"))


def test_channel_statistics_of_grey_images_are_the_average() -> None:
    assert channel_statistics("resnet50", 3)[0] == [0.485, 0.456, 0.406]
    assert channel_statistics("resnet50", 1)[0] == pytest.approx([0.449])
