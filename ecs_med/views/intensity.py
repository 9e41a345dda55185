"""Random intensities of a batch: brightness, contrast, colour, blur.

Libraries draw once per call or per image in a loop; here every image of a batch has its own draw in
one operation on the device, and padding is kept out of means and blurs.
"""

import math

import torch
from torch.nn import functional as F

from ecs_med.config import StrongSettings
from ecs_med.views.draws import chance, uniform

__all__ = ["blur", "jitter", "to_grey", "turn_hue", "vary_intensity"]

_GREY = (0.299, 0.587, 0.114)
"""Luma of R, G, B (ITU-R BT.601)."""

_RADIUS = 4
"""Of the kernel of a blur, in pixels: two standard deviations at most are drawn."""


def vary_intensity(
    images: torch.Tensor, valid: torch.Tensor, settings: StrongSettings
) -> torch.Tensor:
    """Vary each image by draws of its own.

    Args:
        images: `(B, C, *spatial)` in 0..1, floating point.
        valid: `(B, *spatial)`, bool, `False` in padding.
        settings: How much.

    Returns:
        The same shape, in 0..1; 0 in padding.
    """
    is_jittered = _spread(chance(images, settings.jitter_share), images)
    factors = uniform(images, 3, low=1 - settings.jitter, high=1 + settings.jitter)
    varied = jitter(images, valid, factors)
    turns = uniform(images, low=-settings.hue, high=settings.hue)
    is_grey = _spread(chance(images, settings.grey_share), images)
    if images.shape[1] == 3:
        varied = turn_hue(varied, turns)
    images = torch.where(is_jittered, varied, images)
    if images.shape[1] == 3:
        images = torch.where(is_grey, to_grey(images), images)
    is_blurred = _spread(chance(images, settings.blur_share), images)
    sigma = uniform(images, low=0.1, high=2.0)
    if settings.blur_share:
        images = torch.where(is_blurred, blur(images, valid, sigma), images)
    return images.clamp(0, 1) * valid[:, None]


def jitter(images: torch.Tensor, valid: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Brightness, contrast and, in RGB pictures, saturation.

    Args:
        images: `(B, C, *spatial)` in 0..1.
        valid: `(B, *spatial)`, bool.
        factors: `(B, 3)`, one for each of the three, 1: as it is.

    Returns:
        Images in 0..1: times the first factor, then away from their mean grey by the second one,
        then away from the grey of each pixel by the third one.
    """
    brightness, contrast, saturation = (_spread(f, images) for f in factors.unbind(1))
    images = (images * brightness).clamp(0, 1)
    axes = tuple(range(1, images.ndim))
    grey = to_grey(images)
    count = valid.flatten(1).sum(1).clamp(min=1) * images.shape[1]
    mean = (grey * valid[:, None]).sum(axes) / count
    mean = _spread(mean, images)
    images = ((images - mean) * contrast + mean).clamp(0, 1)
    if images.shape[1] == 3:
        grey = to_grey(images)
        images = ((images - grey) * saturation + grey).clamp(0, 1)
    return images


def to_grey(images: torch.Tensor) -> torch.Tensor:
    """The luma of RGB pictures in all three channels; other images as they are."""
    if images.shape[1] != 3:
        return images
    weights = images.new_tensor(_GREY).view(1, 3, *[1] * (images.ndim - 2))
    return (images * weights).sum(1, keepdim=True).expand_as(images)


def turn_hue(images: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Rotate the colours of RGB pictures around the grey axis.

    Args:
        images: `(B, 3, *spatial)` in 0..1.
        turns: `(B,)`, 1 is a full turn.

    Returns:
        Pictures in 0..1: the vector product form of a rotation around (1, 1, 1), which keeps the
        mean of the channels. Cheaper than a way through HSV, without its jumps.
    """
    cosine, sine = torch.cos(2 * math.pi * turns), torch.sin(2 * math.pi * turns)
    third, root = (1 - cosine) / 3, sine / math.sqrt(3)
    first, second, last = cosine + third, third - root, third + root
    rows = [(first, second, last), (last, first, second), (second, last, first)]
    matrix = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
    return torch.einsum("bij,bj...->bi...", matrix, images).clamp(0, 1)


def blur(images: torch.Tensor, valid: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """A Gaussian blur of each image, of what is valid alone.

    Args:
        images: `(B, C, *spatial)`.
        valid: `(B, *spatial)`, bool; means are taken over valid pixels.
        sigma: `(B,)`, standard deviation in pixels, above 0.

    Returns:
        The same shape; 0 where nothing near is valid.
    """
    offsets = torch.arange(-_RADIUS, _RADIUS + 1, device=images.device, dtype=images.dtype)
    kernels = torch.exp(-(offsets**2) / (2 * sigma[:, None] ** 2))
    weight = valid[:, None].to(images)
    # The weights are blurred as one more channel: their blur is what the others are divided by.
    blurred = torch.cat([images * weight, weight], dim=1)
    batch, channels, *spatial = blurred.shape
    for axis in range(len(spatial)):
        shape = [batch * channels, 1] + [1] * len(spatial)
        shape[2 + axis] = len(offsets)
        kernel = kernels.repeat_interleave(channels, dim=0).view(shape)
        padding = [_RADIUS if axis == other else 0 for other in range(len(spatial))]
        flat = blurred.reshape(1, batch * channels, *spatial)
        convolve = (F.conv1d, F.conv2d, F.conv3d)[len(spatial) - 1]
        flat = convolve(flat, kernel, padding=padding, groups=batch * channels)
        blurred = flat.view(batch, channels, *spatial)
    return blurred[:, :-1] / blurred[:, -1:].clamp(min=1e-6)


def _spread(values: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """One value an image, to be broadcast over its channels and pixels."""
    return values.view(-1, *[1] * (images.ndim - 1))
