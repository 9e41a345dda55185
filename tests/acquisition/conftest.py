"""Small sets of which some is labelled, and runs of two steps on them."""

import shutil

import pytest
from volume_folders import write_volumes

import ecs_med
from ecs_med.acquisition import Look, Pool
from ecs_med.types import Case
from ecs_med_datasets.phantom import PATIENT_PATTERN, write_phantom

TINY = {"iterations": 2, "batch": 2, "crop": 32, "device": "cpu", "encoder_weights": "none"}
PICTURES = TINY | {"max_size": 32, "encoder": "test_resnet"}


@pytest.fixture(scope="session")
def phantom(tmp_path_factory):
    """40 pictures of patients with two each; 12 of 28 in training are labelled."""
    return write_phantom(tmp_path_factory.mktemp("phantom") / "data", 40, size=32, labeled=12)


def trained(phantom, method):
    reading = {"patient": PATIENT_PATTERN}
    settings = {"data": phantom, "labeled": "all", "method": method, "reading": reading}
    return ecs_med.train({**PICTURES, **settings, "run": phantom.parent / method})


@pytest.fixture(scope="session")
def run(phantom):
    return trained(phantom, "ecs-plus")


@pytest.fixture(scope="session")
def plain_run(phantom):
    return trained(phantom, "supervised")


@pytest.fixture(scope="session")
def volumes(tmp_path_factory):
    """Eight volumes, of which two have no mask."""
    folder = write_volumes(tmp_path_factory.mktemp("volumes") / "data")
    for name in ("v6", "v7"):
        (folder / f"labelsTr/{name}.nii.gz").unlink()
    return folder


@pytest.fixture
def own_phantom(phantom, tmp_path):
    """The pictures, free to be damaged."""
    return shutil.copytree(phantom, tmp_path / "own")


@pytest.fixture
def make_pool(tmp_path):
    """A pool of such scores; `patients` by candidate."""

    def make(count, *, patients=None, seed=0, **values):
        size = len(next(iter(values.values())))
        names = [f"c{index:02d}" for index in range(size)]
        looks = [
            Look(case=name, files="", **{key: of[index] for key, of in values.items()})
            for index, name in enumerate(names)
        ]
        cases = [
            Case(name, (tmp_path / f"{name}.png",), patient=patients[index] if patients else None)
            for index, name in enumerate(names)
        ]
        return Pool(cases, looks, count, seed, ("background", "polyp", "tool"))

    return make
