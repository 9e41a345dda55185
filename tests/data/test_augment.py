"""Training crops: mirrored and turned with their labels, others to the last bit as before."""

from collections import Counter
from collections.abc import Iterator

import pytest
import torch
from monai.transforms import Compose, RandFlipd, RandSpatialCropd, SpatialPadd

from ecs_med.config import AugmentationSettings
from ecs_med.data.augment import ColorJitterd, training_transform
from ecs_med.data.tracking import tracking_metadata
from ecs_med.types import IGNORE_INDEX

Sample = dict[str, torch.Tensor]


@pytest.fixture(autouse=True)
def _plain_tensors() -> Iterator[None]:
    with tracking_metadata(False):
        yield


def sample(size: int = 4) -> Sample:
    """A picture in which every pixel has a value of its own, and labels that say which."""
    labels = torch.arange(size * size).view(1, size, size).float()
    image = (labels / 255).repeat(3, 1, 1)
    return {"image": image, "valid": torch.ones_like(labels), "labels": labels}


def drawn(settings: AugmentationSettings, seed: int, crop: int = 4, **more: int) -> Sample:
    transform = training_transform(crop, settings)
    transform.set_random_state(seed=seed)
    found: Sample = transform(sample(**more))
    return found


def settings(**values: object) -> AugmentationSettings:
    still = {"flip": False, "flip_vertical": False, "rotate": False}
    return AugmentationSettings.parse({**still, **values})


def orientations(chosen: AugmentationSettings, num: int = 400) -> Counter[tuple[float, ...]]:
    """How often each picture came out, of its own labels."""
    found = Counter[tuple[float, ...]]()
    for seed in range(num):
        one = drawn(chosen, seed)
        assert torch.equal(one["image"][0] * 255, one["labels"][0]), "labels move with the image"
        found[tuple(one["labels"].flatten().tolist())] += 1
    return found


def seen(*pictures: torch.Tensor) -> set[tuple[float, ...]]:
    return {tuple(picture.flatten().tolist()) for picture in pictures}


def test_top_and_bottom_are_mirrored() -> None:
    labels, found = sample()["labels"][0], orientations(settings(flip_vertical=True))
    assert found.keys() == seen(labels, labels.flip(0))
    assert min(found.values()) > 150


def test_quarter_turns_are_equally_likely() -> None:
    labels, found = sample()["labels"][0], orientations(settings(rotate=True))
    assert found.keys() == seen(*(torch.rot90(labels, k) for k in range(4)))
    assert min(found.values()) > 70


def test_together_they_give_all_eight() -> None:
    labels = sample()["labels"][0]
    found = orientations(settings(flip=True, flip_vertical=True, rotate=True))
    turned = [torch.rot90(labels, k) for k in range(4)]
    assert found.keys() == seen(*turned, *(one.flip(0) for one in turned))
    assert min(found.values()) > 25


@pytest.mark.parametrize("asked", [{}, {"flip_vertical": False, "rotate": False}])
def test_what_is_not_asked_for_is_as_before_to_the_last_bit(asked: dict[str, bool]) -> None:
    maps = ["image", "valid", "labels"]
    before = Compose(
        [
            SpatialPadd(["image", "valid"], spatial_size=4, value=0),
            SpatialPadd(["labels"], spatial_size=4, value=IGNORE_INDEX, allow_missing_keys=True),
            RandSpatialCropd(maps, roi_size=(4, 4), random_size=False, allow_missing_keys=True),
            RandFlipd(maps, prob=0.5, spatial_axis=1, allow_missing_keys=True),
            ColorJitterd(["image"], 0.5),
        ]
    )
    for seed in range(20):
        before.set_random_state(seed=seed)
        expected = before(sample(size=9))
        found = drawn(AugmentationSettings.parse({**asked, "jitter": 0.5}), seed, size=9)
        assert all(torch.equal(found[name], expected[name]) for name in maps)


def test_turning_changes_no_other_draw() -> None:
    for seed in range(20):
        still = drawn(settings(flip=True, jitter=0.5), seed, size=9)
        turned = drawn(
            settings(flip=True, jitter=0.5, flip_vertical=True, rotate=True), seed, size=9
        )
        labels = still["labels"][0]
        alike = [torch.rot90(labels, k) for k in range(4)]
        assert tuple(turned["labels"].flatten().tolist()) in seen(
            *alike, *(one.flip(0) for one in alike)
        )
        torch.testing.assert_close(
            turned["image"].flatten(1).sort().values, still["image"].flatten(1).sort().values
        )


def test_padding_is_turned_too() -> None:
    one = {
        "image": torch.ones(1, 2, 4),
        "valid": torch.ones(1, 2, 4),
        "labels": torch.ones(1, 2, 4),
    }
    transform = training_transform(4, settings(rotate=True))
    for seed in range(8):
        transform.set_random_state(seed=seed)
        found = transform(dict(one))
        assert torch.equal(found["valid"], found["image"])
        assert torch.equal(found["labels"] == 1, found["valid"] == 1)
        assert found["valid"].sum() == 8
