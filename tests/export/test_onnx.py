"""ONNX: exact padding, the labels of `predict`, and what the file says of itself."""

import json
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from situations.inputs_space import noise, rotated, write_nifti
from timm.layers import Conv2dSame
from torch.nn import functional as F

from ecs_med.data.cases import PreparedCase
from ecs_med.data.readers import read_scan
from ecs_med.errors import SettingsError
from ecs_med.export import Request, export
from ecs_med.export import onnx as target
from ecs_med.export.scores import scores_of
from ecs_med.inference.predictor import segment

needs_onnx = pytest.mark.skipif(
    not all(find_spec(name) for name in ("onnxruntime", "onnxscript")),
    reason="onnxruntime or onnxscript is not installed",
)


def session_of(folder: Path) -> tuple[Any, dict[str, str]]:
    """What runs the graph, and what that says of itself."""
    import onnxruntime

    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=providers)
    return session, session.get_modelmeta().custom_metadata_map


def test_same_padding_is_replaced_without_any_difference(make_model: Any) -> None:
    model = make_model(encoder="tf_efficientnet_lite0")
    fixed = scores_of(Request(model), fixed_padding=True)
    assert any(isinstance(layer, Conv2dSame) for layer in model.segmenter.modules())
    assert not any(isinstance(layer, Conv2dSame) for layer in fixed.modules())
    for size in ((32, 48), (80, 16), (96, 112)):
        images = torch.randn(2, 3, *size)
        with torch.no_grad():
            torch.testing.assert_close(fixed(images), model.segmenter(images), rtol=0, atol=0)


def test_a_corrected_copy_sees_no_segmentation_beyond_the_image(make_model: Any) -> None:
    model = make_model(corrects=True)
    slices = torch.rand(2, 3, 40, 51)
    with torch.no_grad():
        logits = model.logits(slices)
        judged = model.correct(slices, logits)
        padded = F.pad((slices - 0.4) / 0.3, (0, 13, 0, 24))
        found = scores_of(Request(model))(padded)[..., :40, :51]
    expected = judged[:, :-1].clone()
    for row, column in np.ndindex(40, 51):
        for image in range(2):
            label = int(logits[image, :, row, column].argmax())
            expected[image, label, row, column] += judged[image, -1, row, column]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@needs_onnx
@pytest.mark.slow
@pytest.mark.parametrize("corrects", [False, True])
def test_the_graph_gives_the_labels_of_predict(
    make_model: Any, pictures: Path, tmp_path: Path, corrects: bool
) -> None:
    model = make_model(corrects=corrects)
    report = export(model, "onnx", tmp_path / "out")
    assert report.files == ("model.onnx",)
    session, told = session_of(tmp_path / "out")
    assert json.loads(told["classes"]) == ["background", "one", "two"]
    assert (told["multiple"], json.loads(told["corrected"])) == ("16", corrects)
    mean, std = (
        np.array(json.loads(told[key]), np.float32)[:, None, None] for key in ("mean", "std")
    )
    seen = set()
    for path in pictures.iterdir():
        pixels = read_scan(path).array.astype(np.float32) / 255
        height, width = pixels.shape[1:]
        to = int(told["predict_multiple"])
        room = ((0, 0), (0, -height % to), (0, -width % to))
        images = np.pad((pixels - mean) / std, room)[None]
        (scores,) = session.run(None, {"images": images})
        labels = scores[0, :, :height, :width].argmax(0)
        expected = segment(model, path).labels
        np.testing.assert_array_equal(labels, expected)
        seen |= {*np.unique(expected).tolist()}
    assert len(seen) > 1
    # Any multiple of 16, and any batch.
    (scores,) = session.run(None, {"images": np.zeros((5, 3, 48, 80), np.float32)})
    assert scores.shape == (5, 3, 48, 80)


@needs_onnx
@pytest.mark.slow
@pytest.mark.parametrize(
    "given",
    [
        {"encoder": "resnet50"},
        {"encoder": "tf_efficientnet_lite0"},
        {"kind": "volume", "context": 1},
        {"kind": "volume", "network": "unet3d"},
        {"kind": "volume", "network": "dynunet"},
    ],
    ids=["ResNet-50", "packaged encoder", "neighbours", "3-D U-Net", "DynUNet"],
)
def test_three_sizes_and_two_batches_are_scored_as_by_the_model(
    make_model: Any, tmp_path: Path, given: dict[str, Any]
) -> None:
    model = make_model(**given)
    began = time.process_time()
    export(model, "onnx", tmp_path / "out")
    assert time.process_time() - began < 120
    session, _ = session_of(tmp_path / "out")
    dims = model.spec.spatial_dims
    for sides in ((48, 112, 64), (96, 32, 80), (32, 64, 208)):
        for batch in (1, 3):
            size = (batch, model.spec.network_channels, *sides[-dims:])
            images = torch.randn(size, generator=torch.Generator().manual_seed(sum(sides)))
            with torch.no_grad():
                expected = model.segmenter(images).numpy()
            (scores,) = session.run(None, {"images": images.numpy()})
            near = 1e-5 * np.ptp(expected)
            assert np.abs(scores - expected).max() < near
            *_, second, first = np.sort(expected, axis=1).swapaxes(0, 1)
            tied = first - second < near
            assert tied.mean() < 1e-3
            assert (tied | (scores.argmax(1) == expected.argmax(1))).all()


@needs_onnx
@pytest.mark.slow
def test_windows_of_a_volume_give_the_labels_of_predict(make_model: Any, tmp_path: Path) -> None:
    from monai.inferers import sliding_window_inference

    model = make_model("volume", network="unet3d")
    export(model, "onnx", tmp_path / "out")
    session, told = session_of(tmp_path / "out")
    volume = write_nifti(tmp_path / "a.nii.gz", noise((21, 33, 18)), rotated((0.9, 0.9, 0.9)))
    slices = PreparedCase.of_scan(read_scan(volume), model.spec.preparation).slices
    mean, std = (json.loads(told[key])[0] for key in ("mean", "std"))

    def network(windows: torch.Tensor) -> torch.Tensor:
        (scores,) = session.run(None, {"images": windows.numpy()})
        return torch.from_numpy(scores)

    scores = sliding_window_inference(
        (slices.float().movedim(1, 0)[None] - mean) / std,
        json.loads(told["patch"]),
        2,
        network,
        overlap=float(told["overlap"]),
        mode="gaussian",
    )
    labels = segment(model, volume).labels
    np.testing.assert_array_equal(scores[0].argmax(0).movedim(0, 2), labels)
    assert len(np.unique(labels)) > 1


@needs_onnx
def test_corrections_of_whole_volumes_are_refused_by_name(make_model: Any, tmp_path: Path) -> None:
    model = make_model("volume", network="unet3d", corrects=True)
    with pytest.raises(SettingsError, match=r"judges whole volumes .* set `uncorrected`"):
        export(model, "onnx", tmp_path / "out")


@needs_onnx
@pytest.mark.slow
def test_a_graph_that_differs_from_the_model_is_thrown_away(
    make_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, "TOLERANCE", -1.0)
    with pytest.raises(SettingsError, match=r"other scores than the model .* thrown away"):
        export(make_model(), "onnx", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
