"""One input of a prediction: it is segmented, and its files are written."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ecs_med.data.planes import slice_axis
from ecs_med.data.readers import ResultMeaning, read_scan
from ecs_med.data.readers.pictures import write_png
from ecs_med.errors import DeviceMemoryError
from ecs_med.files import make_folder
from ecs_med.inference.destinations import Destination
from ecs_med.inference.formats import available_formats, is_on_source
from ecs_med.inference.model import Model
from ecs_med.inference.prediction import PredictionReport
from ecs_med.inference.predictor import check_scan, segment
from ecs_med.inference.scans import PredictionInput
from ecs_med.inference.videos import VideoDestination, segment_video
from ecs_med.inference.views import draw_overlay
from ecs_med.runs.outputs import mark_files

__all__ = ["stored_values", "take_scan", "take_video"]


def take_scan(
    model: Model,
    item: PredictionInput,
    place: Destination,
    report: PredictionReport,
    skip_existing: bool,
    meaning: ResultMeaning,
) -> str:
    """Segment a picture or volume, put into the report what came of it, and say so."""
    if skip_existing and all(path.exists() for path in place.files):
        report.skipped[item.shown] = place.labels
        return "skipped"
    _segment_one(model, item, place, meaning)
    report.written[item.shown] = place.labels
    report.files[item.shown] = place.files
    return "written"


def take_video(
    model: Model,
    item: PredictionInput,
    place: VideoDestination,
    report: PredictionReport,
    skip_existing: bool,
    every: int,
    certainty: bool,
    on_frame: Callable[[int, int | None], None] | None,
) -> str:
    """The same of a video."""
    path = item.shown
    if skip_existing and all(file.exists() for file in place.files):
        report.skipped[path] = place.table
        return "skipped"
    try:
        outcome = segment_video(
            model, item.path, place, every=every, certainty=certainty, on_frame=on_frame
        )
    except torch.OutOfMemoryError as error:
        raise _out_of_memory(path, model) from error
    report.videos[path] = outcome
    report.files[path] = place.files if outcome.has_overlay else (place.table,)
    if outcome.problem is not None:
        report.failures[path] = outcome.problem
        return outcome.problem
    report.written[path] = place.table
    return "written"


def _out_of_memory(path: Path, model: Model) -> DeviceMemoryError:
    return DeviceMemoryError(
        f"{path}: {model.device} ran out of memory; set `device` to cpu, or use a "
        "model that was trained with a smaller `max_size`."
    )


def _segment_one(
    model: Model,
    item: PredictionInput,
    destination: Destination,
    meaning: ResultMeaning,
) -> None:
    scan = read_scan(item.images, item.frame)
    check_scan(model, scan, item.shown)
    try:
        result = segment(model, scan, certainty=destination.certainty is not None)
    except torch.OutOfMemoryError as error:
        raise _out_of_memory(item.path, model) from error
    make_folder(destination.labels.parent)
    if destination.overlay is not None:
        preparation = model.spec.preparation
        axis = slice_axis(scan, preparation)
        drawn = draw_overlay(scan, result.labels, axis=axis, window=preparation.window)
        write_png(destination.overlay, drawn)
    writers = available_formats()
    if destination.certainty is not None and result.certainty is not None:
        writer = next(w for w in writers.values() if w.writes(destination.certainty))
        writer.write_map(destination.certainty, result.certainty, item.images)
    labels = _as_stored(model, result.labels)
    # The first label map comes last: where it is, everything is.
    paths = (destination.labels, *destination.further)
    for name, path in reversed(list(zip(destination.formats, paths, strict=True))):
        if is_on_source(item, name):
            from ecs_med.data.readers.dicom.resampling import labels_on_slices

            on_slices = labels_on_slices(item.source, labels)
            writers[name].write_labels(path, on_slices, item.source, meaning)
        else:
            writers[name].write_labels(path, labels, item.images, meaning)
    mark_files(path for path in destination.files if path.exists())


def stored_values(model: Model) -> npt.NDArray[np.integer]:
    """The value that stands for each class in label files, `(K,)`.

    Those of the masks of training, or class indices where a PNG (0..255) or a NIfTI label map
    (0..32767) cannot hold them.
    """
    indices = np.arange(model.spec.num_classes)
    values = model.spec.labels.decode(indices)
    highest = 255 if model.spec.kind == "picture" else 32767
    known = values if values.min() >= 0 and values.max() <= highest else indices
    # Label maps have their type: eight bytes a pixel would be more than scan and network take.
    return known.astype(np.uint8 if known.max() <= 255 else np.int16)


def _as_stored(model: Model, labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.integer]:
    """Labels as the values that stand for them; the same array where these are the classes."""
    values = stored_values(model)
    return labels if np.array_equal(values, np.arange(len(values))) else values[labels]
