"""Random intensities of a batch: brightness, contrast, colour, blur.

Libraries draw once per call or per image in a loop; here every image of a batch has its own draw in
one operation on the device, and padding is kept out of means and blurs. The order is fixed:
brightness, contrast, saturation, hue, grey, blur.
"""

import math

import torch

from ecs_med.config import StrongSettings
from ecs_med.views.draws import chance, uniform

__all__ = ["blur", "jitter", "to_grey", "turn_hue", "vary_intensity"]

_GREY = (0.299, 0.587, 0.114)
"""Luma of R, G, B (ITU-R BT.601)."""

_RADIUS = 6
"""Of the kernel of a blur, in pixels: three of the largest standard deviation that is drawn."""


def vary_intensity(
    images: torch.Tensor,
    valid: torch.Tensor,
    settings: StrongSettings,
    has_colors: bool = True,
) -> torch.Tensor:
    """Vary each image by draws of its own.

    Args:
        images: `(B, C, *spatial)` in 0..1, floating point.
        valid: `(B, *spatial)`, bool, `False` in padding.
        settings: How much.
        has_colors: Whether three channels are red, green and blue, and not three contrasts of a
            volume, which have no hue.

    Returns:
        The same shape, in 0..1; 0 in padding.
    """
    has_colors = has_colors and images.shape[1] == 3
    is_jittered = chance(images, settings.jitter_share)
    # A factor of 1 and a turn of 0 leave an image as it is, to the last bit.
    factors = uniform(images, 3, low=1 - settings.jitter, high=1 + settings.jitter)
    factors = torch.where(is_jittered[:, None], factors, 1.0)
    turns = uniform(images, low=-settings.hue, high=settings.hue) * is_jittered
    is_grey = chance(images, settings.grey_share)
    is_blurred = chance(images, settings.blur_share)
    sigma = uniform(images, low=0.1, high=2.0)

    varied = jitter(images, valid, factors, has_colors)
    if has_colors:
        varied = turn_hue(varied, turns)
        varied = torch.where(_spread(is_grey, images), to_grey(varied), varied)
    varied = varied * valid[:, None]
    return _blur_some(varied, valid, sigma, is_blurred) if settings.blur_share else varied


def jitter(
    images: torch.Tensor, valid: torch.Tensor, factors: torch.Tensor, has_colors: bool = True
) -> torch.Tensor:
    """Brightness, contrast and, in RGB pictures, saturation.

    Args:
        images: `(B, C, *spatial)` in 0..1.
        valid: `(B, *spatial)`, bool.
        factors: `(B, 3)`, one for each of the three, 1: as it is.
        has_colors: Whether three channels are red, green and blue.

    Returns:
        Images in 0..1: times the first factor, then away from their mean by the second one, then
        away from the grey of each pixel by the third one. The mean is that of valid pixels, of
        their grey in RGB pictures, else of each channel.
    """
    has_colors = has_colors and images.shape[1] == 3
    brightness, contrast, saturation = (_spread(f, images) for f in factors.unbind(1))
    images = (images * brightness).clamp_(0, 1)
    count = valid.flatten(1).sum(1).clamp(min=1)
    sums = torch.einsum("bcn,bn->bc", images.flatten(2), valid.flatten(1).to(images))
    mean = (sums / count[:, None]).view(*images.shape[:2], *[1] * (images.ndim - 2))
    mean = to_grey(mean) if has_colors else mean
    images = torch.lerp(mean, images, contrast).clamp_(0, 1)
    if has_colors:
        images = torch.lerp(to_grey(images), images, saturation).clamp_(0, 1)
    return images


def to_grey(images: torch.Tensor) -> torch.Tensor:
    """The luma of RGB pictures, `(B, 3, *spatial)`, in all three channels."""
    red, green, blue = images.unbind(1)
    luma = (red * _GREY[0]).add_(green, alpha=_GREY[1]).add_(blue, alpha=_GREY[2])
    return luma[:, None].expand_as(images)


def turn_hue(images: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Rotate the colours of RGB pictures around the grey axis.

    A third of a turn makes red green and green blue, as in HSV; between these, colours keep their
    distance from grey where HSV keeps the largest and the smallest channel.

    Args:
        images: `(B, 3, *spatial)` in 0..1.
        turns: `(B,)`, 1 is a full turn.

    Returns:
        Pictures in 0..1: the rotation around (1, 1, 1), which keeps the mean of the channels, and
        then cut to the range.
    """
    cosine, sine = torch.cos(2 * math.pi * turns), torch.sin(2 * math.pi * turns)
    third, root = (1 - cosine) / 3, sine / math.sqrt(3)
    first, second, last = cosine + third, third - root, third + root
    rows = [(first, second, last), (last, first, second), (second, last, first)]
    matrix = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
    return torch.einsum("bij,bj...->bi...", matrix, images).clamp_(0, 1)


def blur(images: torch.Tensor, valid: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """A Gaussian blur of each image, of what is valid alone.

    Args:
        images: `(B, C, *spatial)`.
        valid: `(B, *spatial)`, bool; means are taken over valid pixels.
        sigma: `(B,)`, standard deviation in pixels, above 0 and at most 2.

    Returns:
        The same shape; 0 in padding.
    """
    weight = valid[:, None].to(images)
    # The weights are blurred as one more channel: their blur is what the others are divided by.
    blurred = torch.cat([images * weight, weight], dim=1)
    for axis in range(2, images.ndim):
        blurred = _blur_along(blurred, axis, sigma)
    # A valid pixel has a weight of 1 at least, its own.
    return blurred[:, :-1] / blurred[:, -1:].clamp(min=1) * weight


def _blur_along(values: torch.Tensor, axis: int, sigma: torch.Tensor) -> torch.Tensor:
    """Sums with the weights exp(-d^2 / 2 sigma^2) of the distance d, nothing beyond the border.

    Shifted sums take half the time of a grouped convolution on a CPU.
    """
    size = values.shape[axis]
    result = values.clone()
    for distance in range(1, min(_RADIUS, size - 1) + 1):
        weight = _spread(torch.exp(-(distance**2) / (2 * sigma**2)), values)
        count = size - distance
        before, after = (values.narrow(axis, start, count) for start in (0, distance))
        result.narrow(axis, 0, count).addcmul_(after, weight)
        result.narrow(axis, distance, count).addcmul_(before, weight)
    return result


def _blur_some(
    images: torch.Tensor, valid: torch.Tensor, sigma: torch.Tensor, chosen: torch.Tensor
) -> torch.Tensor:
    """`images` with the `chosen` ones, `(B,)`, bool, blurred."""
    if images.device.type != "cpu":
        # Which ones they are would have to be waited for; all of them cost less.
        return torch.where(_spread(chosen, images), blur(images, valid, sigma), images)
    rows = chosen.nonzero()[:, 0]
    images[rows] = blur(images[rows], valid[rows], sigma[rows])
    return images


def _spread(values: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """One value an image, to be broadcast over its channels and pixels."""
    return values.view(-1, *[1] * (images.ndim - 1))
