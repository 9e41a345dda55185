"""Volumes in slabs: to the last bit as the whole volume in floating point at once."""

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn import functional as F

from ecs_med.config import Preparation
from ecs_med.data import intensities, normalising
from ecs_med.data.intensities import FEW, STRAY, intensity_range, signal_share
from ecs_med.data.normalising import normalised_slabs, slab_length
from ecs_med.data.prepare import prepare_scan
from ecs_med.data.readers import Scan
from ecs_med.data.slicing import target_size

DATA = Path("../shared/data").resolve()
PLANES = ("sagittal", "coronal", "axial")
RNG = np.random.default_rng(0)
INTEGERS = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, ">i2", np.int64]

Array = npt.NDArray[np.generic]


def range_at_once(values: Array, percentiles: tuple[float, float]) -> tuple[float, float]:
    """The rule on floating-point values, all of them at once."""
    values = values.astype(np.float32)
    lower, middle, upper = np.percentile(values, (percentiles[0], 50, percentiles[1]))
    low, high = float(values.min()), float(values.max())
    crumbs = 1e-3 * (high - low)
    if low == high or min(middle - lower, upper - middle) > crumbs:
        return lower, upper
    signal = values[np.abs(values - float(middle)) > crumbs]
    if upper > lower and not STRAY <= signal.size / values.size <= FEW:
        return lower, upper
    if signal.size:
        found = np.percentile(signal, percentiles)
        lower, upper = min(middle, found[0]), max(middle, found[1])
    return (lower, upper) if upper > lower else (low, high)


def prepared_at_once(channels: Array, axis: int, preparation: Preparation) -> Array:
    """What `prepare_scan` gave before it went by slabs."""
    scaled = []
    for channel in channels.astype(np.float32):
        limits = preparation.window or range_at_once(channel, preparation.percentiles)
        lower, upper = limits
        scaled.append(
            np.clip((channel - lower) / (upper - lower), 0, 1)
            if upper > lower
            else np.zeros_like(channel)
        )
    stack = torch.from_numpy(np.ascontiguousarray(np.moveaxis(np.stack(scaled), axis + 1, 0)))
    have = tuple(stack.shape[-2:])
    size = target_size(have, preparation.max_size, preparation.min_size)
    if size != have:
        shrinks = size[0] < have[0] or size[1] < have[1]
        stack = F.interpolate(stack, size=size, mode="bilinear", antialias=shrinks)
    return stack.numpy().astype(np.float16)


def sparse(count: int, level: int, size: int = 20_000) -> Array:
    values = np.zeros(size, np.int64)
    values[:count] = RNG.integers(1, level, count)
    return values


SAMPLES: dict[str, Callable[[], Array]] = {
    "uniform": lambda: RNG.integers(0, 120, 9_999),
    "one": lambda: np.full(1, 3),
    "two": lambda: np.array([3, 4]),
    "constant": lambda: np.full(77, 5),
    "half": lambda: np.repeat([0, 9], 500),
    "few": lambda: sparse(100, 90),
    "stray": lambda: sparse(1, 90),
    "two stray": lambda: sparse(2, 90),
    "many": lambda: sparse(400, 90),
    "crumbs": lambda: np.concatenate([sparse(100, 120), np.ones(300, np.int64)]),
}


@pytest.mark.parametrize("kind", INTEGERS)
@pytest.mark.parametrize("name", SAMPLES)
def test_counted_integers_give_the_range_of_floating_point_ones(name: str, kind: str) -> None:
    values = SAMPLES[name]().astype(kind)
    for percentiles in ((0.5, 99.5), (0, 100), (1, 99), (0, 99.9), (33.3, 66.7), (2.5, 50)):
        found = intensity_range(values, percentiles)
        assert [float(limit) for limit in found] == [
            *map(float, range_at_once(values, percentiles))
        ]
        assert [type(limit) for limit in found] == [
            type(limit) for limit in range_at_once(values, percentiles)
        ]


@pytest.mark.parametrize("kind", INTEGERS[:-1])
def test_percentiles_of_all_sizes_are_those_of_numpy(kind: str) -> None:
    limits = np.iinfo(kind)
    for size in [*range(1, 40), 999, 1000, 1001]:
        values = RNG.integers(limits.min, limits.max, size, dtype=np.int64, endpoint=True)
        if limits.bits == 32:
            values = values // 2**13 + (limits.max // 2)
        values = values.astype(kind)
        percents = (*RNG.uniform(0, 100, 20), 0, 100, 50, 1e-9, 100 - 1e-9)
        sample = intensities._sample(values)
        assert isinstance(sample, intensities._Counts)
        expected = np.percentile(values.astype(np.float32), percents)
        np.testing.assert_array_equal(sample.percentiles(percents), expected)
        assert (sample.low, sample.high, sample.size) == (
            np.float32(values.min()),
            np.float32(values.max()),
            size,
        )


