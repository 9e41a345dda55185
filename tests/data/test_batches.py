"""Batches: a pure function of seed and number, padding marked, labels moved with images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import get_track_meta
from PIL import Image

from ecs_med.config import AugmentationSettings, Preparation
from ecs_med.data.batches import (
    Normalization,
    TrainingBatches,
    batch_loader,
    draw_seed,
    nth_case,
    to_device,
)
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.store import SliceStore
from ecs_med.data.tracking import tracking_metadata
from ecs_med.types import IGNORE_INDEX, Case

NORMALISATION = Normalization((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


@pytest.fixture
def stores(tmp_path: Path) -> tuple[SliceStore, SliceStore]:
    """Pictures whose red channel is 100 where the label is 1 and 50 elsewhere."""
    cases = []
    rng = np.random.default_rng(0)
    for index in range(5):
        labels = rng.integers(0, 2, (40, 24), dtype=np.uint8)
        pixels = np.stack([50 + 50 * labels, 0 * labels, 0 * labels], axis=-1)
        image, mask = tmp_path / f"{index}.png", tmp_path / f"{index}-mask.png"
        Image.fromarray(pixels).save(image)
        Image.fromarray(labels).save(mask)
        cases.append(Case(id=str(index), images=(image,), mask=mask))
    scheme = LabelScheme(class_names=("background", "bright"))
    labeled = SliceStore(cases, Preparation(), scheme, tmp_path / "cache")
    unlabeled = SliceStore(
        [case.without_mask() for case in cases], Preparation(), None, tmp_path / "cache"
    )
    return labeled, unlabeled


def make(
    stores: tuple[SliceStore, SliceStore], seed: int = 0, **augmentation: object
) -> TrainingBatches:
    return TrainingBatches(
        *stores,
        seed=seed,
        batch=3,
        crop=32,
        augmentation=AugmentationSettings.parse(augmentation),
        num_batches=6,
    )


def test_shapes_and_padding(stores: tuple[SliceStore, SliceStore]) -> None:
    raw = make(stores)[0]
    assert raw["image"].shape == raw["unlabeled_image"].shape == (3, 3, 32, 32)
    assert "unlabeled_labels" not in raw
    valid = raw["valid"].bool()
    assert valid.sum() == 3 * 32 * 24  # 40 x 24 cropped to 32 rows, padded to 32 columns
    assert (raw["labels"][~valid] == IGNORE_INDEX).all()
    assert (raw["labels"][valid] <= 1).all()


def test_what_else_uses_monai_keeps_its_metadata(stores: tuple[SliceStore, SliceStore]) -> None:
    for on in (True, False):
        with tracking_metadata(on):
            assert type(make(stores)[0]["image"]) is torch.Tensor
            assert get_track_meta() is on


@pytest.mark.parametrize(
    "augmentation", [{}, {"flip": False}, {"scale": (0.8, 1.5)}], ids=["flip", "plain", "scale"]
)
def test_labels_move_with_their_image(
    stores: tuple[SliceStore, SliceStore], augmentation: dict[str, object]
) -> None:
    for number in range(3):
        raw = make(stores, **augmentation)[number]
        valid = raw["valid"].bool()
        bright = raw["image"][:, 0] > 75 / 255
        agree = (bright == (raw["labels"] == 1))[valid].float().mean()
        # Zooming interpolates the image, so pixels at borders may differ.
        assert agree == 1 if "scale" not in augmentation else agree > 0.8


def test_a_batch_depends_on_seed_and_number_alone(
    stores: tuple[SliceStore, SliceStore],
) -> None:
    first, second = make(stores), make(stores)
    second[0]
    for key, value in first[4].items():
        assert torch.equal(value, second[4][key])
    assert not torch.equal(first[4]["image"], make(stores, seed=1)[4]["image"])


def test_a_loader_starts_where_it_is_told_with_or_without_workers(
    stores: tuple[SliceStore, SliceStore],
) -> None:
    batches = make(stores, jitter=0.3)
    expected = [batches[i]["image"] for i in range(3, 6)]
    for workers in (0, 2):
        found = [raw["image"] for raw in batch_loader(batches, 3, workers)]
        assert len(found) == 3
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_padding_is_exactly_zero_on_the_device(stores: tuple[SliceStore, SliceStore]) -> None:
    raw = make(stores)[0]
    batch = to_device(raw, torch.device("cpu"), NORMALISATION)
    valid = raw["valid"].bool()
    assert batch.labels.dtype == torch.int64
    assert not batch.images.movedim(1, -1)[~valid].any()
    red = batch.images[:, 0][valid]
    expected = (raw["image"].float()[:, 0][valid] - 0.5) / 0.25
    torch.testing.assert_close(red, expected)
    assert batch.unlabeled_valid is not None
    assert batch.unlabeled_valid.sum() == 3 * 32 * 24


def test_every_pass_shows_every_case_once() -> None:
    seen = [nth_case(seed=3, stream=1, num_cases=7, position=p) for p in range(21)]
    passes = [seen[i : i + 7] for i in (0, 7, 14)]
    assert all(sorted(one) == list(range(7)) for one in passes)
    assert passes[0] != passes[1]


def test_seeds_of_samples_differ() -> None:
    assert len({draw_seed(0, stream, p) for stream in (1, 2) for p in range(500)}) == 1000
