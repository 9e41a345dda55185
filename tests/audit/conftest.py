"""Small sets, runs of two steps on one fold of them, and an audit of pictures."""

import shutil

import pytest
from volume_folders import write_volumes

import ecs_med
from ecs_med.audit.audit import audit
from ecs_med_datasets.phantom import CLASS_NAMES, PATIENT_PATTERN, write_phantom

TINY = {"iterations": 2, "batch": 2, "crop": 32, "device": "cpu", "encoder_weights": "none"}
PICTURES = TINY | {
    "max_size": 32,
    "encoder": "test_resnet",
    "reading": {"patient": PATIENT_PATTERN, "class_names": CLASS_NAMES},
}


@pytest.fixture(scope="session")
def phantom(tmp_path_factory):
    """24 pictures of 12 patients, all with masks."""
    return write_phantom(tmp_path_factory.mktemp("phantom") / "data", 24, size=32)


@pytest.fixture
def own_phantom(phantom, tmp_path):
    """The pictures, free to be damaged."""
    return shutil.copytree(phantom, tmp_path / "own")


def trained(data, method, **settings):
    """A run that leaves out the first of two folds."""
    asked = {"data": data, "method": method, "fold": 0, "folds": 2, **settings}
    return ecs_med.train({**TINY, **asked, "run": data.parent / f"{method}-{len(settings)}"})


@pytest.fixture(scope="session")
def run(phantom):
    return trained(phantom, "ecs-plus", **PICTURES)


@pytest.fixture(scope="session")
def plain_run(phantom):
    return trained(phantom, "supervised", **PICTURES)


@pytest.fixture(scope="session")
def volumes(tmp_path_factory):
    return write_volumes(tmp_path_factory.mktemp("volumes") / "data")


@pytest.fixture(scope="session")
def audited(phantom):
    """An audit of the pictures, of which the folder is to be read alone."""
    return audit(phantom, folds=2, settings=PICTURES, output=phantom.parent / "audit")
