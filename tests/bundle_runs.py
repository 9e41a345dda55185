"""Running a bundle as MONAI does, and volumes in several orders of axes to run it on."""

import warnings
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image
from situations.inputs_space import ORDERS, noise, rotated, write_nifti

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
