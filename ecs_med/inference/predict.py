"""Segmenting files: from pictures, volumes and folders to label files on the same grids."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ecs_med.data.planes import slice_axis
from ecs_med.data.readers import ResultMeaning, read_scan
from ecs_med.data.readers.pictures import write_png
from ecs_med.errors import (
    DeviceMemoryError,
    EcsMedError,
    SettingsError,
)
from ecs_med.files import make_folder
from ecs_med.inference.destinations import Destination, output_folder, plan_destinations
from ecs_med.inference.dicom_inputs import DicomSettings
from ecs_med.inference.formats import (
    available_formats,
    is_on_source,
    known,
    read_codes,
    settled,
)
from ecs_med.inference.inputs import FoundInputs, find_inputs
from ecs_med.inference.model import Model, load_model
from ecs_med.inference.orientation import orientation_notes
from ecs_med.inference.planes import plane_notes
from ecs_med.inference.prediction import PredictionReport, write_failures
from ecs_med.inference.predictor import check_corrector, check_scan, segment
from ecs_med.inference.scans import PredictionInput
from ecs_med.inference.videos import VideoDestination, plan_videos, segment_video
from ecs_med.inference.views import draw_overlay
from ecs_med.litter import clear_litter
from ecs_med.runs.newest import trained_layout, unfinished
from ecs_med.runs.outputs import mark_files

__all__ = ["PredictionReport", "predict", "predict_files"]

_INHERITED = (
    "DICOM SEG carries the patient's name, id and date of birth from its source, as the standard "
    "asks; NIfTI, NRRD and PNG carry none."
)

_NO_VIDEOS = "videos, and the model was trained on volumes"

OnDone = Callable[[Path, str], None]
OnFrame = Callable[[Path, int, int | None], None]


def predict(
    inputs: Sequence[Path | str] | Path | str,
    *,
    model: Model | Path | str | None = None,
    output: Path | str | None = None,
    overlay: bool = False,
    certainty: bool = False,
    skip_existing: bool = False,
    to: Sequence[str] | str | None = None,
    codes: Path | str | None = None,
    series: str | None = None,
    resample: bool = False,
    keep_names: bool = False,
    every: int = 1,
    device: str = "auto",
    on_done: OnDone | None = None,
) -> PredictionReport:
    """Segment pictures, volumes, videos, and folders of them.

    Every result has the grid of its input: a picture gives a PNG of the same height and width,
    a volume a file of its own format, shape and affine, a DICOM series NIfTI. Pixels hold the
    values that the masks of training hold (see `LabelScheme.decode`): class indices, but for label
    files with gaps. A DICOM SEG has a segment for each class but the first, in their order.

    A video gives an overlay as video, with the time stamps of the source, and a table of the areas
    by frame; one that is damaged is segmented as far as it can be read, and is among the failures.

    Args:
        inputs: Files and folders, which are searched with their sub-folders.
        model: Loaded model, or run folder; `None`: the newest run below `runs/`.
        output: Folder, or file name with a single input; `None`: `predictions/`.
        overlay: Also write `<stem>-overlay.png`, with the labels drawn in.
        certainty: Also write `<stem>-certainty`: the corrector's highest probability, as float32
            in 0..1 for volumes, as 8 bits (255 = certain) for pictures.
        skip_existing: Leave inputs alone whose results are all there.
        to: Formats of the results, a list or one text with commas: `nifti`, `nrrd`, `dicom-seg` of
            volumes, `png`, `dicom-seg` of pictures; `None`: that of the input, of DICOM NIfTI or
            PNG. Each input gives a file of each format.
        codes: JSON or YAML file with SNOMED codes for DICOM SEG, of all classes or some:
            `{class: {category: {value, meaning}, type: {value, meaning}}}`; the others have those
            that their names suggest.
        series: Of DICOM: which of several series of an examination, by number, name or `all`.
        resample: Of DICOM: bring slices that are tilted or unevenly apart onto a grid.
        keep_names: Of DICOM: call results as files and folders are called, which may name
            patients; else by hashes with a key of this machine.
        every: Of videos: segment and write only every so many frames.
        device: Where to compute, if the model is not loaded yet.
        on_done: Called after each input with its path and `written`, `skipped` or the
            sentence that says why it failed.

    Raises:
        SomeInputsFailed: If some of several inputs failed; the others are written, and
            `failures.json` in the output folder has one sentence for each.
        EcsMedError: If the only input fails, or nothing can be done at all.

    Example:
        >>> import ecs_med
        >>> report = ecs_med.predict(folder / "test" / "images", model=run, output="out")
        >>> sorted(path.name for path in report.written.values())[:2]
        ['p006_0.png', 'p006_1.png']
    """
    report = predict_files(
        model if isinstance(model, Model) else load_model(model, device),
        inputs,
        output,
        overlay=overlay,
        certainty=certainty,
        skip_existing=skip_existing,
        dicom=DicomSettings(series, resample, keep_names),
        to=to,
        codes=codes,
        every=every,
        on_done=on_done,
    )
    report.raise_failures()
    return report


def predict_files(
    model: Model,
    inputs: Sequence[Path | str] | Path | str,
    output: Path | str | None = None,
    *,
    overlay: bool = False,
    certainty: bool = False,
    skip_existing: bool = False,
    dicom: DicomSettings | None = None,
    to: Sequence[str] | str | None = None,
    codes: Path | str | None = None,
    every: int = 1,
    on_done: OnDone | None = None,
    on_frame: OnFrame | None = None,
) -> PredictionReport:
    """As `predict`, but `SomeInputsFailed` is left to the caller of `raise_failures`.

    `on_frame` is called after each frame of a video: its path, how many frames came, of how many.
    """
    if every < 1:
        raise SettingsError(f"`every={every}` is not possible; take 1 for every frame, 2 for half.")
    if certainty:
        check_corrector(model)
    paths = [Path(path) for path in ([inputs] if isinstance(inputs, (str, Path)) else inputs)]
    target = None if output is None else Path(output)
    folder = output_folder(target)
    _check_folder(folder, paths)
    found = find_inputs(
        paths,
        num_channels=model.spec.in_channels if model.spec.kind == "volume" else 1,
        numbered=trained_layout(model.run) == "nnunet",
        leave_out=folder,
        dicom=dicom,
        kind=model.spec.kind,
    )
    videos = _videos(found, model)
    scans_found = [item for item in found.items if item not in videos]
    if to is not None and videos and not scans_found:
        raise SettingsError("A video gives a table and an overlay; leave out `to`.")
    items, formats = settled(scans_found, known(to), target)
    video_places = dict(
        zip([item.shown for item in videos], plan_videos(videos, target), strict=True)
    )
    segmentable = [item for item in items if item.problem is None]
    plan = plan_destinations(
        segmentable, target, formats=formats, overlay=overlay, certainty=certainty
    )
    places = dict(zip([item.shown for item in segmentable], plan, strict=True))
    given_codes = _codes_of(model, codes, plan)
    values = stored_values(model).tolist()
    names = dict(zip(values, model.spec.class_names, strict=True))
    clear_litter(*sorted({place.labels.parent for place in plan}))
    state = unfinished(model.run)
    scans = [item.images for item in segmentable]
    report = PredictionReport(
        model=model.run,
        output=folder,
        labels=names,
        passed_over=found.passed_over,
        notes=(
            *([state] if state else []),
            *found.told(),
            *found.notes,
            *plane_notes(model.spec.preparation, scans),
            *orientation_notes(model.run, model.spec, scans),
            *([_INHERITED] if any("dicom-seg" in place.formats for place in plan) else []),
        ),
    )

    def take(item: PredictionInput) -> str:
        """What became of an input."""
        if item in videos:
            given = partial(on_frame, item.shown) if on_frame is not None else None
            place = video_places[item.shown]
            return _take_video(model, item, place, report, skip_existing, every, certainty, given)
        destination = places.get(item.shown)
        if item.problem is not None or destination is None:
            raise item.problem or ValueError(f"{item.path} has no destination")
        return _take_scan(
            model, item, destination, report, skip_existing, ResultMeaning(names, given_codes)
        )

    _take_all([*items, *videos], take, report, on_done)
    if target is None or folder == target:
        write_failures(report)
    return report


def _take_all(
    items: Sequence[PredictionInput],
    take: Callable[[PredictionInput], str],
    report: PredictionReport,
    on_done: OnDone | None,
) -> None:
    """One after the other; a fault stops nothing but the only one."""
    for item in items:
        try:
            status = take(item)
        except (EcsMedError, OSError) as error:
            if len(items) == 1:
                raise
            status = report.failures[item.shown] = str(error)
        if on_done is not None:
            on_done(item.shown, status)


def _videos(found: FoundInputs, model: Model) -> list[PredictionInput]:
    """Videos among the inputs; those in folders are passed over where the model takes none."""
    videos = [item for item in found.items if item.is_video]
    listed = [item for item in videos if item.below is not None]
    if model.spec.kind == "picture" or not listed or len(listed) == len(found.items):
        return videos
    found.items = [item for item in found.items if item not in listed]
    found.passed_over |= {item.path: _NO_VIDEOS for item in listed}
    return [item for item in videos if item not in listed]


def _take_scan(
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


def _take_video(
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


def _codes_of(
    model: Model, codes: Path | str | None, plan: Sequence[Destination]
) -> Mapping[str, Mapping[str, Any]] | None:
    if codes is None:
        return None
    found = read_codes(Path(codes), model.spec.class_names)
    if plan and not any("dicom-seg" in place.formats for place in plan):
        raise SettingsError(
            f"{codes}: codes are written into DICOM SEG only; add dicom-seg to `to`, or leave out "
            "`codes`."
        )
    return found


def _check_folder(folder: Path, inputs: Sequence[Path]) -> None:
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder}: is a file, not a folder; name another one with `output`.")
    for path in inputs:
        # The next prediction would take this one's results for pictures.
        if path.is_dir() and path.resolve() == folder.resolve():
            raise SettingsError(f"{folder}: is the input folder; name another one with `output`.")


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
