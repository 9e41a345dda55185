import numpy as np
import pytest
import torch
from monai.metrics import compute_hausdorff_distance

from ecs_med.metrics import surface_distance_95


def surface_points(mask, spacing_mm):
    points = []
    for index in np.argwhere(mask):
        for axis in range(mask.ndim):
            for step in (-1, 1):
                neighbour = index.copy()
                neighbour[axis] += step
                inside = all(0 <= n < s for n, s in zip(neighbour, mask.shape, strict=True))
                if not inside or not mask[tuple(neighbour)]:
                    points.append(tuple(index))
    return np.array(sorted(set(points))) * np.array(spacing_mm)


def measured_slowly(prediction, reference, spacing_mm):
    """All pairs of surface points."""
    first, second = (surface_points(mask, spacing_mm) for mask in (prediction, reference))
    pairs = np.linalg.norm(first[:, None] - second[None], axis=-1)
    return max(np.percentile(pairs.min(1), 95), np.percentile(pairs.min(0), 95))


def test_worked_by_hand_anisotropic():
    # One voxel against one voxel, 1 step of 3 mm and 2 steps of 2 mm apart: sqrt(9 + 16) = 5 mm.
    prediction, reference = np.zeros((2, 4, 6, 4), bool)
    prediction[1, 1, 1] = True
    reference[2, 3, 1] = True
    assert surface_distance_95(prediction, reference, (3.0, 2.0, 0.7)) == pytest.approx(5.0)


def test_shifted_plate_moves_by_the_spacing_of_its_axis():
    prediction, reference = np.zeros((2, 6, 6, 6), bool)
    prediction[:, :, 1] = True
    reference[:, :, 3] = True
    assert surface_distance_95(prediction, reference, (1.0, 1.0, 2.5)) == pytest.approx(5.0)


# MONAI 1.6 warns of its own argument.
@pytest.mark.filterwarnings("ignore:monai.metrics:FutureWarning")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("shape", "spacing"), [((12, 10), (0.5, 2.0)), ((6, 7, 5), (1, 0.8, 3))])
def test_equals_all_pairs_and_monai(seed, shape, spacing):
    rng = np.random.default_rng(seed)
    prediction, reference = rng.random((2, *shape)) < 0.4
    got = surface_distance_95(prediction, reference, spacing)
    assert got == pytest.approx(measured_slowly(prediction, reference, spacing))
    monai = compute_hausdorff_distance(
        torch.tensor(prediction)[None, None].float(),
        torch.tensor(reference)[None, None].float(),
        include_background=True,
        percentile=95,
        spacing=[float(step) for step in spacing],
    )
    assert got == pytest.approx(monai.item(), rel=1e-5)


def test_equal_masks_are_at_distance_zero():
    mask = np.zeros((4, 4, 4), bool)
    mask[1:3, 1:3, 1:3] = True
    assert surface_distance_95(mask, mask, (1, 1, 5)) == 0.0


def test_empty_mask_has_no_distance():
    empty, full = np.zeros((3, 3), bool), np.ones((3, 3), bool)
    assert surface_distance_95(empty, full, (1, 1)) is None
    assert surface_distance_95(full, empty, (1, 1)) is None
    assert surface_distance_95(empty, empty, (1, 1)) is None


def test_wrong_input_is_refused():
    mask = np.ones((3, 3), bool)
    with pytest.raises(ValueError, match="axes"):
        surface_distance_95(mask, mask, (1, 1, 1))
    with pytest.raises(ValueError, match="positive"):
        surface_distance_95(mask, mask, (1, 0))
