"""Intensities against torchvision, SciPy and Pillow, which know no padding, and loops that do."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from scipy import ndimage
from scipy.spatial.transform import Rotation
from torchvision.transforms import functional as tv

from ecs_med.config import StrongSettings
from ecs_med.views.intensity import blur, jitter, to_grey, turn_hue, vary_intensity

Array = npt.NDArray[np.float64]

LUMA = np.array([0.299, 0.587, 0.114])
STILL = {"jitter_share": 0, "grey_share": 0, "blur_share": 0}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def pictures(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def ragged(*shape: int) -> torch.Tensor:
    """All of the first image, a corner of the second, one pixel of the third, and so on."""
    valid = torch.zeros(shape, dtype=torch.bool)
    valid[0] = True
    valid[1, : shape[1] // 2, 2:] = True
    valid[2, ..., 3] = True
    return valid


def literal_jitter(image: Array, valid: npt.NDArray[np.bool_], factors: Array) -> Array:
    """`(C, *spatial)`; written from the sentence, one image at a time."""
    rgb = len(image) == 3
    image = np.clip(image * factors[0], 0, 1)
    means = np.array([channel[valid].mean() for channel in image])
    if rgb:
        means = np.full(3, LUMA @ means)
    means = means.reshape(-1, *[1] * valid.ndim)
    image = np.clip(means + factors[1] * (image - means), 0, 1)
    if rgb:
        grey = np.tensordot(LUMA, image, 1)
        image = np.clip(grey + factors[2] * (image - grey), 0, 1)
    return image


@pytest.mark.parametrize("shape", [(3, 9, 7), (1, 9, 7), (4, 9, 7), (2, 5, 6, 7), (3, 5, 6, 7)])
def test_jitter_is_that_of_loops_over_valid_pixels(shape: tuple[int, ...]) -> None:
    images, valid = pictures(3, *shape), ragged(3, *shape[1:])
    factors = torch.tensor([[0.5, 1.5, 0.7], [1.4, 0.6, 1.5], [1.0, 1.3, 0.0]]).double()
    found = jitter(images, valid, factors)
    for one, image, mask, drawn in zip(found, images, valid, factors, strict=True):
        expected = literal_jitter(image.numpy(), mask.numpy(), drawn.numpy())
        np.testing.assert_allclose(one.numpy(), expected, atol=1e-13)


@pytest.mark.parametrize("channels", [1, 3])
def test_jitter_is_torchvisions_without_padding(channels: int) -> None:
    images = pictures(2, channels, 12, 10)
    factors = torch.tensor([[0.6, 1.4, 1.3], [1.5, 0.5, 0.2]]).double()
    found = jitter(images, torch.ones(2, 12, 10, dtype=torch.bool), factors)
    for one, image, drawn in zip(found, images, factors.tolist(), strict=True):
        image = tv.adjust_contrast(tv.adjust_brightness(image, drawn[0]), drawn[1])
        if channels == 3:
            image = tv.adjust_saturation(image, drawn[2])
        # torchvision takes 0.2989 for the red of a luma.
        torch.testing.assert_close(one, image, rtol=0, atol=3e-4)


def test_grey_is_pillows() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(pixels).convert("L"))
    found = to_grey(torch.from_numpy(pixels).movedim(-1, 0)[None].double())
    assert found.shape == (1, 3, 16, 16)
    assert (found[0] - torch.from_numpy(expected.copy())).abs().max() <= 0.51  # Pillow rounds.


@pytest.mark.parametrize("shape", [(6, 5), (3, 4, 5)])
def test_hue_is_a_rotation_around_grey(shape: tuple[int, ...]) -> None:
    images, turns = pictures(3, 3, *shape), torch.tensor([0.1, -0.25, 0.4]).double()
    for image, turn, found in zip(images, turns, turn_hue(images, turns), strict=True):
        axis = 2 * math.pi * turn.item() * np.ones(3) / math.sqrt(3)
        colors = image.flatten(1).T.numpy()
        expected = np.clip(Rotation.from_rotvec(axis).apply(colors), 0, 1).T
        np.testing.assert_allclose(found.flatten(1).numpy(), expected, atol=1e-13)


def test_hue_is_torchvisions_where_both_mean_the_same() -> None:
    images = pictures(1, 3, 6, 5)
    for turn in (0.0, 1 / 3, -1 / 3):
        found = turn_hue(images, torch.tensor([turn]).double())
        torch.testing.assert_close(found[0], tv.adjust_hue(images[0], turn), rtol=0, atol=1e-6)
    assert torch.equal(turn_hue(images, torch.zeros(1).double()), images)


@pytest.mark.parametrize("shape", [(3, 17, 11), (1, 17, 4), (2, 9, 8, 7), (5, 1, 9)])
def test_blur_is_scipys_of_the_valid_pixels(shape: tuple[int, ...]) -> None:
    images, valid = pictures(3, *shape), ragged(3, *shape[1:-1], max(shape[-1], 4))
    valid = valid[..., : shape[-1]]
    sigmas = torch.tensor([2.0, 1.3, 0.1]).double()
    found = blur(images, valid, sigmas)
    for one, image, mask, sigma in zip(found, images, valid, sigmas, strict=True):
        options = {"sigma": sigma.item(), "mode": "constant", "radius": 6}
        weight = mask.numpy().astype(float)
        divisor = np.where(weight, ndimage.gaussian_filter(weight, **options), 1)
        for channel, expected in zip(one.numpy(), image.numpy() * weight, strict=True):
            expected = ndimage.gaussian_filter(expected, **options) / divisor * weight
            np.testing.assert_allclose(channel, expected, atol=1e-13)


def test_blur_has_its_standard_deviation() -> None:
    images = torch.zeros(1, 1, 1, 41).double()
    images[..., 20] = 1
    spread = blur(images, torch.ones(1, 1, 41, dtype=torch.bool), torch.tensor([2.0]).double())
    distances = torch.arange(-20, 21).double()
    assert ((spread[0, 0, 0] * distances**2).sum() ** 0.5).item() == pytest.approx(2, abs=0.06)


@pytest.mark.parametrize("shape", [(3, 12, 9), (1, 12, 9), (4, 12, 9), (1, 6, 7, 8)])
def test_padding_never_counts_and_stays_padding(shape: tuple[int, ...]) -> None:
    valid = ragged(4, *shape[1:])
    clean = pictures(4, *shape) * valid[:, None]
    dirty = torch.where(valid[:, None], clean, pictures(4, *shape, seed=1))
    results = []
    for images in (clean, dirty):
        torch.manual_seed(0)
        results.append(vary_intensity(images, valid, StrongSettings(jitter_share=1, blur_share=1)))
    assert torch.equal(*results)
    assert not results[0][~valid[:, None].expand_as(clean)].any()
    assert (results[0] >= 0).all()
    assert (results[0] <= 1).all()


def test_images_that_nothing_happens_to_stay_as_they_are() -> None:
    images, valid = pictures(64, 3, 4, 4), torch.ones(64, 4, 4, dtype=torch.bool)
    assert torch.equal(vary_intensity(images, valid, StrongSettings.parse(STILL)), images)
    for name in STILL:
        torch.manual_seed(0)
        settings = StrongSettings.parse({**STILL, name: 0.25})
        found = vary_intensity(images, valid, settings)
        changed = (found != images).flatten(1).any(1)
        assert 8 <= changed.sum() <= 24, name
        assert torch.equal(found[~changed], images[~changed])


def test_every_image_has_draws_of_its_own() -> None:
    images = pictures(1, 3, 6, 6).expand(8, -1, -1, -1)
    valid = torch.ones(8, 6, 6, dtype=torch.bool)
    found = vary_intensity(images, valid, StrongSettings(jitter_share=1))
    assert len({tuple(one.flatten().tolist()) for one in found}) == 8


def test_three_contrasts_of_a_volume_have_no_colour() -> None:
    images, valid = pictures(4, 3, 6, 6), torch.ones(4, 6, 6, dtype=torch.bool)
    other = images.clone()
    other[:, 2] = 1 - other[:, 2]
    settings, results = StrongSettings(jitter_share=1, grey_share=1), []
    for given in (images, other):
        torch.manual_seed(0)
        results.append(vary_intensity(given, valid, settings, has_colors=False))
    assert torch.equal(results[0][:, :2], results[1][:, :2])
    grey = vary_intensity(images, valid, settings)
    assert torch.equal(grey[:, 0], grey[:, 2])
