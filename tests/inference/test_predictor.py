import numpy as np
import pytest
import torch
from torch import nn

from ecs_med.config import Preparation
from ecs_med.data.cases import PreparedCase
from ecs_med.data.prepare import to_native
from ecs_med.data.readers import Scan
from ecs_med.errors import SettingsError
from ecs_med.inference import model as model_module
from ecs_med.inference.predictor import segment, segment_case, segment_cases
from ecs_med.inference.some_slices import look_at_slices

RNG = np.random.default_rng(0)


def picture(height=12, width=9):
    return Scan(
        RNG.choice([0, 255], (1, height, width)).repeat(3, axis=0).astype(np.uint8), None, "picture"
    )


def volume(shape=(5, 6, 7), spacing=(1.0, 1.0, 1.0)):
    values = RNG.choice([0.0, 10.0], (1, *shape)).astype(np.float32)
    return Scan(values, np.diag([*spacing, 1.0]), "volume")


def prepared(model, scans):
    return [PreparedCase.of_scan(scan, model.spec.preparation) for scan in scans]


def test_picture_on_its_own_grid(make_model):
    scan = picture()
    result = segment(make_model(), scan)
    assert result.labels.dtype == np.uint8
    np.testing.assert_array_equal(result.labels, scan.array[0] > 127)
    assert result.certainty is None


@pytest.mark.parametrize("spacing", [(3, 1, 1), (1, 3, 1), (1, 1, 3)])
@pytest.mark.parametrize("batch", [1, 3, 100])
def test_volume_on_its_own_grid_along_every_axis(make_model, spacing, batch):
    scan = volume(spacing=spacing)
    result = segment(make_model("volume"), scan, batch=batch, certainty=True)
    bright = scan.array[0] > 5
    np.testing.assert_array_equal(result.labels, bright)
    np.testing.assert_allclose(result.certainty, np.where(bright, 0.5, 0.8), rtol=1e-6)
    np.testing.assert_array_equal(result.correction, np.where(bright, 1, 2))
    assert result.certainty.dtype == np.float32


def test_reduced_size_comes_back_to_the_grid(make_model):
    array = np.zeros((3, 64, 40), np.uint8)
    array[:, 32:, :] = 255
    model = make_model(preparation=Preparation(max_size=16))
    labels = segment(model, Scan(array, None, "picture")).labels
    assert model.segmenter.calls == [(1, 3, 32, 32)]
    assert labels.shape == (64, 40)
    assert (labels[:28] == 0).all()
    assert (labels[36:] == 1).all()


def test_read_only_pixels_are_no_obstacle(make_model):
    scan = picture()
    scan.array.flags.writeable = False
    segment(make_model(), scan)


def test_mode_of_the_networks_is_left_as_found(make_model):
    model = make_model()
    model.segmenter.train()
    segment(model, picture())
    assert model.segmenter.training


def test_stream_batches_equal_sizes_and_keeps_the_order(make_model):
    model = make_model()
    scans = [picture(), picture(), picture(), picture(8, 8), picture(40, 8), picture(40, 8)]
    results = list(segment_cases(model, enumerate(prepared(model, scans)), batch=2))
    assert [number for number, _, _ in results] == list(range(6))
    assert [shape[0] for shape in model.segmenter.calls] == [2, 1, 1, 2]
    for _, case, result in results:
        np.testing.assert_array_equal(result.labels, segment(model, case.scan).labels)
        assert result.view is None


def test_stream_of_volumes(make_model):
    model = make_model("volume")
    cases = prepared(model, [volume(), volume((3, 3, 3))])
    results = list(segment_cases(model, zip("ab", cases, strict=True)))
    assert [name for name, _, _ in results] == ["a", "b"]
    assert results[1][2].labels.shape == (3, 3, 3)


@pytest.mark.parametrize("kind", ["picture", "volume"])
def test_one_pass_gives_labels_and_the_view_of_the_corrector(make_model, kind):
    model = make_model(kind)
    scans = [volume(), volume((9, 6, 7))] if kind == "volume" else [picture()] * 3 + [picture(8, 8)]
    cases = prepared(model, scans)
    results = list(segment_cases(model, enumerate(cases), corrector=True, batch=2))
    calls = len(model.segmenter.calls)
    assert sum(shape[0] for shape in model.segmenter.calls) == sum(len(c.slices) for c in cases)
    for _, case, result in results:
        apart, _ = look_at_slices(model, case, len(case.slices))
        for name in ("segmented", "corrected", "certainty"):
            assert torch.equal(getattr(result.view, name), getattr(apart, name)), name
        bright = case.slices[:, 0].float() > 0.5 * (255 if kind == "picture" else 1)
        assert torch.equal(result.view.segmented, bright.to(torch.uint8))
        assert torch.equal(result.view.corrected, torch.where(bright, 1, 2).to(torch.uint8))
    assert len(model.segmenter.calls) > calls


