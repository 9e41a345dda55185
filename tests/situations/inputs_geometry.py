"""Small volumes whose place in space is told wrongly, twice, or not at all."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pytest

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import open_data
from ecs_med.data.masks.reading import read_labels, understand_masks
from ecs_med_cli.app import main

__all__ = [
    "SHAPE",
    "check",
    "drawn",
    "errors",
    "labels_of",
    "moved",
    "one",
    "run",
    "write_set",
    "write_volume",
]

SHAPE = (12, 14, 10)

Affine = npt.NDArray[np.float64]


def drawn(shape: Sequence[int] = SHAPE, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Labels 0, 1, 2 without any symmetry."""
    labels = np.zeros(shape, np.uint8)
    a, b, c = (max(1, side // 2) for side in shape)
    labels[a - 1 : a + 3, b - 3 : b + 2, max(0, c - 2) : c + 2] = 1
    labels[a : a + 2, b : b + 1 + seed % 2, c : c + 1] = 2
    return labels


def moved(*shift: float, sides: Sequence[float] = (1, 1, 1)) -> Affine:
    """An affine with these voxel sides, moved by mm."""
    affine = np.diag([*(float(side) for side in sides), 1.0])
    affine[: len(shift), 3] = shift
    return affine


def write_volume(
    path: Path,
    values: npt.NDArray[Any],
    sform: Affine | None = None,
    qform: Affine | None = None,
    units: int | None = None,
    kind: type = nibabel.Nifti1Image,
) -> Path:
    """A volume with the codes 0 for what is not given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = kind(values, None)
    image.header.set_sform(sform, 0 if sform is None else 2)
    image.header.set_qform(qform, 0 if qform is None else 1)
    if sform is not None and qform is None:
        image.header["pixdim"][1:4] = np.linalg.norm(sform[:3, :3], axis=0)
    if units is not None:
        image.header["xyzt_units"] = units
    nibabel.save(image, path)
    return path


def write_set(
    folder: Path,
    image: dict[str, Any] | None = None,
    mask: dict[str, Any] | None = None,
    *,
    num_cases: int = 3,
    labels: npt.NDArray[np.uint8] | None = None,
    shape: Sequence[int] = SHAPE,
) -> Path:
    """Volumes beside their masks; `image` and `mask` are arguments of `write_volume`."""
    image = image if image is not None else {"sform": moved()}
    mask = mask if mask is not None else image
    for index in range(num_cases):
        noise = np.random.default_rng(index).normal(100, 9, shape)
        scan = (noise + 40 * drawn(shape, index)).astype(np.int16)
        own = drawn(shape, index) if labels is None else labels
        write_volume(folder / "imagesTr" / f"c{index}.nii.gz", scan, **image)
        write_volume(folder / "labelsTr" / f"c{index}.nii.gz", own, **mask)
    return folder


def run(*words: str | Path) -> int:
    """The exit code of the program."""
    with pytest.raises(SystemExit) as caught:
        main(list(map(str, words)))
    code = caught.value.code
    assert isinstance(code, int)
    return code


def check(
    folder: Path, capfd: pytest.CaptureFixture[str], *options: str
) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """Exit code of `ecs-med check`, and its rows by file; nothing may be on stderr."""
    capfd.readouterr()
    code = run("check", folder, "--json", *options)
    out, err = capfd.readouterr()
    assert err == ""
    rows: dict[str, list[dict[str, str]]] = {}
    for problem in json.loads(out)["problems"]:
        name = str(Path(problem["path"]).relative_to(folder)) if problem["path"] else ""
        rows.setdefault(name, []).append(problem)
    return code, rows


def errors(rows: dict[str, list[dict[str, str]]], severity: str = "error") -> list[str]:
    """Files with a row of this severity."""
    return sorted(n for n, found in rows.items() if any(p["severity"] == severity for p in found))


def labels_of(folder: Path, index: int = 0, **settings: Any) -> npt.NDArray[np.uint8]:
    """The labels that training sees."""
    cases = [case for case in open_data(folder).cases if case.mask is not None]
    masks = [case.mask for case in cases if case.mask is not None]
    scheme, _ = understand_masks(masks, ReadingSettings(**settings))
    return read_labels(cases[index].images, masks[index], scheme)


def one(rows: dict[str, list[dict[str, str]]], name: str) -> dict[str, str]:
    """The only row of a file."""
    (row,) = rows[name]
    return row
