"""Packages of label maps that are known, without a model."""

import numpy as np
import pytest
from PIL import Image

from ecs_med.acquisition.package import PACKAGES, Classes, PackagedCase
from ecs_med.data.readers import read_scan
from ecs_med.types import Case

CLASSES = Classes(("background", "polyp", "a tool", "Öffnung"), (0, 1, 2, 3))


@pytest.fixture
def pack(tmp_path):
    """Write label maps by name, each with a picture of noise, as a package; gives its folder."""

    def write(kind, label_maps, classes=CLASSES):
        folder = tmp_path / kind
        folder.mkdir()
        package = PACKAGES.get(kind)(folder, classes)
        for number, (name, labels) in enumerate(label_maps.items()):
            path = tmp_path / "sources" / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            pixels = np.random.default_rng(number).integers(0, 256, (*labels.shape, 3), np.uint8)
            Image.fromarray(pixels).save(path)
            case = Case(name, (path,))
            package.add(PackagedCase(name, case, read_scan([path]), labels))
        package.close()
        return folder

    return write
