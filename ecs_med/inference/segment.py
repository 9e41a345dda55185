"""From a scan to labels on the scan's own grid."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from ecs_med.data.prepare import prepare_scan, slice_axis, to_native
from ecs_med.data.scans import Scan
from ecs_med.errors import SettingsError

if TYPE_CHECKING:
    from ecs_med.inference.model import Model

__all__ = ["Segmentation", "check_corrector", "check_scan", "segment_scan", "segment_stream"]

Item = TypeVar("Item")
Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What a model says about one scan, on the scan's own grid.

    Attributes:
        labels: Class of each pixel, `(H, W)` or `(X, Y, Z)`, uint8.
        certainty: Highest probability of the corrector, the same shape, float32 in 0..1;
            `None` where it was not asked for.
        correction: Class that the corrector gives, the same shape, uint8; the number of classes
            means "the label is right here". `None` where certainty was not asked for.
    """

    labels: Labels
    certainty: npt.NDArray[np.float32] | None = None
    correction: Labels | None = None


def segment_scan(
    model: "Model", scan: Scan, *, certainty: bool = False, batch: int = 8
) -> Segmentation:
    """Segment one picture or volume.

    A volume goes through in chunks of `batch` slices, so that the class maps of the whole volume
    at full size never exist at once.

    Args:
        model: A trained model.
        scan: The picture or volume.
        certainty: Also ask the corrector.
        batch: Slices at a time.

    Raises:
        SettingsError: If `certainty` is asked of a model without a corrector, or the model was
            trained on scans of another kind.
    """
    if certainty:
        check_corrector(model)
    check_scan(model, scan, "the scan")
    shape = scan.spatial_shape
    labels = np.empty(shape, np.uint8)
    sure = np.empty(shape, np.float32) if certainty else None
    correction = np.empty(shape, np.uint8) if certainty else None
    stack = prepare_scan(scan, model.spec.preparation)
    axis = slice_axis(scan, model.spec.preparation.axis)
    with torch.inference_mode():
        for start in range(0, len(stack), batch):
            # A copy, because torch refuses to wrap arrays that a reader left read-only.
            slices = torch.tensor(stack[start : start + batch])
            where = _place(scan, axis, start, len(slices))
            chunk = labels[where].shape
            logits = model.logits(slices)
            labels[where] = _classes(to_native(logits, chunk, axis))
            if sure is not None and correction is not None:
                probabilities = to_native(model.correct(slices, logits), chunk, axis)
                correction[where] = _classes(probabilities)
                sure[where] = probabilities.amax(0).clamp(0, 1).float().cpu().numpy()
    return Segmentation(labels, sure, correction)


def segment_stream(
    model: "Model", items: Iterable[tuple[Item, Scan]], *, batch: int = 8
) -> Iterator[tuple[Item, Scan, Labels]]:
    """Segment scan after scan; consecutive pictures of one size share a forward pass.

    Args:
        model: A trained model.
        items: Anything that names a scan, with the scan; consumed lazily.
        batch: Pictures or slices at a time.

    Yields:
        Each item, its scan and its labels, in the order of `items`.

    Raises:
        SettingsError: As `segment_scan` does.
    """
    waiting: list[tuple[Item, Scan]] = []
    stacks: list[npt.NDArray[np.generic]] = []
    for item, scan in items:
        stack = None
        if not scan.is_volume:
            check_scan(model, scan, "the scan")
            stack = prepare_scan(scan, model.spec.preparation)
        fits = stack is not None and (not stacks or stack.shape == stacks[0].shape)
        if not fits or len(stacks) == batch:
            yield from _segment_pictures(model, waiting, stacks)
            waiting, stacks = [], []
        if stack is None:
            yield item, scan, segment_scan(model, scan, batch=batch).labels
        else:
            waiting.append((item, scan))
            stacks.append(stack)
    yield from _segment_pictures(model, waiting, stacks)


def check_corrector(model: "Model") -> None:
    """Refuse to ask a model without a corrector for certainty.

    Raises:
        SettingsError: One sentence that names the model and the remedy.
    """
    if not model.has_corrector:
        raise SettingsError(
            f"{model.run}: a model trained with '{model.spec.method}' has no corrector and so no "
            "certainty map; leave out --certainty, or train with --method ecs."
        )


def check_scan(model: "Model", scan: Scan, name: Path | str) -> None:
    """Refuse a scan of another kind, or with other channels, than the model was trained on.

    Raises:
        SettingsError: One sentence that begins with `name`.
    """
    given = "volume" if scan.is_volume else "picture"
    channels, needed = scan.array.shape[0], model.spec.in_channels
    if given == model.spec.kind and channels == needed:
        return
    wrong, right = f"a {given}", f"{model.spec.kind}s"
    if given == model.spec.kind:
        wrong, right = f"{wrong} of {_channels(channels)}", f"{right} of {_channels(needed)}"
    raise SettingsError(
        f"{name}: is {wrong}, but {model.run} was trained on {right}; "
        "name a model for such scans with --model."
    )


def _segment_pictures(
    model: "Model", waiting: list[tuple[Item, Scan]], stacks: list[npt.NDArray[np.generic]]
) -> Iterator[tuple[Item, Scan, Labels]]:
    if not stacks:
        return
    with torch.inference_mode():
        logits = model.logits(torch.tensor(np.concatenate(stacks)))
        done = [
            _classes(to_native(logits[i : i + 1], scan.spatial_shape, 0))
            for i, (_, scan) in enumerate(waiting)
        ]
    # Inference mode must not stay on while a consumer of the generator runs.
    for (item, scan), labels in zip(waiting, done, strict=True):
        yield item, scan, labels


def _place(scan: Scan, axis: int, start: int, length: int) -> tuple[slice, ...]:
    whole = [slice(None)] * len(scan.spatial_shape)
    if scan.is_volume:
        whole[axis] = slice(start, start + length)
    return tuple(whole)


def _classes(maps: torch.Tensor) -> Labels:
    labels: Labels = maps.argmax(0).to(torch.uint8).cpu().numpy()
    return labels


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"
