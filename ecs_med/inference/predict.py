"""Segmenting files: from pictures, volumes and folders to label files on the same grids."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from ecs_med.errors import EcsMedError, SettingsError
from ecs_med.inference.dicom_inputs import DicomSettings
from ecs_med.inference.model import Model
from ecs_med.inference.one_input import Outcome, take_scans, take_video
from ecs_med.inference.planning import planned
from ecs_med.inference.prediction import PredictionReport, write_failures
from ecs_med.inference.predictor import check_corrector
from ecs_med.inference.scans import PredictionInput
from ecs_med.inference.storing import load_model
from ecs_med.litter import clear_litter
from ecs_med.memory import kept_heap

__all__ = ["PredictionReport", "predict", "predict_files"]

OnDone = Callable[[Path, str], None]
OnFrame = Callable[[Path, int, int | None], None]
Outcomes = Generator[tuple[PredictionInput, Outcome], None, None]


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
    backend: str = "torch",
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
        backend: What computes, if the model is not loaded yet: `torch`, or on a CPU `onnx`, see
            `load_model`.
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
        model if isinstance(model, Model) else load_model(model, device, backend=backend),
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
    job = planned(model, paths, target, dicom, to, codes, overlay=overlay, certainty=certainty)
    report = job.report

    def outcomes() -> Outcomes:
        yield from take_scans(
            model, job.scans, job.places, job.meaning, report, skip_existing=skip_existing
        )
        for item, place in job.videos:
            given = partial(on_frame, item.shown) if on_frame is not None else None
            more = report, skip_existing, every, certainty, given
            yield item, partial(take_video, model, item, place, *more)

    clear_litter(*sorted({place.labels.parent for place in job.places.values()}))
    _take_all(outcomes(), report, on_done, is_only=len(job.scans) + len(job.videos) == 1)
    if target is None or report.output == target:
        write_failures(report)
    return report


@kept_heap()
def _take_all(
    outcomes: Outcomes,
    report: PredictionReport,
    on_done: OnDone | None,
    *,
    is_only: bool,
) -> None:
    """One after the other; a fault stops nothing but the only one."""
    with closing(outcomes):
        for item, outcome in outcomes:
            try:
                status = outcome()
            except (EcsMedError, OSError) as error:
                if is_only:
                    raise
                status = report.failures[item.shown] = str(error)
            if on_done is not None:
                on_done(item.shown, status)
