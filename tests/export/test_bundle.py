"""Bundles: what MONAI, Deploy and Label ask of them, and the labels of `predict`."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from bundle_runs import assert_equal_results

from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.errors import SettingsError
from ecs_med.export import export


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
