"""A budget of slices, end to end: split, training, scores apart, report, resumption."""

from itertools import count
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from ecs_med.data.cases import prepare_case
from ecs_med.data.layout import open_data
from ecs_med.errors import BudgetError, SettingsError
from ecs_med.inference.predictor import segment_case
from ecs_med.inference.storing import load_model
from ecs_med.methods import Ecs
from ecs_med.metrics import confusion_matrix, scores_from_confusion
from ecs_med.runs import RunFolder
from ecs_med.splits import Split
from ecs_med.training.train import train


class Killed(BaseException):
    """Stands for a death that nothing in the program sees coming."""


SLICES = {"unit": "slice", "slices_per_volume": 2}


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten volumes of 8 axial slices of 32 voxels, with a block in the middle."""
    folder = tmp_path_factory.mktemp("volumes")
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (folder / part).mkdir()
    for number in range(10):
        labels = np.zeros((32, 32, 8), np.uint8)
        x, y = rng.integers(4, 16, 2)
        labels[x : x + 10, y : y + 10, 2:7] = 1
        image = (labels * 100 + rng.integers(0, 20, labels.shape)).astype(np.int16)
        for part, values in (("images", image), ("masks", labels)):
            nifti = nib.Nifti1Image(values, np.diag([-1.0, -1.0, 3.0, 1.0]))
            nib.save(nifti, folder / part / f"v{number}.nii.gz")
    return folder


@pytest.mark.parametrize("method", ["supervised", "ecs"])
def test_a_run_learns_slices_and_scores_the_others_apart(
    volumes: Path, settings: Any, method: str
) -> None:
    run = RunFolder(train(settings(data=volumes, method=method, iterations=2, **SLICES)))
    metrics, manifest = run.read_metrics(), run.read_manifest()
    cases = open_data(volumes).cases
    split = Split.read(run.split_file, cases)
    assert manifest.data.num_slices == split.num_slices == 2 * len(split.labeled)
    assert {some.layers for some in split.slices().values()} == {(2, 4)}
    notes = " ".join(manifest.data.notes)
    assert "are labelled, at most 2 of each volume, evenly spaced" in notes
    assert ("are unlabelled images in training" in notes) == (method == "ecs")
    assert metrics.unlabeled_slices is not None

    model, total = load_model(run.path, "cpu"), torch.zeros(2, 2, dtype=torch.int64)
    by_id = {case.id: case for case in cases}
    for id_, some in split.slices().items():
        found = prepare_case(by_id[id_], model.spec.preparation, model.spec.labels)
        with model.evaluating():
            labels = segment_case(model, found).labels
        assert found.reference is not None
        others = [layer for layer in range(8) if layer not in some.layers]
        reference = torch.tensor(found.reference[..., others])
        total += confusion_matrix(torch.tensor(labels[..., others]), reference, 2)
    expected = scores_from_confusion(total, metrics.class_names)
    assert metrics.unlabeled_slices.miou == expected.miou
    report = run.report_file.read_text()
    assert "unlabelled slices of labelled volumes" in report
    assert f"trained with {split.num_slices} labelled slices of" in report


def test_a_split_file_brings_its_slices(volumes: Path, settings: Any, tmp_path: Path) -> None:
    first = RunFolder(train(settings(data=volumes, method="supervised", iterations=1, **SLICES)))
    again = settings(
        data=volumes,
        method="supervised",
        iterations=1,
        labeled=str(first.split_file),
        run=tmp_path / "again",
    )
    second = RunFolder(train(again))
    cases = open_data(volumes).cases
    one, two = (Split.read(run.split_file, cases) for run in (first, second))
    assert one.slices() == two.slices()
    assert one.labeled == two.labeled


def test_slices_are_of_volumes_and_counted(settings: Any) -> None:
    with pytest.raises(BudgetError, match="is for volumes, and these are pictures"):
        train(settings(**SLICES))
    with pytest.raises(SettingsError, match="slices_per_volume is of labelled slices"):
        settings(slices_per_volume=3)
    with pytest.raises(SettingsError, match="needs slices_per_volume"):
        settings(unit="slice")


def test_a_run_of_slices_goes_on_exactly(
    volumes: Path, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def config(name: str) -> Any:
        return settings(data=volumes, iterations=4, run=tmp_path / name, **SLICES)

    undisturbed = train(config("undisturbed"))
    real, steps = Ecs.step, count()

    def mortal(self: Ecs, *args: Any) -> Any:
        if next(steps) == 2:
            raise Killed
        return real(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Ecs, "step", mortal)
        with pytest.raises(Killed):
            train(config("run"))
    run = train(config("run"), resume=True)
    for name in ("model.safetensors", "metrics.json", "split.json"):
        assert (run / name).read_bytes() == (undisturbed / name).read_bytes(), name
