"""Synthetic endoscopy: exact, reproducible, and not solved by colour alone."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import open_data
from ecs_med.errors import DataError
from ecs_med.splits import draw_split
from ecs_med_datasets.phantom import (
    CLASS_NAMES,
    FRAMES_PER_PATIENT,
    PATIENT_PATTERN,
    draw_frame,
    write_phantom,
)
from ecs_med_datasets.phantom_objects import fractal_noise, stream


def test_a_frame() -> None:
    image, labels = draw_frame(0, 0)
    assert (image.shape, image.dtype) == ((128, 128, 3), np.uint8)
    assert (labels.shape, labels.dtype) == ((128, 128), np.uint8)


@pytest.mark.parametrize("size", [32, 65, 96])
def test_frames_are_a_function_of_their_arguments(size: int) -> None:
    for index in (0, 5, 11):
        first, again = draw_frame(3, index, size), draw_frame(3, index, size)
        np.testing.assert_array_equal(first[0], again[0])
        np.testing.assert_array_equal(first[1], again[1])
        assert first[0].shape == (size, size, 3)


def test_seeds_and_frames_differ() -> None:
    frames = [draw_frame(seed, index, 32)[0] for seed in range(3) for index in range(3)]
    assert len({frame.tobytes() for frame in frames}) == 9


def test_the_scene_is_the_same_at_every_size() -> None:
    for index in range(20):
        small, large = draw_frame(1, index, 64)[1], draw_frame(1, index, 128)[1]
        assert np.mean(small != large[::2, ::2]) < 0.03


@pytest.mark.parametrize(("seed", "index", "size"), [(-1, 0, 64), (0, -1, 64), (0, 0, 31)])
def test_what_cannot_be_drawn(seed: int, index: int, size: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        draw_frame(seed, index, size)


def test_classes_are_as_frequent_as_in_practice() -> None:
    labels = np.stack([draw_frame(0, index, 48)[1] for index in range(200)])
    assert set(np.unique(labels)) == {0, 1, 2}
    with_polyp = np.mean((labels == 1).any(axis=(1, 2)))
    with_tool = np.mean((labels == 2).any(axis=(1, 2)))
    assert 0.75 < with_polyp < 0.95
    assert 0.2 < with_tool < 0.4
    assert 0.03 < np.mean(labels == 1) < 0.15
    assert 0.01 < np.mean(labels == 2) < 0.06


def test_nothing_is_labelled_outside_of_the_round_field() -> None:
    corners = [np.s_[:4, :4], np.s_[:4, -4:], np.s_[-4:, :4], np.s_[-4:, -4:]]
    num_black = 0
    for index in range(60):
        image, labels = draw_frame(0, index, 64)
        for corner in corners:
            if image[corner].max() < 26:  # sensor noise alone
                num_black += 1
                assert not labels[corner].any()
    assert num_black > 30


def test_masks_lie_where_the_polyps_are() -> None:
    """Below the outline of a mask there is more of an edge than below the mask moved away."""
    exact, moved = [], []
    for index in range(80):
        image, labels = draw_frame(2, index, 96)
        if (labels == 1).sum() < 150 or (labels == 2).any():
            continue
        edge = ndimage.gaussian_gradient_magnitude(image.mean(axis=2), 1)
        rim = morphological_gradient(labels == 1)
        exact.append(edge[rim].mean())
        shifts = [(7, 7), (-7, 7), (7, -7), (-7, -7)]
        moved += [edge[np.roll(rim, shift, (0, 1))].mean() for shift in shifts]
    assert len(exact) > 30
    assert np.mean(exact) > 1.3 * np.mean(moved)


def morphological_gradient(inside: np.ndarray) -> np.ndarray:
    return ndimage.binary_dilation(inside) & ~ndimage.binary_erosion(inside, border_value=1)


def test_colour_alone_does_not_find_polyps() -> None:
    """A Gaussian per class over RGB, fitted on as many frames as it is tested on."""

    def pixels(indices: range) -> tuple[np.ndarray, np.ndarray]:
        frames = [draw_frame(4, index, 48) for index in indices]
        colors = np.concatenate([image.reshape(-1, 3) for image, _ in frames]).astype(float)
        return colors, np.concatenate([labels.ravel() for _, labels in frames])

    train, reference = pixels(range(80))
    test, answer = pixels(range(80, 160))
    scores = []
    for value in range(3):
        mine = train[reference == value]
        inverse = np.linalg.inv(np.cov(mine.T))
        away = test - mine.mean(axis=0)
        distance = np.einsum("ni,ij,nj->n", away, inverse, away)
        scores.append(-0.5 * (distance - np.linalg.slogdet(inverse)[1]))
    found = np.argmax(scores, axis=0)
    iou = np.sum((found == 1) & (answer == 1)) / np.sum((found == 1) | (answer == 1))
    assert iou < 0.35


def test_noise_is_standard_and_band_limited() -> None:
    noise = fractal_noise(stream(1), 64, 4, 10)
    assert abs(float(noise.mean())) < 1e-5
    assert float(noise.std()) == pytest.approx(1, abs=1e-5)
    power = np.abs(np.fft.fft2(noise)) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(64) * 64, np.fft.fftfreq(64) * 64))
    outside = (frequency < 3.99) | (frequency > 10.01)
    assert power[outside].sum() < 1e-6 * power.sum()


def test_a_data_set_opens_as_a_folder(tmp_path: Path) -> None:
    folder = write_phantom(tmp_path / "phantom", 40, 5, 32, labeled=8)
    collection = open_data(folder, ReadingSettings(patient=PATIENT_PATTERN))
    assert collection.layout == "folder"
    assert len(collection.cases) == 40
    assert len({case.patient for case in collection.cases}) == 40 // FRAMES_PER_PATIENT
    split = draw_split(collection.cases, "50%", 0)
    assert split.counts() == {
        "labeled": 4,
        "unlabeled": 24,
        "validation": 4,
        "test": 8,
        "unused": 0,
    }
    assert split.warnings == ()


def test_masks_store_class_numbers(tmp_path: Path) -> None:
    folder = write_phantom(tmp_path, 20, 5, 32)
    masks = sorted(folder.glob("*/masks/*.png"))
    images = sorted(folder.glob("*/images/*.png"))
    assert [mask.name for mask in masks] == [image.name for image in images]
    assert len(masks) == 20
    for index, name in enumerate(sorted(mask.name for mask in masks)):
        match = re.search(PATIENT_PATTERN.removeprefix("regex:"), name)
        assert match is not None
        assert match[1] == f"p{index // FRAMES_PER_PATIENT:03d}"
        (mask,) = folder.glob(f"*/masks/{name}")
        (image,) = folder.glob(f"*/images/{name}")
        pixels, labels = draw_frame(5, index, 32)
        with Image.open(mask) as picture:
            assert picture.mode == "P"
            np.testing.assert_array_equal(np.asarray(picture), labels)
        with Image.open(image) as picture:
            np.testing.assert_array_equal(np.asarray(picture), pixels)
    assert labels.max() < len(CLASS_NAMES)


def test_patients_stay_in_one_part(tmp_path: Path) -> None:
    folder = write_phantom(tmp_path, 43, 0, 32)
    owners = [
        {path.name[:4] for path in (folder / part / "images").iterdir()}
        for part in ("train", "validation", "test")
    ]
    assert [len(owner) for owner in owners] == [16, 2, 4]
    assert len(set().union(*owners)) == 22


def test_writing_twice_gives_the_same_files(tmp_path: Path) -> None:
    first, second = (
        write_phantom(tmp_path / "a", 20, 1, 32),
        write_phantom(tmp_path / "b", 20, 1, 32),
    )
    files = sorted(path.relative_to(first) for path in first.rglob("*.png"))
    assert all((first / file).read_bytes() == (second / file).read_bytes() for file in files)


def test_a_full_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="is not empty; name another folder"):
        write_phantom(tmp_path, 20)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written \(Not a directory\)"):
        write_phantom(tmp_path / "file" / "phantom", 20, 0, 32)


def test_numbers_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="num_images must be at least 9"):
        write_phantom(tmp_path, 8)
    for labeled in (0, 15):
        with pytest.raises(ValueError, match="labeled must be from 1 to 14"):
            write_phantom(tmp_path, 20, labeled=labeled)