class FillsTheTop(nn.Module):
    """Says class 1 with 0.9 in the first three rows, "right" with 0.8 below."""

    def forward(self, inputs):
        top = torch.zeros_like(inputs[:, :1])
        top[:, :, :3] = 1
        below = 1 - top
        parts = [0.06 * top + 0.1 * below, 0.9 * top + 0.1 * below, 0.04 * top + 0.8 * below]
        return torch.cat(parts, dim=1).log()


@pytest.mark.parametrize("in_rows", [False, True])
def test_a_model_that_corrects_gives_corrected_labels(make_model, monkeypatch, in_rows):
    model = make_model(corrects=True, tile=32)
    model.corrector = FillsTheTop()
    monkeypatch.setattr(model_module, "LARGE_VALUES", 1 if in_rows else 2**25)
    pixels = np.random.default_rng(0).integers(0, 255, (3, 45, 50)).astype(np.uint8)
    bright = (pixels[0] > 127).astype(np.uint8)
    expected = bright.copy()
    expected[:3] = 1
    scan = Scan(pixels, None, "picture")
    plain, told = segment(model, scan), segment(model, scan, certainty=True)
    # Tiles are in the way of a corrector that counts rows: look at the first one.
    for found in (plain, told):
        np.testing.assert_array_equal(found.labels[:13], expected[:13])
    assert plain.correction is None
    np.testing.assert_array_equal(told.correction[:13, 0], [1] * 3 + [2] * 10)
    case = PreparedCase.of_scan(scan, model.spec.preparation)
    [(_, _, scored)] = segment_cases(model, [("a", case)], corrector=True)
    np.testing.assert_array_equal(scored.labels[:13], expected[:13])
    np.testing.assert_array_equal(scored.view.segmented[0], bright)


def test_a_single_slice_is_segmented_as_in_the_volume(make_model):
    model = make_model("volume")
    (case,) = prepared(model, [volume((5, 6, 7), (1.0, 3.0, 1.0))])
    whole = segment_case(model, case, certainty=True)
    one = segment_case(model, case.only(4), certainty=True)
    assert one.labels.shape == (5, 1, 7)
    np.testing.assert_array_equal(one.labels, whole.labels[:, 4:5])
    np.testing.assert_array_equal(one.certainty, whole.certainty[:, 4:5])


def test_stream_of_nothing(make_model):
    assert list(segment_cases(make_model(), [])) == []


def test_certainty_without_a_corrector(make_model):
    with pytest.raises(SettingsError, match=r"'supervised' has no corrector .* that has one"):
        segment(make_model(corrector=False), picture(), certainty=True)


@pytest.mark.parametrize(
    ("kind", "channels", "scan", "message"),
    [
        ("volume", 3, picture(), "is a picture, but .* trained on volumes;"),
        ("picture", 3, volume(), "is a volume, but .* trained on pictures;"),
        ("volume", 2, volume(), "is a volume of 1 channel, but .* volumes of 2 channels;"),
    ],
)
def test_scan_of_another_kind(make_model, kind, channels, scan, message):
    with pytest.raises(SettingsError, match=message):
        segment(make_model(kind, channels=channels), scan)


@pytest.mark.parametrize("size", [(40, 36), (9, 50), (6, 5)])
def test_slices_of_background_alone_are_those_of_interpolated_maps(size):
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(200, 3, 8, 8, generator=generator)
    maps[:100, 0] = maps[:100].amax(1)  # the background ties with the largest
    native = to_native(maps, (*size, 200), 2).argmax(0)
    assert not native[..., :100].any()
    assert native[..., 100:].any(dim=0).any(dim=0).all()


def test_nothing_is_predicted_outside_the_field_of_view(make_model):
    values = np.full((3, 120, 160), 2, np.uint8)
    values[:, 10:110, 45:145] = 200
    values[:, 20:60:8, 4:30:3] = 255
    scan = Scan(values, affine=None, kind="picture")
    whole = segment(make_model(preparation=Preparation()), scan).labels
    assert whole[20, 4] == 1
    model = make_model(preparation=Preparation(field_of_view="auto"))
    found = segment(model, scan, certainty=True)
    assert not found.labels[:, :40].any()
    assert (found.correction[:, :40] == 2).all()
    assert np.array_equal(found.labels[10:110, 45:145], whole[10:110, 45:145])