def test_wide_integers_are_sorted_and_not_counted() -> None:
    values = RNG.integers(-(2**31), 2**31, 5_000).astype(np.int32)
    assert intensity_range(values, (0.5, 99.5)) == range_at_once(values, (0.5, 99.5))
    huge = RNG.integers(2**63, 2**63 + 9, 5_000, dtype=np.uint64)
    assert intensity_range(huge, (0.5, 99.5)) == range_at_once(huge, (0.5, 99.5))


def test_counting_goes_by_parts_whatever_the_strides(monkeypatch: pytest.MonkeyPatch) -> None:
    values = RNG.normal(100, 400, (13, 17, 19)).astype(np.int16)
    expected = range_at_once(values, (0.5, 99.5))
    share = signal_share(values.astype(np.float32))
    monkeypatch.setattr(intensities, "_AT_ONCE", 1000)
    for view in (values, np.asfortranarray(values), values[::-1, :, ::-1].transpose(2, 0, 1)):
        assert intensity_range(view, (0.5, 99.5)) == expected
        assert signal_share(view) == share
        assert intensity_range(view.astype(np.float32), (0.5, 99.5)) == expected
    assert intensity_range(values[::2, 1::3], (1, 99)) == range_at_once(values[::2, 1::3], (1, 99))


@pytest.mark.parametrize("settings", [{}, {"window": (-160, 240)}, {"max_size": 12}])
@pytest.mark.parametrize("kind", [np.int16, np.uint8, ">i2", np.int32, np.float32])
def test_slabs_are_the_whole_volume_to_the_last_bit(
    monkeypatch: pytest.MonkeyPatch, kind: str, settings: dict[str, object]
) -> None:
    monkeypatch.setattr(normalising, "SLAB_VOXELS", 1500)
    preparation = Preparation.parse({**settings})
    channels = np.stack([RNG.normal(60, 15, (20, 21, 22)), np.full((20, 21, 22), 7.0)])
    channels[0, 3:5, 4, 5] = 120
    channels = channels.astype(kind)
    views = [channels, np.asfortranarray(channels), channels[:, ::-1, :, ::-1], channels[::-1]]
    views += [np.moveaxis(np.ascontiguousarray(np.moveaxis(channels, 0, -1)), -1, 0)]
    for view in views:
        for axis in range(3):
            asked = Preparation.parse({**settings, "plane": PLANES[axis]})
            found = prepare_scan(Scan(view, np.eye(4), "volume"), asked)
            assert found.dtype == np.float16
            np.testing.assert_array_equal(found, prepared_at_once(view, axis, preparation))


def test_slabs_are_small() -> None:
    channels = np.zeros((1, 40, 50, 30), np.int16)
    channels[0, 0] = 5
    assert slab_length((1, 512, 512, 600), 3) == 16
    assert slab_length((4, 4096, 4096, 2), 3) == 1
    slabs = list(normalised_slabs(channels, 1, Preparation(percentiles=(0, 100))))
    assert [slab.shape for slab in slabs] == [(50, 1, 40, 30)]
    assert slabs[0].flags.c_contiguous


@pytest.mark.skipif(not DATA.is_dir(), reason="real volumes are not here")
@pytest.mark.parametrize(
    "name",
    [f"hippocampus/imagesTr/hippocampus_{n}.nii.gz" for n in ("001", "003", "004", "006", "008")]
    + ["ct/example_ct_sm.nii.gz"],
)
@pytest.mark.parametrize("settings", [{}, {"max_size": 32}, {"window": (-50, 400), "min_size": 64}])
def test_real_volumes_are_prepared_as_before(name: str, settings: dict[str, object]) -> None:
    image = nibabel.load(DATA / name)
    stored = np.asarray(image.dataobj)[None]
    for axis in range(3):
        asked = {**settings, "orientation": "stored", "plane": PLANES[axis]}
        preparation = Preparation.parse(asked)
        found = prepare_scan(Scan(stored, image.affine, "volume"), preparation)
        np.testing.assert_array_equal(found, prepared_at_once(stored, axis, preparation))
