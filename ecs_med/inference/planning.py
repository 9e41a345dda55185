"""What a prediction is about to do: its inputs, where their results go, what is to be told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecs_med.data.readers import ResultMeaning
from ecs_med.errors import SettingsError
from ecs_med.inference.destinations import Destination, output_folder, plan_destinations
from ecs_med.inference.dicom_inputs import DicomSettings
from ecs_med.inference.formats import known, read_codes, settled
from ecs_med.inference.inputs import FoundInputs, find_inputs
from ecs_med.inference.model import Model
from ecs_med.inference.one_input import stored_values
from ecs_med.inference.orientation import orientation_notes
from ecs_med.inference.planes import plane_notes
from ecs_med.inference.prediction import PredictionReport
from ecs_med.inference.scans import PredictionInput
from ecs_med.inference.videos import VideoDestination, plan_videos
from ecs_med.runs.newest import trained_layout, unfinished

__all__ = ["Job", "planned"]

_INHERITED = (
    "DICOM SEG carries the patient's name, id and date of birth from its source, as the standard "
    "asks; NIfTI, NRRD and PNG carry none."
)

_NO_VIDEOS = "videos, and the model was trained on volumes"


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done.

    Attributes:
        scans: Pictures and volumes, those among them that have a problem.
        places: Where their results go, of those without one, by what they are shown as.
        videos: With the places of their results.
        meaning: Of the values in results.
        report: Of what is known before anything is segmented.
    """

    scans: Sequence[PredictionInput]
    places: Mapping[Path, Destination]
    videos: Sequence[tuple[PredictionInput, VideoDestination]]
    meaning: ResultMeaning
    report: PredictionReport


def planned(
    model: Model,
    paths: Sequence[Path],
    target: Path | None,
    dicom: DicomSettings | None,
    to: Sequence[str] | str | None,
    codes: Path | str | None,
    *,
    overlay: bool,
    certainty: bool,
) -> Job:
    """Find the inputs and say where everything goes, before anything is segmented.

    Args:
        model: A trained model.
        paths: Files and folders.
        target: As `output` of `predict`.
        dicom: How series are taken.
        to: Formats, as of `predict`.
        codes: File of codes, as of `predict`.
        overlay: Whether overlays are drawn.
        certainty: Whether maps of certainty are written.

    Raises:
        EcsMedError: If nothing can be done at all.
    """
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
    scans = [item for item in found.items if item not in videos]
    if to is not None and videos and not scans:
        raise SettingsError("A video gives a table and an overlay; leave out `to`.")
    scans, formats = settled(scans, known(to), target)
    video_places = plan_videos(videos, target)
    fit = [item for item in scans if item.problem is None]
    plan = plan_destinations(fit, target, formats=formats, overlay=overlay, certainty=certainty)
    names = dict(zip(stored_values(model).tolist(), model.spec.class_names, strict=True))
    return Job(
        scans,
        dict(zip([item.shown for item in fit], plan, strict=True)),
        [*zip(videos, video_places, strict=True)],
        ResultMeaning(names, _codes_of(model, codes, plan)),
        PredictionReport(
            model=model.run,
            output=folder,
            labels=names,
            passed_over=found.passed_over,
            notes=_notes(model, found, [item.images for item in fit], plan),
        ),
    )


def _notes(
    model: Model,
    found: FoundInputs,
    scans: Sequence[Sequence[Path]],
    plan: Sequence[Destination],
) -> tuple[str, ...]:
    state = unfinished(model.run)
    return (
        *([state] if state else []),
        *found.told(),
        *found.notes,
        *plane_notes(model.spec.preparation, scans),
        *orientation_notes(model.run, model.spec, scans),
        *([_INHERITED] if any("dicom-seg" in place.formats for place in plan) else []),
    )


def _videos(found: FoundInputs, model: Model) -> list[PredictionInput]:
    """Videos among the inputs; those in folders are passed over where the model takes none."""
    videos = [item for item in found.items if item.is_video]
    listed = [item for item in videos if item.below is not None]
    if model.spec.kind == "picture" or not listed or len(listed) == len(found.items):
        return videos
    found.items = [item for item in found.items if item not in listed]
    found.passed_over |= {item.path: _NO_VIDEOS for item in listed}
    return [item for item in videos if item not in listed]


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
