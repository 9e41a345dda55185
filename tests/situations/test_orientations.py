"""The same volume in every order and direction of its axes: one segmentation in space."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from nibabel.orientations import io_orientation
from situations.inputs_geometry import run
from situations.inputs_space import ORDERS, Order, noise, random_model, rotated, write_nifti

import ecs_med
from ecs_med.config import Preparation
from ecs_med.data.cases import PreparedCase
from ecs_med.data.prepare import prepare_labels, prepare_scan
from ecs_med.data.readers import read_scan
from ecs_med.data.readers.grids import axis_codes, orientation_of
from ecs_med.inference.predict import predict_files

SHAPE = (20, 14, 11)
AFFINES = {
    "isotropic": rotated((1, 1, 1)),
    "thick": rotated((0.9, 0.7, 2.5)),
    "coronal": rotated((0.9, 3.0, 0.8)),
    "oblique": rotated((0.9, 0.7, 2.5), 23),
    "halfway": rotated((1, 1, 1), 45),
}


@pytest.mark.parametrize("kind", AFFINES)
def test_all_48_orders_give_labels_that_are_equal_in_space(tmp_path: Path, kind: str) -> None:
    values, affine = noise(SHAPE), AFFINES[kind]
    model = random_model(tmp_path / "run", max_size=24, min_size=24)
    found = {}
    for number, order in enumerate(ORDERS):
        stored = order.copy(values)
        path = write_nifti(tmp_path / f"{number}.nii", stored, order.affine(affine, SHAPE))
        found[order] = ecs_med.segment(model, path, certainty=True)
        assert found[order].labels.shape == stored.shape
    original = found[ORDERS[0]]
    assert set(np.unique(original.labels)) == {0, 1, 2}
    for order, result in found.items():
        for name in ("labels", "certainty", "correction"):
            expected = order.copy(getattr(original, name))
            np.testing.assert_array_equal(getattr(result, name), expected, err_msg=str(order))


@pytest.mark.parametrize("degrees", [0, 7, 30, 44.9, 45.1, 60, 100, 170])
def test_orientations_are_those_of_nibabel(degrees: float) -> None:
    for order in ORDERS:
        affine = order.affine(rotated((0.7, 0.9, 2.5), degrees), SHAPE)
        np.testing.assert_array_equal(orientation_of(affine), io_orientation(affine))
        assert axis_codes(affine) == "".join(nibabel.aff2axcodes(affine))


def test_as_stored_the_same_network_sees_another_thing(tmp_path: Path) -> None:
    values, affine = noise(SHAPE), AFFINES["thick"]
    order = Order((0, 1, 2), (True, True, False))  # LPS
    results = []
    for place in (ORDERS[0], order):
        path = write_nifti(tmp_path / "a.nii", place.copy(values), place.affine(affine, SHAPE))
        model = random_model(tmp_path / "run", orientation="stored")
        results.append(ecs_med.segment(model, path).labels)
    assert (results[1] != order.copy(results[0])).mean() > 0.2


@pytest.mark.parametrize("plane", ["auto", "sagittal", "coronal", "axial"])
def test_prepared_slices_are_those_of_the_canonical_volume(tmp_path: Path, plane: str) -> None:
    values, labels, affine = noise(SHAPE), noise(SHAPE, 1) % 3, AFFINES["isotropic"]
    preparation = Preparation.parse({"plane": plane, "percentiles": (0, 100)})
    along = {"sagittal": 0, "coronal": 1}.get(plane, 2)
    shares = (values - values.min()) / (values.max() - values.min())
    expected = np.moveaxis(shares, along, 0)[:, None]
    for order in ORDERS[::5]:
        path = write_nifti(tmp_path / "a.nii", order.copy(values), order.affine(affine, SHAPE))
        scan = read_scan([path])
        np.testing.assert_allclose(prepare_scan(scan, preparation), expected, atol=1e-3)
        stack = prepare_labels(order.copy(labels).astype(np.uint8), scan, preparation)
        np.testing.assert_array_equal(stack, np.moveaxis(labels, along, 0))


def test_one_slice_alone_is_the_same_layer_of_scan_and_reference(tmp_path: Path) -> None:
    values, labels, affine = noise(SHAPE), noise(SHAPE, 1) % 3, AFFINES["thick"]
    model = random_model(tmp_path / "run")
    for order in ORDERS[::7]:
        path = write_nifti(tmp_path / "a.nii", order.copy(values), order.affine(affine, SHAPE))
        scan, reference = read_scan([path]), order.copy(labels).astype(np.uint8)
        case = PreparedCase.of_scan(scan, model.spec.preparation, reference)
        whole = ecs_med.segment(model, scan).labels
        alone = case.only(3)
        axis = case.slicing.axis
        layer = case.slicing.across(3)
        assert order.axes[axis] == 2
        assert alone.reference is not None
        np.testing.assert_array_equal(alone.reference.take(0, axis), reference.take(layer, axis))
        assert alone.labels is not None
        np.testing.assert_array_equal(alone.labels[0], labels[:, :, 3])
        found = ecs_med.inference.predictor.segment_case(model, alone)
        np.testing.assert_array_equal(found.labels.take(0, axis), whole.take(layer, axis))


def test_files_of_results_lie_where_their_scans_lie(tmp_path: Path) -> None:
    values, affine = noise(SHAPE), AFFINES["oblique"]
    model = random_model(tmp_path / "run")
    orders = {str(number): ORDERS[number] for number in (0, 13, 46)}
    for name, order in orders.items():
        path = tmp_path / "scans" / f"{name}.nii.gz"
        write_nifti(path, order.copy(values), order.affine(affine, SHAPE))
    report = predict_files(model, tmp_path / "scans", tmp_path / "out", overlay=True)
    assert report.failures == {}
    assert report.notes == ()
    maps = {path.name[: -len(".nii.gz")]: nibabel.load(at) for path, at in report.written.items()}
    original = np.asarray(maps["0"].dataobj)
    shown = (tmp_path / "out" / "0-overlay.png").read_bytes()
    for name, order in orders.items():
        scan = nibabel.load(tmp_path / "scans" / f"{name}.nii.gz")
        np.testing.assert_array_equal(maps[name].affine, scan.affine)
        np.testing.assert_array_equal(maps[name].dataobj, order.copy(original))
        assert (tmp_path / "out" / f"{name}-overlay.png").read_bytes() == shown


def test_a_volume_without_a_position_is_sliced_as_stored_and_told(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(noise(SHAPE), None)
    image.header.set_sform(None, 0)
    image.header.set_qform(None, 0)
    path = tmp_path / "lost.nii"
    nibabel.save(image, path)
    scan = read_scan([path])
    assert not scan.has_position
    results = [
        ecs_med.segment(random_model(tmp_path / "run", orientation=orientation), scan).labels
        for orientation in ("RAS", "stored")
    ]
    np.testing.assert_array_equal(*results)
    report = predict_files(random_model(tmp_path / "run"), path, tmp_path / "out")
    assert report.notes == (
        f"{path}: no position in space, so that slices follow the axes of the file; look at the "
        "result.",
    )


Writer = Callable[[str, tuple[Order, ...]], Path]


@pytest.fixture(scope="module")
def write_data(tmp_path_factory: pytest.TempPathFactory) -> Writer:
    root = tmp_path_factory.mktemp("space")

    def write(name: str, orders: tuple[Order, ...]) -> Path:
        """Five volumes of a bright box off the middle, each with its mask, in some orders."""
        shape, affine = (24, 28, 10), rotated((1, 1, 1), 8)
        for index in range(5):
            labels = np.zeros(shape, np.uint8)
            labels[4 + index : 12 + index, 5:12, 2:8] = 1
            labels[14:20, 16:22, 3 : 6 + index] = 2
            values = (noise(shape, index) // 10 + 90 * labels).astype(np.int16)
            order = orders[index % len(orders)]
            turned = order.affine(affine, shape)
            for folder, array in (("imagesTr", values), ("labelsTr", labels)):
                write_nifti(root / name / folder / f"c{index}.nii.gz", order.copy(array), turned)
        return root / name

    return write


def trained(data: Path, **settings: Any) -> Path:
    small = {
        "data": data,
        "run": data.parent / f"run-{data.name}",
        "method": "supervised",
        "iterations": 3,
        "batch": 2,
        "crop": 32,
        "max_size": 32,
        "min_size": 32,
        "evaluate_every": 3,
        "encoder": "test_resnet",
        "encoder_weights": "none",
        "device": "cpu",
        "cache": data.parent / "cache",
        **settings,
    }
    return ecs_med.train(small)


@pytest.fixture(scope="module")
def canonical(write_data: Writer) -> Path:
    return trained(write_data("canonical", ORDERS[:1]))


def test_a_mixed_folder_trains_and_scores_as_its_canonical_copy(
    canonical: Path, write_data: Writer
) -> None:
    mixed = trained(write_data("mixed", (ORDERS[3], ORDERS[42], ORDERS[0], ORDERS[29])))
    rows = [
        [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
        for run in (canonical, mixed)
    ]
    losses = [[row["losses"] for row in own if row["kind"] == "train"] for own in rows]
    assert len(losses[0]) > 1
    assert losses[0] == losses[1]
    scores = [json.loads((run / "metrics.json").read_text()) for run in (canonical, mixed)]
    for part in ("validation", "test"):
        first, second = (own[part] for own in scores)
        # Distances add squares in the order of the axes of a file.
        name = "hd95_mm_per_class"
        one, other = ([mm or 0.0 for mm in own.pop(name) or ()] for own in (first, second))
        np.testing.assert_allclose(one, other, rtol=1e-9)
        assert first == second
    pictures = sorted(path.relative_to(canonical) for path in canonical.rglob("*.png"))
    assert len(pictures) > 3
    for path in pictures:
        assert (canonical / path).read_bytes() == (mixed / path).read_bytes(), path


def as_former(run: Path, to: Path) -> Path:
    """The run as a former version of ecs-med wrote it."""
    to.mkdir()
    for path in run.iterdir():
        if path.is_file() and path.suffix in (".json", ".safetensors", ".jsonl"):
            (to / path.name).write_bytes(path.read_bytes())
    model = json.loads((run / "model.json").read_text())
    preparation = model["preparation"]
    for name in ("orientation", "spacing_mm"):
        del preparation[name]
    preparation |= {"axis": preparation["plane"], "plane": preparation.pop("usual_plane")}
    (to / "model.json").write_text(json.dumps({**model, "format": 1}))
    config = json.loads((run / "config.json").read_text())
    for name in ("orientation", "spacing"):
        del config[name]
    config["plane"] = config.pop("usual_plane")
    config["reading"]["axis"] = "auto"
    (to / "config.json").write_text(json.dumps(config))
    return to


def test_a_former_model_slices_as_stored_and_warns(canonical: Path, tmp_path: Path) -> None:
    former = as_former(canonical, tmp_path / "former")
    model = ecs_med.load_model(former, "cpu")
    preparation = model.spec.preparation
    assert preparation.orientation == "stored"
    assert (preparation.plane, preparation.usual_plane) == ("auto", "axial")
    assert ecs_med.runs.RunFolder(former).read_config().orientation == "stored"
    scans = sorted((canonical.parent / "canonical" / "imagesTr").iterdir())
    same = ecs_med.load_model(canonical, "cpu")
    alike = predict_files(model, scans[:1], tmp_path / "alike")
    start = f"{former}: slices volumes along the axes of their files, as it was trained"
    assert alike.notes == (f"{start}; train anew to slice all scans along the axes of the body.",)
    np.testing.assert_array_equal(
        ecs_med.segment(model, scans[0]).labels, ecs_med.segment(same, scans[0]).labels
    )
    image = nibabel.load(scans[0])
    order = Order((0, 1, 2), (True, True, False))
    turned = write_nifti(
        tmp_path / "lps.nii",
        order.copy(np.asarray(image.dataobj)),
        order.affine(image.affine, image.shape),
    )
    other = predict_files(model, [scans[0], turned], tmp_path / "other")
    assert other.notes == (
        *alike.notes,
        f"{turned}: stored as LPS, and the scans that {former} was trained on as RAS, so that it "
        "sees the body turned; do not trust the result.",
    )
    report = ecs_med.evaluate(model, canonical.parent / "canonical")
    assert alike.notes[0] in report.warnings
    config = json.loads((former / "config.json").read_text())
    (former / "config.json").write_text(json.dumps({**config, "data": "/nowhere"}))
    unknown = predict_files(model, turned, tmp_path / "unknown")
    assert unknown.notes == (
        f"{start}, and how the scans of its training are stored is not known any more; train "
        "anew to slice all scans along the axes of the body.",
    )


def test_the_numbered_axis_of_a_former_model_is_that_of_the_file(tmp_path: Path) -> None:
    spec = json.loads(random_model(tmp_path / "run").spec.model_dump_json())
    former = {"max_size": 0, "min_size": 0, "plane": "axial", "percentiles": [0, 100]}
    values = noise(SHAPE)
    order = Order((2, 0, 1), (False, True, True))
    path = write_nifti(
        tmp_path / "a.nii", order.copy(values), order.affine(AFFINES["thick"], SHAPE)
    )
    scan = read_scan([path])
    for axis in range(3):
        content = {**spec, "format": 1, "preparation": {**former, "axis": str(axis)}}
        read = ecs_med.runs.ModelSpec.parse_json(json.dumps(content), tmp_path)
        assert read.format == 2
        stack = prepare_scan(scan, read.preparation)
        shares = (scan.array - values.min()) / (values.max() - values.min())
        np.testing.assert_allclose(stack, np.moveaxis(shares, axis + 1, 0), atol=1e-3)


def test_a_run_that_begins_with_a_former_one_slices_as_it_does(
    canonical: Path, tmp_path: Path
) -> None:
    former = as_former(canonical, tmp_path / "former")
    run = trained(canonical.parent / "canonical", run=tmp_path / "next", start_from=former)
    assert ecs_med.load_model(run, "cpu").spec.preparation.orientation == "stored"
    warnings = json.loads((run / "manifest.json").read_text())["warnings"]
    assert any("slices volumes along the axes of their files" in text for text in warnings)


def test_a_run_that_a_former_version_began_is_resumed_as_it_was(
    canonical: Path, tmp_path: Path
) -> None:
    former = as_former(canonical, tmp_path / "former")
    shutil.copytree(canonical / "checkpoints", former / "checkpoints")
    (former / "metrics.json").unlink()
    config = {**json.loads((former / "config.json").read_text()), "run": str(former)}
    (former / "config.json").write_text(json.dumps(config))
    assert run("train", "--resume", "--run", former) == 0
    assert ecs_med.load_model(former, "cpu").spec.preparation.orientation == "stored"
    scores = [json.loads((folder / "metrics.json").read_text()) for folder in (canonical, former)]
    assert scores[0] == scores[1]
