import numpy as np
import pytest

from ecs_med.data.prepare import Preparation
from ecs_med.data.scans import Scan
from ecs_med.errors import SettingsError
from ecs_med.inference.segment import segment_scan, segment_stream

RNG = np.random.default_rng(0)


def picture(height=12, width=9):
    return Scan(
        RNG.choice([0, 255], (1, height, width)).repeat(3, axis=0).astype(np.uint8), None, "picture"
    )


def volume(shape=(5, 6, 7), spacing=(1.0, 1.0, 1.0)):
    values = RNG.choice([0.0, 10.0], (1, *shape)).astype(np.float32)
    return Scan(values, np.diag([*spacing, 1.0]), "volume")


def test_picture_on_its_own_grid(make_model):
    scan = picture()
    result = segment_scan(make_model(), scan)
    assert result.labels.dtype == np.uint8
    np.testing.assert_array_equal(result.labels, scan.array[0] > 127)
    assert result.certainty is None


@pytest.mark.parametrize("spacing", [(3, 1, 1), (1, 3, 1), (1, 1, 3)])
@pytest.mark.parametrize("batch", [1, 3, 100])
def test_volume_on_its_own_grid_along_every_axis(make_model, spacing, batch):
    scan = volume(spacing=spacing)
    result = segment_scan(make_model("volume"), scan, batch=batch, certainty=True)
    bright = scan.array[0] > 5
    np.testing.assert_array_equal(result.labels, bright)
    np.testing.assert_allclose(result.certainty, np.where(bright, 0.5, 0.8), rtol=1e-6)
    np.testing.assert_array_equal(result.correction, np.where(bright, 1, 2))
    assert result.certainty.dtype == np.float32


def test_reduced_size_comes_back_to_the_grid(make_model):
    array = np.zeros((3, 64, 40), np.uint8)
    array[:, 32:, :] = 255
    model = make_model(preparation=Preparation(max_size=16))
    labels = segment_scan(model, Scan(array, None, "picture")).labels
    assert model.segmenter.calls == [(1, 3, 32, 32)]
    assert labels.shape == (64, 40)
    assert (labels[:28] == 0).all()
    assert (labels[36:] == 1).all()


def test_read_only_pixels_are_no_obstacle(make_model):
    scan = picture()
    scan.array.flags.writeable = False
    segment_scan(make_model(), scan)


def test_mode_of_the_networks_is_left_as_found(make_model):
    model = make_model()
    model.segmenter.train()
    segment_scan(model, picture())
    assert model.segmenter.training


def test_stream_batches_equal_sizes_and_keeps_the_order(make_model):
    model = make_model()
    scans = [picture(), picture(), picture(), picture(8, 8), picture(40, 8), picture(40, 8)]
    results = list(segment_stream(model, enumerate(scans), batch=2))
    assert [number for number, _, _ in results] == list(range(6))
    assert [shape[0] for shape in model.segmenter.calls] == [2, 1, 1, 2]
    for _, scan, labels in results:
        np.testing.assert_array_equal(labels, segment_scan(model, scan).labels)


def test_stream_of_volumes(make_model):
    model = make_model("volume")
    results = list(segment_stream(model, [("a", volume()), ("b", volume((3, 3, 3)))]))
    assert [name for name, _, _ in results] == ["a", "b"]
    assert results[1][2].shape == (3, 3, 3)


def test_stream_of_nothing(make_model):
    assert list(segment_stream(make_model(), [])) == []


def test_certainty_without_a_corrector(make_model):
    with pytest.raises(SettingsError, match=r"'supervised' has no corrector .* --method ecs"):
        segment_scan(make_model(corrector=False), picture(), certainty=True)


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
        segment_scan(make_model(kind, channels=channels), scan)
