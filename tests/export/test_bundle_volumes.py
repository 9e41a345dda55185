"""Bundles of networks of slices, of slices with neighbours, and of volumes."""

import json
from pathlib import Path
from typing import Any

import nibabel
import pytest
import torch
from bundle_runs import assert_equal_results, run_bundle, write_volumes
from situations.inputs_space import noise, rotated, write_nifti

from ecs_med.export import export
from ecs_med.export.bundle import network


@pytest.mark.parametrize(
    ("preparation", "given"),
    [
        ({}, {}),
        ({"window": (100, 800), "plane": "coronal", "max_size": 24}, {}),
        ({"spacing_mm": 0.6}, {}),
        ({"plane": "sagittal"}, {"context": 1}),
        ({}, {"context": 2, "corrects": True}),
        ({}, {"network": "unet3d"}),
        ({"spacing_mm": 0.7, "slice_spacing_mm": 1.6, "plane": "coronal"}, {"network": "unet3d"}),
        ({"window": (100, 800), "slice_spacing_mm": 0.5}, {"network": "dynunet"}),
        ({"slice_spacing_mm": 1.6}, {"network": "unet3d", "corrects": True}),
    ],
    ids=["percentiles", "window", "one pixel size", "neighbours", "neighbours, corrected",
         "3-D", "3-D, one voxel size", "DynUNet", "3-D, corrected"],
)  # fmt: skip
def test_volumes_in_any_orientation_get_the_labels_of_predict(
    make_model: Any, tmp_path: Path, preparation: dict[str, Any], given: dict[str, Any]
) -> None:
    volumes = write_volumes(tmp_path / "volumes")
    model = make_model("volume", preparation=preparation, **given)
    report = export(model, "bundle", tmp_path / "bundle")
    assert ("models/model.pt" in report.files) != given.get("corrects", False)
    assert_equal_results(tmp_path / "bundle", model, volumes, tmp_path)


@pytest.mark.parametrize("name", ["unet3d", "dynunet"])
def test_a_network_of_volumes_is_a_class_of_monai_with_all_of_its_weights(
    make_model: Any, tmp_path: Path, name: str
) -> None:
    from monai.networks import nets

    model = make_model("volume", network=name)
    export(model, "bundle", tmp_path / "bundle")
    fields = json.loads((tmp_path / "bundle/configs/inference.json").read_text())["network_def"]
    stock = getattr(nets, fields.pop("_target_"))(**fields).eval()
    weights = tmp_path / "bundle/models/model.pt"
    stock.load_state_dict(torch.load(weights, weights_only=True), strict=True)
    values = torch.randn(2, 1, 32, 16, 48)
    with torch.no_grad():
        torch.testing.assert_close(stock(values), model.segmenter(values), rtol=0, atol=1e-5)
    # Second names of one weight do not take its place twice.
    assert weights.stat().st_size < 1.3 * sum(4 * w.numel() for w in stock.parameters()) + 2**16


def test_a_network_of_volumes_of_another_package_comes_as_a_graph(
    make_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(network._CLASSES, "unet3d")
    model = make_model("volume", network="unet3d")
    report = export(model, "bundle", tmp_path / "bundle")
    assert "models/model.ts" in report.files
    volumes = write_volumes(tmp_path / "volumes")
    assert_equal_results(tmp_path / "bundle", model, volumes, tmp_path)


@pytest.mark.parametrize(
    ("kind", "words"),
    [("no position", "where it lies"), ("thick", "coarsest across another plane"),
     ("large", "overlapping tiles")],
)  # fmt: skip
def test_a_volume_that_predict_treats_otherwise_is_refused_and_not_segmented(
    make_model: Any, tmp_path: Path, kind: str, words: str
) -> None:
    shape = (6, 70, 6) if kind == "large" else (12, 12, 12)
    affine = rotated((4, 1, 1) if kind == "thick" else (1, 1, 1))
    path = write_nifti(tmp_path / "in" / "a.nii.gz", noise(shape), affine)
    if kind == "no position":
        image = nibabel.load(path)
        image.set_sform(None, 0)
        image.set_qform(None, 0)
        nibabel.save(image, path)
    export(make_model("volume", tile=64), "bundle", tmp_path / "bundle")
    with pytest.raises(Exception, match=r".") as error:
        run_bundle(tmp_path / "bundle", tmp_path / "in", tmp_path / "out")
    chain, texts = error.value, []
    while chain is not None:
        texts.append(str(chain))
        chain = chain.__cause__ or chain.__context__
    assert any(words in text for text in texts)
