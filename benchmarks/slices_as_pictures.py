"""Slices of volumes as pictures, for experiments that handle pictures.

    python benchmarks/slices_as_pictures.py shared/data/hippocampus runs/hippocampus-slices

Every fourth axial slice of each volume that has a mask, empty ones among them, as an 8-bit PNG
between the volume's 0.5th and 99.5th percentile; its mask beside it; and `cases.csv`, which names
the volume as the patient, so that slices of one volume stay together.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
from nibabel.nifti1 import Nifti1Image
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from PIL import Image

_RANGE = (0.5, 99.5)
"""Percentiles of a volume that become black and white."""


def main() -> None:
    """Write the pictures; those that are there are written again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("volumes", type=Path, help="Folder with imagesTr and labelsTr.")
    parser.add_argument("output", type=Path)
    parser.add_argument("--every", type=int, default=4)
    options = parser.parse_args()
    for name in ("images", "masks"):
        (options.output / name).mkdir(parents=True, exist_ok=True)
    rows = [("image", "mask", "patient")]
    for image in sorted((options.volumes / "imagesTr").glob("*.nii.gz")):
        mask = options.volumes / "labelsTr" / image.name
        if mask.is_file():
            patient = image.name.removesuffix(".nii.gz")
            rows += _write(image, mask, patient, options.output, options.every)
    with (options.output / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _write(
    image: Path, mask: Path, patient: str, output: Path, every: int
) -> list[tuple[str, str, str]]:
    values, labels = _axial(image), _axial(mask).round().astype(np.uint8)
    low, high = np.percentile(values, _RANGE)
    grey = np.clip((values - low) / max(high - low, 1e-6) * 255, 0, 255).round().astype(np.uint8)
    rows = []
    for index in range(every // 2, len(grey), every):
        names = tuple(f"{kind}/{patient}_{index:02d}.png" for kind in ("images", "masks"))
        for name, pixels in zip(names, (grey[index], labels[index]), strict=True):
            Image.fromarray(pixels).save(output / name)
        rows.append((names[0], names[1], patient))
    return rows


def _axial(file: Path) -> npt.NDArray[np.float32]:
    """The volume as `(slices, rows, columns)`, feet first, rows from front to back."""
    image = Nifti1Image.from_filename(file)
    turn = ornt_transform(io_orientation(image.affine), axcodes2ornt(("L", "P", "S")))
    turned = np.asarray(image.as_reoriented(turn).dataobj, dtype=np.float32)
    return np.ascontiguousarray(turned.transpose(2, 1, 0))


if __name__ == "__main__":
    main()
