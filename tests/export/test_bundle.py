"""Bundles: what MONAI, Deploy and Label ask of them, and the labels of `predict`."""

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image
from situations.inputs_space import ORDERS, noise, rotated, write_nifti

from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.errors import SettingsError
from ecs_med.export import export
from ecs_med.inference.predict import predict_files


def run_bundle(bundle: Path, data: Path, output: Path) -> None:
    """As `monai.bundle run` does it, in this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai.bundle import ConfigParser

        parser = ConfigParser()
        parser.read_config(bundle / "configs/inference.json")
        values = {"bundle_root": bundle, "dataset_dir": data, "output_dir": output}
        for key, value in values.items():
            parser[key] = str(value)
        parser["device"] = "cpu"
        parser.get_parsed_content("run")


def read(path: Path) -> tuple[Any, Any]:
    if path.suffix == ".png":
        return np.asarray(Image.open(path)), None
    image = nibabel.load(path)
    return np.asarray(image.dataobj), image.affine


def assert_equal_results(bundle: Path, model: Any, data: Path, tmp_path: Path) -> None:
    predict_files(model, data, tmp_path / "predicted")
    run_bundle(bundle, data, tmp_path / "eval")
    names = {path.name for path in data.iterdir()}
    assert {path.name for path in (tmp_path / "eval").iterdir()} == names
    seen: set[int] = set()
    for name in names:
        (expected, affine), (found, other) = (
            read(tmp_path / folder / name) for folder in ("predicted", "eval")
        )
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
        if affine is not None:
            np.testing.assert_array_equal(other, affine)
        seen |= {*np.unique(expected).tolist()}
    assert len(seen) > 1


@pytest.mark.parametrize(
    ("preparation", "corrects"),
    [({}, False), ({"max_size": 48}, False), ({"min_size": 80}, True)],
    ids=["as they are", "made smaller", "made larger, corrected"],
)
def test_pictures_get_the_labels_of_predict(
    make_model: Any, pictures: Path, tmp_path: Path, preparation: dict[str, int], corrects: bool
) -> None:
    scheme = LabelScheme(class_names=("background", "one", "two"), values=(0, 50, 100))
    model = make_model(preparation=preparation, corrects=corrects, labels=scheme)
    report = export(model, "bundle", tmp_path / "bundle")
    assert ("models/model.ts" in report.files) == corrects
    assert_equal_results(tmp_path / "bundle", model, pictures, tmp_path)


def write_volumes(folder: Path) -> Path:
    """RAS and two other orders of axes, one of them LPS, and one that is hardly anything."""
    values, affine = noise((21, 33, 18)), rotated((0.9, 0.9, 0.9), 20)
    for number in (0, 6, 13, 46):
        order = ORDERS[number]
        stored = order.copy(values).astype(np.int16 if number else np.float32)
        path = folder / f"v{number}.nii.gz"
        write_nifti(path, stored, order.affine(affine, values.shape))
    # Hardly anything but background: percentiles of the structure alone count.
    sparse = np.where(np.arange(values.size).reshape(values.shape) % 200 == 0, values, 0)
    write_nifti(folder / "sparse.nii.gz", sparse.astype(np.int16), affine)
    return folder


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
    network = getattr(nets, fields.pop("_target_"))(**fields).eval()
    weights = tmp_path / "bundle/models/model.pt"
    network.load_state_dict(torch.load(weights, weights_only=True), strict=True)
    values = torch.randn(2, 1, 32, 16, 48)
    with torch.no_grad():
        torch.testing.assert_close(network(values), model.segmenter(values), rtol=0, atol=1e-5)
    # Second names of one weight do not take its place twice.
    assert weights.stat().st_size < 1.3 * sum(4 * w.numel() for w in network.parameters()) + 2**16


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


def test_what_deploy_and_label_look_for_is_there(make_model: Any, tmp_path: Path) -> None:
    export(make_model(), "bundle", tmp_path / "bundle")
    configuration = json.loads((tmp_path / "bundle/configs/inference.json").read_text())
    for name in ("preprocessing", "postprocessing", "inferer", "network_def", "network"):
        assert name in configuration
    steps = configuration["preprocessing"]["transforms"]
    assert steps[0]["_target_"] == "LoadImaged"
    assert configuration["postprocessing"]["transforms"][-1]["_target_"] == "SaveImaged"
    metadata = json.loads((tmp_path / "bundle/configs/metadata.json").read_text())
    outputs = metadata["network_data_format"]["outputs"]["pred"]
    assert outputs["channel_def"] == {"0": "background", "1": "one", "2": "two"}
    assert metadata["version"] in metadata["changelog"]
    import segmentation_models_pytorch as smp

    fields = {k: v for k, v in configuration["network_def"].items() if k != "_target_"}
    state = torch.load(tmp_path / "bundle/models/model.pt", weights_only=True)
    smp.DeepLabV3Plus(**fields).load_state_dict(state, strict=True)
    for name in ("LICENSE", "docs/README.md", "configs/logging.conf"):
        assert (tmp_path / "bundle" / name).is_file()


@pytest.mark.parametrize("kind", ["picture", "volume"])
def test_metadata_hold_what_the_schema_asks_for(make_model: Any, tmp_path: Path, kind: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    export(make_model(kind), "bundle", tmp_path / "bundle")
    schema = json.loads((tmp_path / "bundle/docs/metadata.schema.json").read_text())
    metadata = json.loads((tmp_path / "bundle/configs/metadata.json").read_text())
    jsonschema.Draft201909Validator.check_schema(schema)
    jsonschema.validate(metadata, schema)
    del metadata["network_data_format"]["inputs"]["image"]["value_range"]
    with pytest.raises(jsonschema.ValidationError, match="value_range"):
        jsonschema.validate(metadata, schema)


def test_the_segmenter_alone_is_another_result_and_says_so(make_model: Any, tmp_path: Path) -> None:
    model = make_model(corrects=True)
    report = export(model, "bundle", tmp_path / "bundle", uncorrected=True)
    assert "models/model.pt" in report.files
    assert any("without the corrector's corrections" in note for note in report.notes)
    text = (tmp_path / "bundle/configs/metadata.json").read_text()
    assert "The segmenter alone" in text
    with pytest.raises(SettingsError, match="corrects nothing; leave out `uncorrected`"):
        export(make_model(), "bundle", tmp_path / "other", uncorrected=True)


def test_a_bundle_that_differs_from_the_model_is_thrown_away(
    make_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ecs_med.export.bundle import preparing

    monkeypatch.setattr(preparing, "MULTIPLE", 64)
    with pytest.raises(SettingsError, match="gives another result than the model"):
        export(make_model(), "bundle", tmp_path / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def without_a_network() -> list[str]:
    """What a command begins with to have no network, where that is permitted."""
    for words in (["unshare", "-n"], ["unshare", "-rn"]):
        if shutil.which("unshare") and not subprocess.run([*words, "true"], check=False).returncode:
            return words
    return []


@pytest.mark.slow
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"corrects": True},
        {"kind": "volume"},
        {"kind": "volume", "context": 1, "corrects": True},
        {"kind": "volume", "network": "unet3d", "preparation": {"slice_spacing_mm": 1.5}},
        {"kind": "volume", "network": "dynunet"},
        {"kind": "volume", "network": "dynunet", "corrects": True},
    ],
    ids=[
        "pictures",
        "corrected",
        "slices",
        "neighbours, corrected",
        "3-D",
        "DynUNet",
        "DynUNet, corrected",
    ],
)
def test_the_commands_of_monai_accept_it_without_a_network(
    make_model: Any, pictures: Path, tmp_path: Path, given: dict[str, Any]
) -> None:
    pytest.importorskip("fire")
    model = make_model(**given)
    data = write_volumes(tmp_path / "volumes") if "kind" in given else pictures
    bundle = tmp_path / "bundle"
    export(model, "bundle", bundle)
    meta, config = "--meta_file=configs/metadata.json", "--config_file=configs/inference.json"
    commands = {
        "verify_metadata": [meta, "--filepath=docs/metadata.schema.json"],
        "verify_net_in_out": [meta, config, "--net_id=network_def", "--n=4", "--device=cpu"],
        "run": [config, f"--dataset_dir={data}", f"--output_dir={tmp_path / 'eval'}"],
    }
    own = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    for command, words in commands.items():
        call = [*without_a_network(), sys.executable, "-m", "monai.bundle", command, *words]
        done = subprocess.run(
            call, cwd=bundle, env=own, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
    predict_files(model, data, tmp_path / "predicted")
    for path in data.iterdir():
        expected, found = (read(tmp_path / f / path.name)[0] for f in ("predicted", "eval"))
        np.testing.assert_array_equal(found, expected)
