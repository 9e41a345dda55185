"""Small volumes with bright balls as masks, in any orientation."""

from pathlib import Path

import nibabel
import numpy as np

__all__ = ["as_stored", "save", "write_volumes"]


def write_volumes(
    folder: Path, shape: tuple[int, int, int] = (20, 36, 34), count: int = 8, spacing: float = 1.0
) -> Path:
    """A folder as of nnU-Net: two balls of two classes in noise, RAS."""
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    for number in range(count):
        rng = np.random.default_rng(number)
        labels = np.zeros(shape, np.uint8)
        for label in (1, 2):
            centre = np.array(shape) * rng.uniform(0.3, 0.7, 3)
            labels[((grid - centre) ** 2).sum(-1) < (0.2 * min(shape)) ** 2] = label
        image = rng.normal(0, 8, shape) + labels * 50.0
        affine = np.diag([1.0, 1.0, spacing, 1.0])
        save(folder / f"imagesTr/v{number}.nii.gz", image.astype(np.int16), affine)
        save(folder / f"labelsTr/v{number}.nii.gz", labels, affine)
    return folder


def save(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    nibabel.save(nibabel.Nifti1Image(array, affine), path)


def as_stored(path: Path, to: Path, axes: str) -> Path:
    """A copy of a volume whose file has other axes, such as `LPS`."""
    image = nibabel.load(path)
    start = nibabel.orientations.io_orientation(image.affine)
    end = nibabel.orientations.axcodes2ornt(tuple(axes))
    turned = image.as_reoriented(nibabel.orientations.ornt_transform(start, end))
    save(to, np.asarray(turned.dataobj), turned.affine)
    return to
