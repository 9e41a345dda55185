"""A bundle and `predict` on the same scan, before the bundle is kept."""

import tempfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from ecs_med.data.cases import PreparedCase
from ecs_med.data.readers import read_scan
from ecs_med.data.tracking import tracking_metadata
from ecs_med.errors import SettingsError
from ecs_med.export.base import Request
from ecs_med.export.bundle.network import WEIGHTS_FILE, is_stock
from ecs_med.export.model_scores import model_scores
from ecs_med.inference.one_input import stored_values
from ecs_med.inference.predictor import segment
from ecs_med.quiet import quiet

__all__ = ["check_bundle"]

_TOLERANCE = 1e-4
"""Of the range of scores: networks calculate in another order of memory."""
_TIES = 1e-3
"""Share of pixels whose two largest scores may lie within that."""


def check_bundle(request: Request, folder: Path) -> tuple[str, ...]:
    """Compare what its configuration gives for a made-up scan with what the model gives.

    Raises:
        SettingsError: If preparation, scores or labels differ.
    """
    with tempfile.TemporaryDirectory() as scratch, quiet(), tracking_metadata(True):
        from monai.bundle import ConfigParser  # logs while it is loaded

        scan = _write_scan(request, Path(scratch))
        parser = ConfigParser()
        parser.read_config(folder / "configs/inference.json")
        parser["bundle_root"] = str(folder)
        parser["device"] = "cpu"
        parser["output_dir"] = scratch
        seen = parser.get_parsed_content("preprocessing")({"image": str(scan)})
        network = parser.get_parsed_content("network")
        if is_stock(request):
            state = torch.load(folder / WEIGHTS_FILE, weights_only=True)
            network.load_state_dict(state, strict=True)
        network.eval()
        with torch.inference_mode():
            found = parser.get_parsed_content("inferer")(seen["image"][None], network)[0]
        error = _difference_of_scores(request, scan, found)
        after = parser.get_parsed_content("postprocessing").transforms
        seen["pred"] = found
        for step in after[:-1]:
            seen = step(seen)
        num_pixels, num_other = _difference_of_labels(request, scan, seen["pred"])
    if not error <= _TOLERANCE or num_other > _TIES * num_pixels:
        raise SettingsError(
            f"{request.model.run}: the bundle gives another result than the model (scores differ "
            f"by {error:.1e} of their range, {num_other} of {num_pixels} labels), so that it was "
            "thrown away; report this with the versions of monai and torch."
        )
    return (
        f"scores within {error:.1e} of their range of ecs-med's, {num_pixels - num_other:,} of "
        f"{num_pixels:,} labels equal on a made-up scan",
    )


def _write_scan(request: Request, folder: Path) -> Path:
    """Smooth noise of odd sides; a volume stored with axes in another order than RAS."""
    spec, random = request.model.spec, np.random.default_rng(0)
    if spec.kind == "picture":
        noise = np.stack([gaussian_filter(random.normal(size=(70, 93)), 3) for _ in range(3)], -1)
        noise = (noise - noise.min()) / (noise.max() - noise.min())
        path = folder / "scan.png"
        Image.fromarray((255 * noise).astype(np.uint8)).save(path)
        return path
    # Longer than a patch, so that several of them overlap.
    length = 37 if spec.patch is None else max(spec.patch) + 9
    shape = (length, 30, 9, *([spec.in_channels] if spec.in_channels > 1 else []))
    values = gaussian_filter(random.normal(size=shape), 2) * 1000
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])[:, [1, 0, 2, 3]]
    path = folder / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values.astype(np.float32), affine), path)
    return path


def _difference_of_scores(request: Request, path: Path, found: torch.Tensor) -> float:
    """The largest one, as a share of the range, on the grid that networks see."""
    case = PreparedCase.of_scan(read_scan(path), request.model.spec.preparation)
    with torch.inference_mode():
        expected = torch.cat(list(model_scores(request.model, case.slices)))
    given = found.as_subclass(torch.Tensor)
    if case.header.kind == "volume":
        along = 0 if request.model.spec.spatial_dims == 3 else case.slicing.along
        given = given.movedim(1 + along, 0)
    else:
        given = given[None]
    height, width = expected.shape[-2:]
    span = float(expected.max() - expected.min()) or 1.0
    return float((given[..., :height, :width] - expected).abs().max()) / span


def _difference_of_labels(request: Request, path: Path, pred: Any) -> tuple[int, int]:
    """Number of pixels, and of those that differ."""
    labels = stored_values(request.model)[segment(request.model, path).labels]
    given = np.asarray(pred)[0]
    if labels.ndim == 2:
        given = given.T
    return labels.size, int((given != labels).sum())
