"""Whether images have an up, by which it is decided whether training turns them, and in words.

What a folder of pictures shows is not written in it, so the rule goes by what can be known:

- slices of volumes have an up: left, front and head follow from the affine;
- photographs have one, where the layout is that of a known data set (VOC, Cityscapes, CamVid);
- grey pictures have one, since most are X-rays, ultrasound, or slices that were exported;
- pictures in colour are taken to have none, as endoscopy, skin, microscopy and the like.

`flip_vertical` and `rotate` in the settings, as `true` or `false`, say otherwise.
"""

from collections.abc import Iterable
from typing import Literal

from ecs_med.config import AugmentationSettings, StrongSettings
from ecs_med.data.checks.facts import CaseFacts
from ecs_med.types import CaseCollection

__all__ = ["ImagesWithUp", "augmentation_sentence", "decided_augmentation", "images_with_up"]

ImagesWithUp = Literal["volume", "photograph", "grey"]
"""Images that have an up, by what makes us think so."""

_REASONS: dict[ImagesWithUp | None, str] = {
    "volume": "slices of volumes have an up",
    "photograph": "photographs have an up",
    "grey": "grey pictures have an up, as X-ray and ultrasound",
    None: "colour pictures are taken to have no up",
}


def images_with_up(collection: CaseCollection, facts: Iterable[CaseFacts]) -> ImagesWithUp | None:
    """Why the images of a data set have an up; `None`: they are taken to have none.

    Args:
        collection: What the layout found.
        facts: Of all of its cases, so that every budget and seed has the same answer.
    """
    readable = [fact for fact in facts if fact.is_readable]
    if any(fact.is_volume for fact in readable):
        return "volume"
    if collection.is_upright:
        return "photograph"
    num_grey = sum(fact.is_grey for fact in readable)
    return "grey" if 2 * num_grey > len(readable) else None


def decided_augmentation(
    settings: AugmentationSettings, up: ImagesWithUp | None
) -> AugmentationSettings:
    """`settings` with nothing left to the images."""
    names = ("flip_vertical", "rotate")
    decided = {name: up is None for name in names if getattr(settings, name) == "auto"}
    return settings.model_copy(update=decided)


def augmentation_sentence(
    settings: AugmentationSettings, up: ImagesWithUp | None, num_strong: int = 0
) -> str:
    """What happens to training images at random, in words.

    Args:
        settings: Decided.
        up: Why the images have an up.
        num_strong: Strongly varied views that the method makes of a batch.

    Example:
        >>> settings = decided_augmentation(AugmentationSettings(scale=(0.5, 2)), None)
        >>> augmentation_sentence(settings, None)  # doctest: +NORMALIZE_WHITESPACE
        'mirrored left and right, top and bottom, turned by quarters (colour pictures are taken to
        have no up); zoom 0.5 to 2'
    """
    mirrored = [
        words
        for words, done in (
            ("left and right" + (" of the body" if up == "volume" else ""), settings.flip),
            ("top and bottom", settings.flip_vertical is True),
        )
        if done
    ]
    moves = [f"mirrored {', '.join(mirrored)}"] if mirrored else []
    moves += ["turned by quarters"] if settings.rotate is True else []
    is_usual = settings.flip_vertical is settings.rotate is (up is None)
    said = "" if is_usual else "as asked, though "
    parts = [f"{', '.join(moves) or 'neither mirrored nor turned'} ({said}{_REASONS[up]})"]
    if settings.scale != (1.0, 1.0):
        parts.append(f"zoom {settings.scale[0]:g} to {settings.scale[1]:g}")
    if settings.jitter:
        parts.append(f"jitter {settings.jitter:g}")
    if num_strong:
        views = "a strong view" if num_strong == 1 else f"{num_strong} strong views"
        parts.append(f"{views} of unlabelled images ({_strong_words(settings.strong)})")
    return "; ".join(parts)


def _strong_words(strong: StrongSettings) -> str:
    shares = (
        (f"jitter {strong.jitter:g}", strong.jitter_share if strong.jitter else 0),
        ("grey", strong.grey_share),
        ("blur", strong.blur_share),
        ("CutMix", strong.cutmix),
    )
    said = [f"{name} in {share:.0%}" for name, share in shares if share]
    if strong.zoom != (1.0, 1.0):
        said.append(f"windows of {strong.zoom[0]:g} to {strong.zoom[1]:g}")
    return ", ".join(said) or "as they are"
