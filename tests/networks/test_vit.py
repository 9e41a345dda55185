"""Plain vision transformers as encoders: contract, weights, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch
from torch import nn
from torch.nn import functional as F

import ecs_med
from ecs_med.config import OptimizerSettings, TrainConfig
from ecs_med.data.readers import read_scan
from ecs_med.errors import SettingsError
from ecs_med.inference.predictor import segment
from ecs_med.methods import optimizer_settings
from ecs_med.networks import Initialization, build_segmenter, choose_initialization
from ecs_med.networks.encoders import is_plain_vit
from ecs_med.networks.vit import VitEncoder, VitNetwork, VitSegmenter
from ecs_med.training.resolve import Images, resolve
from ecs_med_datasets.phantom import write_phantom

TINY = "test_vit"
IMAGES = Images("picture", 3, (64, 64))
OWN = VitNetwork.own_encoders


def build(encoder: str = TINY, channels: int = 3, **weights: Any) -> VitSegmenter:
    initialization = Initialization(encoder, **{"source": "none", **weights})
    network = build_segmenter(
        initialization,
        in_channels=channels,
        num_classes=5,
        network="vit",
        settings={"width": 16},
    )
    assert isinstance(network, VitSegmenter)
    return network


def tiny(patch: int, **more: Any) -> nn.Module:
    """A transformer of two blocks with patches of any size."""
    size = {"img_size": 4 * patch, "patch_size": patch, "embed_dim": 16, "depth": 2, "num_heads": 2}
    model: nn.Module = timm.create_model(
        "test_vit", num_classes=0, dynamic_img_size=True, **size, **more
    )
    return model


def save(state: dict[str, torch.Tensor], path: Path) -> Path:
    safetensors.torch.save_file({k: v.contiguous() for k, v in state.items()}, path)
    return path


def test_nothing_is_asked_of_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    _, (segmenter, _) = resolved(encoder=TINY, method="ecs")
    assert build(segmenter.encoder).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 5, 32, 32)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(64, 96), (32, 32)])
def test_it_keeps_the_contract(channels: int, size: tuple[int, int]) -> None:
    network = build(channels=channels).eval()
    images = torch.randn(2, channels, *size)
    logits = network(images)
    assert logits.shape == (2, 5, *size)
    assert torch.equal(network.decode(network.encode(images)), logits)
    features = network.encoder(images)
    assert [f.shape[1] for f in features] == network.encoder.out_channels
    logits.sum().backward()
    assert all(p.grad is not None for p in network.decoder.parameters())
    assert network.encoder.model.get_parameter("patch_embed.proj.weight").grad is not None


def test_maps_come_from_blocks_spread_over_the_depth() -> None:
    def blocks(depth: int) -> tuple[int, ...]:
        return VitEncoder(timm.create_model("test_vit", depth=depth, num_classes=0)).blocks

    assert [blocks(depth) for depth in (1, 2, 6, 12)] == [(0,), (0, 1), (0, 2, 3, 5), (2, 5, 8, 11)]


def test_maps_are_those_of_the_transformer() -> None:
    """Against its blocks called one after another, on an image of its own size."""
    model = tiny(8).eval()
    images = torch.randn(1, 3, 32, 32)
    tokens = model.patch_embed(images).flatten(1, 2)  # type: ignore[operator]
    tokens = torch.cat([model.cls_token, tokens], dim=1) + model.pos_embed  # type: ignore[list-item, operator]
    expected = []
    for block in model.blocks:  # type: ignore[union-attr]
        tokens = block(tokens)
        expected.append(model.norm(tokens)[:, 1:].reshape(1, 4, 4, 16).permute(0, 3, 1, 2))  # type: ignore[operator]
    for found, map_ in zip(VitEncoder(model)(images)[1:], expected, strict=True):
        torch.testing.assert_close(found, map_)


@pytest.mark.parametrize("size", [(64, 96), (41, 70), (14, 13)])
def test_sides_are_filled_up_to_patches(size: tuple[int, int]) -> None:
    """As if the image had been filled up beforehand and the logits cut."""
    network = VitSegmenter(VitEncoder(tiny(14)), width=8, num_classes=2).eval()
    images = torch.randn(1, 3, *size)
    filled = F.pad(images, (0, -size[1] % 14, 0, -size[0] % 14))
    with torch.no_grad():
        found, expected = network(images), network(filled)
    assert found.shape == (1, 2, *size)
    torch.testing.assert_close(found, expected[..., : size[0], : size[1]])


def test_a_grey_image_gives_the_response_of_its_rgb_copy() -> None:
    torch.manual_seed(0)
    rgb = build().encoder.eval()
    torch.manual_seed(0)
    grey = build(channels=1).encoder.eval()
    image = torch.randn(1, 1, 32, 32)
    torch.testing.assert_close(grey(image)[-1], rgb(image.expand(1, 3, 32, 32))[-1])


@pytest.mark.parametrize("prefix", ["", "encoder.model.", "backbone."])
def test_weights_of_a_file_go_round(tmp_path: Path, prefix: str) -> None:
    state = timm.create_model(TINY).state_dict()  # With a head, which is not asked for.
    path = save({prefix + key: value for key, value in state.items()}, tmp_path / "w.safetensors")
    found = build(source="file", file=path).encoder.model.state_dict()
    assert found.keys() <= state.keys()
    for key, value in found.items():
        assert torch.equal(value, state[key]), key


@pytest.mark.parametrize("name", ["vit_small_patch14_dinov2", "vit_small_patch14_reg4_dinov2"])
def test_weights_as_the_authors_of_dinov2_save_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    real = timm.create_model
    small = {"embed_dim": 16, "depth": 2, "num_heads": 2}
    monkeypatch.setattr(timm, "create_model", lambda *a, **k: real(*a, **k, **small))
    model = timm.create_model(name, num_classes=0)
    state = dict(model.state_dict()) | {"mask_token": torch.zeros(1, 16)}
    if "reg_token" in state:
        state["register_tokens"] = state.pop("reg_token")
        state["pos_embed"] = torch.cat([torch.zeros(1, 1, 16), state["pos_embed"]], dim=1)
    path = tmp_path / "dinov2.pth"
    torch.save(state, path)
    found = build(name, source="file", file=path).encoder.model.state_dict()
    for key, value in model.state_dict().items():
        assert torch.equal(found[key], value), key


def test_weights_for_another_size_of_images_are_interpolated(tmp_path: Path) -> None:
    larger = timm.create_model(TINY, img_size=320).state_dict()
    larger["pos_embed"] = torch.randn(1, 1, 64).expand_as(larger["pos_embed"])
    path = save(larger, tmp_path / "w.safetensors")
    found = build(source="file", file=path).encoder.model.state_dict()
    assert found["pos_embed"].shape[1] < larger["pos_embed"].shape[1]
    assert torch.equal(found["blocks.0.attn.qkv.weight"], larger["blocks.0.attn.qkv.weight"])
    # The mean of equal values is that value.
    torch.testing.assert_close(found["pos_embed"][0, 5], larger["pos_embed"][0, 0])


def test_weights_of_another_transformer_are_refused(tmp_path: Path) -> None:
    path = save(tiny(8).state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(SettingsError, match="do not fit the encoder test_vit"):
        build(source="file", file=path)


@pytest.mark.parametrize(
    ("encoder", "expected"),
    [
        (TINY, True),
        (f"tu-{TINY}", True),
        ("vit_small_patch16_dinov3", True),
        ("resnet50", False),
        ("swin_tiny_patch4_window7_224", False),
        ("vit_small_r26_s32_224", False),
        ("mit_b0", False),
    ],
)
def test_which_encoders_are_plain_vision_transformers(encoder: str, expected: bool) -> None:
    assert is_plain_vit(encoder) is expected


def resolved(**values: Any) -> tuple[TrainConfig, tuple[Initialization, Initialization]]:
    given = {"data": "x", "device": "cpu", "encoder_weights": "none", "network": "vit"}
    return resolve(TrainConfig.parse(given | values), IMAGES, Path("run"))


def test_the_corrector_stands_on_a_usual_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, (segmenter, corrector) = resolved(method="ecs")
    assert (segmenter.encoder, corrector.encoder) == (OWN[0], "resnet34")
    path = tmp_path / "w.pth"
    path.touch()
    monkeypatch.setattr("ecs_med.networks.initialization._is_cached", lambda _: True)
    config, (segmenter, corrector) = resolved(method="ecs", encoder=TINY, encoder_weights=str(path))
    assert segmenter == Initialization(TINY, "file", path)
    assert corrector.source in ("hub", "packaged")
    assert config.encoder_weights == str(path)


def test_the_default_is_the_first_whose_weights_are_at_hand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("ecs_med.networks.initialization._is_cached", lambda name: name == OWN[1])
    config = TrainConfig(data=tmp_path, network="vit", method="supervised")
    first, _ = choose_initialization(config, own_encoders=OWN, with_corrector=False)
    assert first == Initialization(OWN[1], "hub")
    assert first.sentence() == f"{OWN[1]} with the weights of timm ({OWN[1]}.lvd1689m)"


def test_missing_weights_are_told_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SettingsError) as caught:
        resolved(method="supervised", encoder_weights="auto")
    assert str(caught.value) == (
        f"No weights for {OWN[0]} on this machine; set `encoder_weights` to imagenet to download "
        "them, to a file or to none."
    )


@pytest.mark.parametrize("network", ["deeplabv3plus", "deeplabv2"])
def test_deeplabs_point_to_it(network: str) -> None:
    with pytest.raises(SettingsError, match=r"stand; use `network` vit with it, or choose a conv"):
        resolved(network=network, encoder="vit_small_patch14_dinov2")
    with pytest.raises(SettingsError, match="use `network` vit"):
        build_segmenter(Initialization(TINY, "none"), in_channels=3, num_classes=2, network=network)


def test_a_corrector_on_a_transformer_is_refused_before_data_is_read() -> None:
    with pytest.raises(
        SettingsError, match=r"corrector cannot stand; choose a conv.* `corrector_encoder`"
    ):
        resolved(method="ecs", corrector_encoder=TINY)


def test_other_encoders_are_refused() -> None:
    with pytest.raises(SettingsError, match="plain vision transformer of timm, and resnet50 is no"):
        resolved(encoder="resnet50")


def test_its_rates_are_those_of_transformers() -> None:
    config = TrainConfig.parse({"data": "x", "network": "vit", "method": "ecs"})
    found = optimizer_settings(config)
    assert found["segmenter"] == OptimizerSettings(name="adam", lr=5e-6, head_factor=40)
    assert found["corrector"] == OptimizerSettings(name="adam", lr=1e-4)
    own = {"optimizers": {"segmenter": {"name": "sgd", "lr": 1}}}
    assert optimizer_settings(TrainConfig.parse({"data": "x", "network": "vit"} | own))[
        "segmenter"
    ] == OptimizerSettings(name="sgd", lr=1)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["supervised", "ecs", "s4gan+mlmt"])
@pytest.mark.parametrize("freeze", [True, False])
def test_runs_train_and_predict(tmp_path: Path, method: str, freeze: bool) -> None:
    data = tmp_path / "data"
    write_phantom(data, num_images=16, seed=0, size=32)
    weights = save(timm.create_model(TINY).state_dict(), tmp_path / "w.safetensors")
    settings: dict[str, Any] = {
        "data": data,
        "labeled": "50%",
        "run": tmp_path / "run",
        "method": method,
        "network": "vit",
        "network_settings": {"width": 16},
        "encoder": TINY,
        "encoder_weights": str(weights),
        "freeze_encoder": freeze,
        "corrector_encoder": "test_resnet",
        "iterations": 2,
        "batch": 2,
        "crop": 32,
        "min_size": 0,
        "device": "cpu",
        "cache": tmp_path / "cache",
    }
    if method == "ecs":
        settings |= {"encoder_weights": "none", "freeze_encoder": False}
    run = ecs_med.train(settings)
    model = ecs_med.load_model(run)
    assert isinstance(model.segmenter, VitSegmenter)
    start, end = timm.create_model(TINY).state_dict(), model.segmenter.encoder.model.state_dict()
    if method == "supervised":
        start = safetensors.torch.load_file(weights)
        assert all(torch.equal(start[key], end[key]) for key in end) is freeze
    image = next((data / "test" / "images").iterdir())
    assert segment(model, read_scan((image,))).labels.shape == (32, 32)
