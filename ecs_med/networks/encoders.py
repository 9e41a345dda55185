"""Names, statistics and first layers of encoders."""

import difflib
from functools import cache

import segmentation_models_pytorch as smp
import timm
import torch
from timm.layers import PatchEmbed
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ecs_med.errors import SettingsError

__all__ = [
    "adapt_first_layer",
    "channel_statistics",
    "freeze_norm",
    "is_plain_vit",
    "library_name",
    "plain_name",
    "refuse_vit",
    "timm_name",
]


@cache
def library_name(encoder: str) -> str:
    """The name under which segmentation-models-pytorch builds `encoder`.

    timm's implementation is taken where timm has one (its name gets the prefix `tu-`),
    segmentation-models-pytorch's own otherwise.

    Raises:
        SettingsError: If neither library knows it; names the nearest ones.
    """
    plain = encoder.removeprefix("tu-")
    if timm.is_model(plain.split(".")[0]) and _has_variant(plain):
        return f"tu-{plain}"
    if encoder in smp.encoders.encoders:
        return encoder
    known = sorted({*timm.list_models(), *smp.encoders.encoders})
    near = difflib.get_close_matches(plain, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() names them all."
    raise SettingsError(f"Unknown encoder '{encoder}'; {hint}")


def _has_variant(name: str) -> bool:
    return "." not in name or timm.models.is_model_pretrained(name)


def timm_name(encoder: str) -> str | None:
    """`encoder` with its weights' tag as timm names it, or `None` where it is not timm's.

    ResNets without a tag get torchvision's weights, which the paper used (section 4.4), plain
    vision transformers timm's default, whose tag says what they were trained on.
    """
    library = library_name(encoder)
    if not library.startswith("tu-"):
        return None
    plain = library.removeprefix("tu-")
    if "." not in plain and timm.models.is_model_pretrained(f"{plain}.tv_in1k"):
        return f"{plain}.tv_in1k"
    settings = timm.get_pretrained_cfg(plain)
    if "." not in plain and settings is not None and settings.tag and is_plain_vit(plain):
        return f"{plain}.{settings.tag}"
    return plain


def plain_name(encoder: str) -> str:
    """`encoder` without the prefix of segmentation-models-pytorch."""
    return encoder.removeprefix("tu-")


@cache
def is_plain_vit(encoder: str) -> bool:
    """Whether it is a vision transformer of timm that keeps one grid of patches, of any size."""
    name = plain_name(encoder)
    if not timm.is_model(name.split(".")[0]) or not _has_variant(name):
        return False
    try:
        with torch.device("meta"):
            model = timm.create_model(name, num_classes=0, dynamic_img_size=True)
    except Exception:  # Other architectures take no such argument.
        return False
    # Hybrids embed the features of a convolutional network, Swin has stages instead of blocks.
    embeds_patches = isinstance(getattr(model, "patch_embed", None), PatchEmbed)
    return embeds_patches and len(getattr(model, "blocks", ())) > 0


def refuse_vit(encoder: str, architecture: str) -> None:
    """Say that an architecture of convolutional encoders is not for plain vision transformers.

    Raises:
        SettingsError: If `encoder` is one.
    """
    if is_plain_vit(encoder):
        raise SettingsError(
            f"The encoder {encoder} is a plain vision transformer, on which {architecture} cannot "
            "stand; use `network` vit with it, or choose a convolutional encoder such as resnet50."
        )


def channel_statistics(encoder: str, channels: int) -> tuple[list[float], list[float]]:
    """Mean and standard deviation, in 0..1, that the encoder's ImageNet weights expect.

    Args:
        encoder: Any known encoder.
        channels: 3 gives the values for R, G, B; any other number their average for each.
    """
    name = timm_name(encoder)
    if name is not None:
        settings = timm.get_pretrained_cfg(name)
        mean = list(settings.mean) if settings else [0.485, 0.456, 0.406]
        std = list(settings.std) if settings else [0.229, 0.224, 0.225]
    else:
        available = smp.encoders.encoders[encoder]["pretrained_settings"]
        first = next(iter(available.values()))
        mean, std = list(first["mean"]), list(first["std"])
    if channels != 3:
        mean, std = [sum(mean) / 3] * channels, [sum(std) / 3] * channels
    return mean, std


def adapt_first_layer(encoder: nn.Module, channels: int, *, extra: int = 0) -> None:
    """Give a network that was built for 3 input channels another number of them, in place.

    Args:
        encoder: A network whose first `Conv2d` sees the image.
        channels: Channels of the image; the weights of R, G, B are repeated such that a grey
            image gives the same response as its RGB copy. 0: the network sees no image.
        extra: Channels that are concatenated to the image; their weights are drawn anew
            (He et al. 2015), as those of the corrector's extended layer are.

    Raises:
        SettingsError: If there is no such layer.
    """
    first = next((m for m in encoder.modules() if isinstance(m, nn.Conv2d)), None)
    if first is None or first.in_channels != 3 or first.groups != 1:
        raise SettingsError("This encoder's first layer cannot be adapted; choose another encoder.")
    weight = first.weight.detach()
    if channels == 1:
        weight = weight.sum(dim=1, keepdim=True)
    elif channels != 3:
        weight = weight[:, [i % 3 for i in range(channels)]] * (3 / max(1, channels))
    if extra:
        added = weight.new_empty(first.out_channels, extra, *first.kernel_size)
        nn.init.kaiming_normal_(added, mode="fan_out", nonlinearity="relu")
        weight = torch.cat([weight, added], dim=1)
    first.in_channels = channels + extra
    first.weight = nn.Parameter(weight.clone())


def freeze_norm(encoder: nn.Module) -> None:
    """Keep scale and shift of all batch normalization as they are; statistics go on."""
    for module in encoder.modules():
        if isinstance(module, _BatchNorm):
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(False)
