"""Networks of volumes, and of slices with their neighbours, from a scan to its labels."""

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.inferers import sliding_window_inference
from torch import nn
from volume_folders import as_stored, save

from ecs_med.config import Preparation
from ecs_med.data.cases import PreparedCase
from ecs_med.data.readers import read_scan
from ecs_med.inference.predictor import segment
from ecs_med.inference.some_slices import look_at_slices, segment_slice
from ecs_med.inference.tiles import OVERLAP, tiled_rows
from ecs_med.inference.volumes import slabs

PATCH = (16, 32, 16)


class Blurred(nn.Module):
    """Depends on what is around a voxel and on where it lies in the patch, so tiles differ."""

    def __init__(self, in_channels: int = 1, out_channels: int = 2, dims: int = 3) -> None:
        super().__init__()
        torch.manual_seed(3)
        kind = nn.Conv3d if dims == 3 else nn.Conv2d
        self.layers = nn.Sequential(
            kind(in_channels, 4, 3, padding=1), nn.Tanh(), kind(4, out_channels, 3, padding=1)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values: torch.Tensor = self.layers(images)
        return values - values.mean(dim=tuple(range(2, values.ndim)), keepdim=True)


@pytest.fixture
def volume_model(make_model):
    def make(**fields):
        fields = {"spatial_dims": 3, "patch": PATCH, **fields}
        model = make_model("volume", **fields)
        model.segmenter = Blurred()
        if model.corrector is not None:
            model.corrector = Blurred(3, 3)
        return model

    return make


@pytest.mark.parametrize("size", [(16, 32, 16), (40, 50, 33), (5, 70, 9), (31, 7, 40)])
def test_slabs_are_what_the_sliding_window_of_monai_gives(size: tuple[int, ...]) -> None:
    network, volume = Blurred(2), torch.randn(1, 2, *size)
    expected = sliding_window_inference(
        volume, PATCH, 1, network, overlap=OVERLAP, mode="gaussian", padding_mode="constant"
    )
    parts = list(tiled_rows(network, lambda a, b: volume[:, :, a:b], size, PATCH))
    assert next(top for top, _ in parts) == 0
    torch.testing.assert_close(torch.cat([p for _, p in parts], dim=2), expected)


def test_both_networks_see_the_whole_volume(volume_model) -> None:
    model = volume_model()
    slices = torch.rand(40, 1, 20, 37)
    volume = slices.movedim(0, 1)[None]
    with torch.inference_mode():
        logits = model.logits(volume)
        judged = model.correct(volume, logits)
        parts = list(slabs(model, slices, corrector=True))
    assert len(parts) > 1
    found = torch.cat([part for _, part, _ in parts])
    torch.testing.assert_close(found, logits[0].movedim(1, 0))
    found = torch.cat([part for _, _, part in parts])
    torch.testing.assert_close(found, judged[0].movedim(1, 0))


def test_however_a_volume_is_stored_it_gets_the_same_labels(volume_model, tmp_path: Path) -> None:
    model = volume_model()
    values = np.random.default_rng(0).normal(size=(36, 22, 41)).astype(np.float32)
    affine = np.diag([1.0, 1.2, 2.0, 1.0])
    save(tmp_path / "ras.nii", values, affine)
    expected = segment(model, tmp_path / "ras.nii", certainty=True)
    assert 0.2 < expected.labels.mean() < 0.8
    for axes in ("LPS", "SAR", "PIL"):
        path = as_stored(tmp_path / "ras.nii", tmp_path / f"{axes}.nii", axes)
        found = segment(model, path, certainty=True)
        for name in ("labels", "certainty", "correction"):
            save(tmp_path / "map.nii", getattr(found, name), read_scan([path]).affine)
            back = as_stored(tmp_path / "map.nii", tmp_path / "back.nii", "RAS")
            same = read_scan([back]).array[0]
            np.testing.assert_array_equal(same, getattr(expected, name), err_msg=axes)


def test_labels_are_those_of_the_logits_on_the_own_grid(volume_model, tmp_path: Path) -> None:
    """Every second slice is seen, and maps are brought back to all of them."""
    preparation = Preparation(percentiles=(0, 100), slice_spacing_mm=4.0, plane="axial")
    model = volume_model(preparation=preparation)
    values = np.random.default_rng(0).normal(size=(20, 33, 40)).astype(np.float32)
    save(tmp_path / "a.nii", values, np.diag([1, 1, 2.0, 1]))
    case = PreparedCase.of_scan(read_scan([tmp_path / "a.nii"]), preparation)
    assert case.slices.shape == (20, 1, 20, 33)
    with torch.inference_mode():
        logits = model.logits(case.slices.movedim(0, 1)[None])[0]
    whole = torch.nn.functional.interpolate(
        logits[None], size=(40, 20, 33), mode="trilinear", align_corners=False
    )[0]
    expected = whole.argmax(0).permute(1, 2, 0).numpy()
    found = segment(model, tmp_path / "a.nii").labels
    assert (found != expected).mean() < 1e-4


def test_a_slice_of_a_volume_is_that_of_the_whole(volume_model, tmp_path: Path) -> None:
    model = volume_model()
    values = np.random.default_rng(0).normal(size=(36, 22, 41)).astype(np.float32)
    save(tmp_path / "a.nii", values, np.diag([-1.0, 1, 3, 1]))
    case = PreparedCase.of_scan(read_scan([tmp_path / "a.nii"]), model.spec.preparation)
    whole = segment(model, tmp_path / "a.nii", certainty=True)
    one = segment_slice(model, case, 7, certainty=True)
    np.testing.assert_array_equal(one.labels, whole.labels[:, :, 7:8])
    np.testing.assert_array_equal(one.certainty, whole.certainty[:, :, 7:8])
    view, reference = look_at_slices(model, case, 6)
    assert reference is None
    assert torch.equal(view.segmented[1], torch.from_numpy(whole.labels[::-1, :, 7].copy()))


@pytest.mark.parametrize("context", [1, 2])
def test_neighbours_are_seen_in_inference(make_model, tmp_path: Path, context: int) -> None:
    model = make_model("volume", corrector=False, context=context)
    model.segmenter = Blurred(2 * context + 1, dims=2)
    values = np.random.default_rng(0).normal(size=(32, 32, 11)).astype(np.float32)
    save(tmp_path / "a.nii", values, np.diag([1.0, 1, 3, 1]))
    found = segment(model, tmp_path / "a.nii").labels
    case = PreparedCase.of_scan(read_scan([tmp_path / "a.nii"]), model.spec.preparation)
    padded = torch.cat([case.slices[:1]] * context + [case.slices] + [case.slices[-1:]] * context)
    for number in range(11):
        seen = padded[number : number + 2 * context + 1, 0].float()[None]
        expected = model.segmenter(seen)[0].argmax(0)
        assert (found[:, :, number] != expected.numpy()).mean() < 0.002
    one = segment_slice(model, case, 4, certainty=False)
    np.testing.assert_array_equal(one.labels, found[:, :, 4:5])
