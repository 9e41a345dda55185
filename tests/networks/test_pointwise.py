"""Quick 1 x 1 convolutions against einsum, and where they leave the layer as it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from ecs_med.networks import pointwise
from ecs_med.networks.pointwise import PointwiseConv2d, _as_images, _is_slow


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def channels_last(*shape: int) -> torch.Tensor:
    return torch.randn(shape).contiguous(memory_format=torch.channels_last)


@pytest.fixture(params=[True, False], ids=["product", "images"])
def _library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pointwise, "_mkl_is_quick", lambda: request.param)


@pytest.mark.usefixtures("_library")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(8, 16, 6, 4), (1, 20, 12, 12), (3, 16, 16, 9), (15, 32, 4, 4)])
def test_values_and_gradients_are_those_of_the_sum_over_channels(
    shape: tuple[int, ...], bias: bool
) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(shape[1], 24, 1, bias=bias).to(memory_format=torch.channels_last)
    quick = PointwiseConv2d(layer)
    images = channels_last(*shape).requires_grad_()
    assert _is_slow(images)
    assert _as_images(images) is not None
    gradient = channels_last(shape[0], 24, *shape[2:])
    found = quick(images)
    assert found.is_contiguous(memory_format=torch.channels_last)
    found.backward(gradient)
    of_images, of_weight = images.grad, quick.weight.grad
    assert of_images is not None
    assert of_weight is not None
    x, w, g = (t.detach().double() for t in (images, layer.weight[:, :, 0, 0], gradient))
    expected = torch.einsum("bchw,oc->bohw", x, w)
    if quick.bias is not None:
        expected += quick.bias.detach().double()[:, None, None]
        assert torch.allclose(quick.bias.grad.double(), g.sum(dim=(0, 2, 3)), atol=1e-4)  # type: ignore[union-attr]
    assert torch.allclose(found.double(), expected, atol=1e-5)
    assert torch.allclose(of_images.double(), torch.einsum("bohw,oc->bchw", g, w), atol=1e-5)
    of_taps = torch.einsum("bohw,bchw->oc", g, x)
    assert torch.allclose(of_weight[:, :, 0, 0].double(), of_taps, atol=1e-4)


@pytest.mark.usefixtures("_library")
@pytest.mark.parametrize("bias", [True, False])
def test_in_inference_values_are_the_same(bias: bool) -> None:
    images, layer = channels_last(3, 20, 12, 9), nn.Conv2d(20, 24, 1, bias=bias)
    with torch.inference_mode():
        found = PointwiseConv2d(layer)(images)
        torch.testing.assert_close(found, layer(images))
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("images", "why"),
    [
        (torch.randn(8, 16, 6, 4), "contiguous"),
        (channels_last(16, 16, 6, 4), "enough images"),
        (channels_last(0, 16, 6, 4), "no image"),
        (torch.randn(16, 6, 4), "one image without its axis"),
    ],
)
def test_elsewhere_it_is_the_layer_itself(images: torch.Tensor, why: str) -> None:
    layer = nn.Conv2d(16, 24, 1)
    assert not _is_slow(images), why
    assert torch.equal(PointwiseConv2d(layer)(images), layer(images))


@pytest.mark.parametrize("mkl", [True, False])
def test_few_outputs_are_a_product_by_mkl_alone(monkeypatch: pytest.MonkeyPatch, mkl: bool) -> None:
    monkeypatch.setattr(pointwise, "_mkl_is_quick", lambda: mkl)
    images, layer = channels_last(2, 32, 8, 8), nn.Conv2d(32, 3, 1)
    found, expected = PointwiseConv2d(layer)(images), layer(images)
    torch.testing.assert_close(found, expected)
    assert mkl or torch.equal(found, expected)


@pytest.mark.parametrize("sides", [(3, 5), (67, 1)], ids=["fifteen pixels", "a prime number"])
def test_pixels_that_cannot_be_shown_as_enough_images(
    monkeypatch: pytest.MonkeyPatch, sides: tuple[int, int]
) -> None:
    monkeypatch.setattr(pointwise, "_mkl_is_quick", lambda: False)
    images, layer = channels_last(1, 16, *sides), nn.Conv2d(16, 24, 1)
    assert _as_images(images) is None
    assert torch.equal(PointwiseConv2d(layer)(images), layer(images))


def test_more_threads_have_a_quick_library_already() -> None:
    torch.set_num_threads(2)
    assert not _is_slow(channels_last(8, 16, 6, 4))


@pytest.mark.parametrize(
    ("layer", "fits"),
    [
        (nn.Conv2d(16, 24, 1), True),
        (nn.Conv2d(16, 24, 1, stride=2), False),
        (nn.Conv2d(16, 24, 3), False),
        (nn.Conv2d(16, 24, 1, padding=1), False),
        (nn.Conv2d(16, 32, 1, groups=16), False),
        (nn.Conv2d(256, 2, 1), True),
        (nn.Conv2d(2, 256, 1), False),
        (nn.Conv3d(16, 24, 1), False),
        (nn.Linear(16, 24), False),
    ],
)
def test_which_layers_are_taken_over(layer: nn.Module, fits: bool) -> None:
    assert PointwiseConv2d.fits(layer) == fits


@pytest.mark.parametrize(
    ("text", "quick"),
    [("vendor_id\t: GenuineIntel\n", True), ("vendor_id\t: AuthenticAMD\n", False)],
)
def test_mkl_is_quick_on_its_maker_s_processors(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, quick: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(pointwise, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    assert pointwise._mkl_is_quick.__wrapped__() == quick
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    assert not pointwise._mkl_is_quick.__wrapped__()
