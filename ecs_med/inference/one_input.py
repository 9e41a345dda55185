"""One input of a prediction: it is read and segmented, and its files are written."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from ecs_med.data.cases import PreparedCase
from ecs_med.data.planes import slice_axis
from ecs_med.data.readers import ResultMeaning, Scan, read_scan
from ecs_med.data.readers.pictures import write_png
from ecs_med.errors import DeviceMemoryError
from ecs_med.files import make_folder
from ecs_med.inference.canvas import Segmentation
from ecs_med.inference.destinations import Destination
from ecs_med.inference.formats import available_formats, is_on_source
from ecs_med.inference.model import Model
from ecs_med.inference.overlapping import Stages
from ecs_med.inference.prediction import PredictionReport
from ecs_med.inference.predictor import check_scan, most_together, segment_together
from ecs_med.inference.scans import PredictionInput
from ecs_med.inference.videos import VideoDestination, segment_video
from ecs_med.inference.views import draw_overlay
from ecs_med.runs.outputs import mark_files

__all__ = ["Outcome", "stored_values", "take_scans", "take_video"]


Outcome = Callable[[], str]
"""Says what became of an input, or raises what went wrong with it."""


def take_scans(
    model: Model,
    items: Sequence[PredictionInput],
    places: Mapping[Path, Destination],
    meaning: ResultMeaning,
    report: PredictionReport,
    *,
    skip_existing: bool,
) -> Iterator[tuple[PredictionInput, Outcome]]:
    """Segment pictures and volumes, in stages that overlap.

    Args:
        model: A trained model.
        items: The inputs.
        places: Where the results go, by what the input is shown as; inputs with a problem have
            none.
        meaning: Of the values in the results.
        report: Told what was written and skipped, when an outcome is asked for.
        skip_existing: Leave out inputs whose results are there.

    Yields:
        Each input in its order, once it is done.
    """

    def read(item: PredictionInput) -> LoadedScan | None:
        if item.problem is not None:
            raise item.problem
        if skip_existing and all(path.exists() for path in places[item.shown].files):
            return None
        return LoadedScan.of(model, item)

    certainty = any(place.certainty is not None for place in places.values())

    def write(item: PredictionInput, loaded: LoadedScan, result: Segmentation) -> None:
        write_result(model, loaded, result, places[item.shown], meaning)

    stages = Stages(read, partial(segment_loaded, model, certainty=certainty), write)
    for item, future in stages.run(items):
        yield item, partial(_outcome, future, item, places.get(item.shown), report)


def _outcome(
    future: Future[bool],
    item: PredictionInput,
    place: Destination | None,
    report: PredictionReport,
) -> str:
    is_written = future.result()
    assert place is not None
    if not is_written:
        report.skipped[item.shown] = place.labels
        return "skipped"
    report.written[item.shown] = place.labels
    report.files[item.shown] = place.files
    return "written"


@dataclass(frozen=True, slots=True)
class LoadedScan:
    """An input that was read.

    Attributes:
        item: The input.
        scan: As it lies in its files.
        case: As the model sees it.
        most_together: How many like it the model takes at once.
    """

    item: PredictionInput
    scan: Scan
    case: PreparedCase
    most_together: int

    @classmethod
    def of(cls, model: Model, item: PredictionInput) -> Self:
        """Read an input.

        Raises:
            DataError: If a file cannot be read.
            SettingsError: If the model was trained on scans of another kind.
        """
        scan = read_scan(item.images, item.frame)
        check_scan(model, scan, item.shown)
        case = PreparedCase.of_scan(scan, model.spec.preparation)
        return cls(item, scan, case, most_together(model, case))

    @property
    def nbytes(self) -> int:
        """Of memory that it holds."""
        return self.scan.array.nbytes + self.case.slices.nbytes

    @property
    def kind(self) -> tuple[int, ...]:
        """Pictures of one size go together."""
        return tuple(self.case.slices.shape)


def segment_loaded(
    model: Model, loaded: Sequence[LoadedScan], *, certainty: bool
) -> list[Segmentation]:
    """Segment inputs together.

    Raises:
        DeviceMemoryError: If there is not enough memory, which names the first one.
    """
    try:
        return segment_together(model, [one.case for one in loaded], certainty=certainty)
    except torch.OutOfMemoryError as error:
        raise _out_of_memory(loaded[0].item.path, model) from error


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


def write_result(
    model: Model,
    loaded: LoadedScan,
    result: Segmentation,
    destination: Destination,
    meaning: ResultMeaning,
) -> None:
    """Write all files of one input."""
    item, scan = loaded.item, loaded.scan
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
