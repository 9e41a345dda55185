"""Images and labels as files of the tools that read them: PNG and NIfTI, without their past.

Nothing but pixels and the grid goes over: no description, no name, no tag of a source.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ecs_med.data.readers import Scan
from ecs_med.data.readers.nifti_making import write_volume
from ecs_med.export.base import Request
from ecs_med.names import as_cell
from ecs_med.types import IGNORE_INDEX

__all__ = ["IGNORE", "PSEUDO_LABELS", "as_stored", "suffix_of", "write_image", "write_labels",
           "write_object", "write_pseudo_labels"]  # fmt: skip

IGNORE = "ignore"
"""Name of the class that means void, in nnU-Net and here."""
PSEUDO_LABELS = "pseudo_labels.csv"


def suffix_of(request: Request) -> str:
    """Of all image and label files."""
    return ".png" if request.model.spec.kind == "picture" else ".nii.gz"


def as_stored(labels: npt.NDArray[np.uint8], num_classes: int) -> npt.NDArray[np.uint8]:
    """Void as the number after that of the last class, as nnU-Net asks for."""
    return np.where(labels == IGNORE_INDEX, np.uint8(num_classes), labels)


def write_image(path: Path, scan: Scan, channels: slice = slice(None)) -> None:
    """Write channels of a scan: an RGB picture whole, of a volume one as 3-D or several as 4-D."""
    if not scan.is_volume:
        Image.fromarray(np.ascontiguousarray(scan.array.transpose(1, 2, 0))).save(path)
        return
    chosen = scan.array[channels]
    write_volume(path, chosen[0] if len(chosen) == 1 else np.moveaxis(chosen, 0, -1), scan)


def write_labels(path: Path, labels: npt.NDArray[np.uint8], scan: Scan) -> None:
    """Write a label map on the grid of its scan."""
    if scan.is_volume:
        write_volume(path, labels, scan)
    else:
        Image.fromarray(np.ascontiguousarray(labels)).save(path)


def write_object(path: Path, content: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write JSON."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(f"{text}\n", encoding="utf-8")


def write_pseudo_labels(path: Path, request: Request, rows: Sequence[tuple[str, float]]) -> None:
    """Write which label maps are a network's: name of the case, and the share that is ignored."""
    spec = request.model.spec
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("case", "method", "run", "ignore_below", "ignored_share"))
    run = request.model.run.resolve().name
    for name, share in rows:
        fields = (as_cell(name), as_cell(spec.method), as_cell(run))
        writer.writerow((*fields, f"{request.ignore_below:g}", f"{share:.6f}"))
    path.write_text(table.getvalue(), encoding="utf-8")
