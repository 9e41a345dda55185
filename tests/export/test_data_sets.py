"""Data sets for other tools: split, labels and pseudo-labels come back as they were."""

import csv
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from situations.inputs_space import noise, rotated, write_nifti

import ecs_med
from ecs_med.data.cases import PreparedCase
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.reading import read_labels
from ecs_med.data.readers import read_scan
from ecs_med.errors import DataError
from ecs_med.export import export
from ecs_med.splits import SplitDocument

SMALL = {
    "method": "ecs",
    "iterations": 2, "batch": 2, "crop": 32, "max_size": 32, "device": "cpu",
    "min_size": 0, "spacing": "none", "encoder": "test_resnet", "encoder_weights": "none",
    "labeled": "50%",
}  # fmt: skip


@pytest.fixture(scope="module")
def volume_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten volumes of odd sides, a corner of each void, and a run on them."""
    root = tmp_path_factory.mktemp("volumes")
    affine = rotated((0.9, 0.7, 2.5), 10)
    for number in range(10):
        values = noise((20, 14, 5), seed=number)
        labels = (values > 600).astype(np.uint8)
        labels[:3, :3] = 255
        write_nifti(root / "data/imagesTr" / f"case_{number:03d}.nii.gz", values, affine)
        write_nifti(root / "data/labelsTr" / f"case_{number:03d}.nii.gz", labels, affine)
    return ecs_med.train({**SMALL, "data": root / "data", "run": root / "run"})


def roles_of(run: Path) -> dict[str, str]:
    return dict(SplitDocument.read(run / "split.json").roles())


@pytest.mark.parametrize("target", ["nnunet", "msd"])
def test_volumes_come_back_with_split_and_labels(
    volume_run: Path, tmp_path: Path, target: str
) -> None:
    out = tmp_path / ("Dataset007_Cells" if target == "nnunet" else "cells")
    report = export(volume_run, target, out)
    roles, model = roles_of(volume_run), ecs_med.load_model(volume_run)
    collection = ecs_med.open_data(out)
    assert collection.layout == target
    assert not [p for p in ecs_med.examine(collection) if p.severity != "note"]
    void = (model.spec.num_classes,)
    scheme = LabelScheme(class_names=model.spec.class_names, void_values=void)
    back = {case.id.rpartition("/")[2]: case for case in collection.cases}
    own = {case.id: case for case in ecs_med.open_data(volume_run.parent / "data").cases}
    assert {f"imagesTr/{name}" for name in back} == {*roles}
    described = json.loads((out / "dataset.json").read_text())
    assert "ignore" in str(described["labels"])
    assert described["numTraining"] == sum(role != "test" for role in roles.values())
    for id_, role in roles.items():
        case = back[id_.rpartition("/")[2]]
        assert (case.partition == "test") == (role == "test")
        scan, before = read_scan(case.images), read_scan(own[id_].images)
        np.testing.assert_array_equal(scan.array, before.array)
        assert scan.array.dtype == before.array.dtype
        np.testing.assert_allclose(scan.affine, before.affine, atol=1e-5)
        found = read_labels(case.images, case.mask, scheme)
        if role == "unlabeled":
            expected = ecs_med.segment(model, own[id_].images[0]).labels
        else:
            expected = read_labels(own[id_].images, own[id_].mask, model.spec.labels)
            assert (expected == 255).any()
        np.testing.assert_array_equal(found, expected)
    with (out / "pseudo_labels.csv").open() as file:
        listed = [row["case"] for row in csv.DictReader(file)]
    assert {f"imagesTr/{name}" for name in listed} == {
        id_ for id_, role in roles.items() if role == "unlabeled"
    }
    assert report.facts[0].endswith("test cases")


def test_the_split_of_nnunet_has_no_test_case(volume_run: Path, tmp_path: Path) -> None:
    export(volume_run, "nnunet", tmp_path / "raw")
    (dataset,) = (tmp_path / "raw").glob("Dataset*")
    assert dataset.name == "Dataset500_Run"
    (fold,) = json.loads((dataset / "splits_final.json").read_text())
    roles = {id_.rpartition("/")[2]: role for id_, role in roles_of(volume_run).items()}
    assert {roles[name] for name in fold["train"]} == {"labeled", "unlabeled"}
    assert {roles[name] for name in fold["val"]} == {"validation"}
    files = {path.name for path in (dataset / "imagesTr").iterdir()}
    assert files == {f"{name}_0000.nii.gz" for name in (*fold["train"], *fold["val"])}


@pytest.mark.parametrize(
    "changed",
    [{}, {"context": 1}, {"network": "unet3d", "network_settings": {"channels": (4, 8, 16)}}],
    ids=["slices", "neighbours", "3-D"],
)
def test_what_the_model_is_unsure_of_is_ignored(
    volume_run: Path, tmp_path: Path, changed: dict[str, Any]
) -> None:
    run = volume_run
    if changed:
        settings = {k: v for k, v in SMALL.items() if changed.get("network") is None
                    or not k.startswith("encoder")}  # fmt: skip
        data = volume_run.parent / "data"
        run = ecs_med.train({**settings, "data": data, "run": tmp_path / "run", **changed})
    model = ecs_med.load_model(run)
    name = next(id_ for id_, role in roles_of(run).items() if role == "unlabeled")
    name = name.rpartition("/")[2]
    scan = read_scan(volume_run.parent / "data/imagesTr" / f"{name}.nii.gz")
    # Slices have their own size here, so that nothing is resampled.
    slices = PreparedCase.of_scan(scan, model.spec.preparation)
    largest = largest_probability(model, slices.slices)
    below = float(np.median(largest))
    export(run, "msd", tmp_path / "all")
    export(run, "msd", tmp_path / "sure", ignore_below=below)
    every, sure = (
        np.asarray(nibabel.load(tmp_path / f / "labelsTr" / f"{name}.nii.gz").dataobj)
        for f in ("all", "sure")
    )
    unsure = np.empty(scan.spatial_shape, bool)
    slices.slicing.stack(unsure)[...] = largest < below
    assert unsure.any()
    expected = np.where(unsure, model.spec.num_classes, every)
    # The median itself is a probability, which rounding brings to either side.
    assert (sure != expected).mean() < 0.002


def largest_probability(model: Any, slices: torch.Tensor) -> Any:
    """Of each pixel of prepared slices, `(D, H, W)`."""
    if model.spec.spatial_dims == 3:
        return model.logits(slices.movedim(1, 0)[None])[0].softmax(0).amax(0).numpy()
    if model.spec.context:
        before, behind = slices[[0, *range(len(slices) - 1)]], slices[[*range(1, len(slices)), -1]]
        slices = torch.cat([before, slices, behind], dim=1)
    return model.logits(slices).softmax(1).amax(1).numpy()


def test_pictures_come_back(example_folder: Path, example_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "Dataset001_Frames"
    export(example_run, "nnunet", out)
    described = json.loads((out / "dataset.json").read_text())
    assert described["file_ending"] == ".png"
    assert described["overwrite_image_reader_writer"] == "NaturalImage2DIO"
    assert described["channel_names"] == {"0": "R", "1": "G", "2": "B"}
    collection = ecs_med.open_data(out)
    assert not [p for p in ecs_med.examine(collection) if p.severity != "note"]
    own = {case.id.rpartition("/")[2]: case for case in ecs_med.open_data(example_folder).cases}
    for case in collection.cases:
        before = own[case.id.rpartition("/")[2]]
        np.testing.assert_array_equal(read_scan(case.images).array, read_scan(before.images).array)


def test_a_hidden_mask_is_never_read(
    volume_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ecs_med.export import cases

    opened: list[str] = []
    reading = cases.read_labels

    def watched(images: Any, mask: Path, *rest: Any) -> Any:
        opened.append(mask.name.removesuffix(".nii.gz"))
        return reading(images, mask, *rest)

    monkeypatch.setattr(cases, "read_labels", watched)
    export(volume_run, "msd", tmp_path / "out")
    roles = {id_.rpartition("/")[2]: role for id_, role in roles_of(volume_run).items()}
    assert {roles[name] for name in opened} == {"labeled", "validation", "test"}


def test_data_that_are_gone_are_named(volume_run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="say by `data` where they are"):
        export(volume_run, "msd", tmp_path / "out", data=tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()
