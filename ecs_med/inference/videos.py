"""Segmenting a video frame by frame: an overlay with the same time stamps, and areas as a table."""

import csv
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecs_med.data.cases import PreparedCase
from ecs_med.data.readers import Scan
from ecs_med.data.video.decoding import Frame, Video, open_video
from ecs_med.data.video.opening import require_pyav
from ecs_med.errors import SettingsError
from ecs_med.files import (
    RESULT_REMEDY,
    make_folder,
    remedy_of_writing,
    write_atomically,
    written_together,
)
from ecs_med.inference.canvas import Segmentation
from ecs_med.inference.destinations import output_folder
from ecs_med.inference.model import Model
from ecs_med.inference.predictor import check_scan, segment_cases
from ecs_med.inference.scans import PredictionInput
from ecs_med.inference.video_writing import can_write_video, video_writer
from ecs_med.inference.views import draw_labels
from ecs_med.names import as_cell
from ecs_med.records import Record
from ecs_med.runs.outputs import mark_files

__all__ = ["VideoDestination", "VideoOutcome", "plan_videos", "segment_video"]

_REMEDY = "the results hold what could be read, copy the file again for the rest"

OnFrame = Callable[[int, int | None], None]
Segmented = tuple[Frame, Segmentation]


class VideoOutcome(Record):
    """How far a video went, and how fast."""

    frames: int
    """That the file gave."""
    segmented: int
    """Of these, that were segmented."""
    seconds: float
    """Of work: decoding, segmenting, writing."""
    frames_per_second: float
    """Segmented, of work."""
    problem: str | None = None
    """What is damaged or missing, one sentence; the results hold what could be read."""
    has_overlay: bool = True
    """`False` where this build of FFmpeg cannot write H.264."""


@dataclass(frozen=True, slots=True)
class VideoDestination:
    """The files that a video gives.

    Attributes:
        table: CSV with a row a frame.
        overlay: Video with the labels drawn in.
    """

    table: Path
    overlay: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """Both."""
        return (self.table, self.overlay)


def plan_videos(items: Sequence[PredictionInput], output: Path | None) -> list[VideoDestination]:
    """Name the outputs of every video: `<stem>.csv` and `<stem>-overlay.mp4`.

    Videos that would share a name are told apart by their suffix (`a_mov.csv`).

    Args:
        items: Videos.
        output: Folder; `None` for `predictions`.

    Raises:
        SettingsError: If `output` is a file name, or an output would overwrite an input or
            another output.
    """
    if items and output is not None and (output.suffix and not output.is_dir()):
        raise SettingsError(
            f"{output}: names one file, but a video gives two; let `output` be a folder."
        )
    folder = output_folder(output)
    count = Counter(item.folder / item.stem for item in items)
    plan = []
    for item in items:
        name = item.folder / item.stem
        if count[name] > 1:
            name = name.with_name(item.path.name.replace(".", "_"))
        base = folder / name
        plan.append(
            VideoDestination(
                base.with_name(f"{base.name}.csv"), base.with_name(f"{base.name}-overlay.mp4")
            )
        )
    inputs = {item.path.resolve() for item in items}
    taken = Counter(path.resolve() for place in plan for path in place.files)
    for place in plan:
        for path in place.files:
            if path.resolve() in inputs or taken[path.resolve()] > 1:
                raise SettingsError(
                    f"{path}: is an input or another video's result; rename one of them, or "
                    "let `output` be another folder."
                )
    return plan


def segment_video(
    model: Model,
    path: Path,
    place: VideoDestination,
    *,
    every: int = 1,
    certainty: bool = False,
    on_frame: OnFrame | None = None,
) -> VideoOutcome:
    """Segment the frames of a video in memory that does not grow with it.

    Args:
        model: Trained on pictures.
        path: The video.
        place: Where the results go; they get their names when they are whole.
        every: Only every so many frames are segmented and written, the first one among them.
        certainty: Also give the mean of the corrector's highest probability by frame.
        on_frame: Called after each segmented frame with how many frames came, and of how many.

    Returns:
        How far it went; a damaged video is segmented up to where it can be read.

    Raises:
        MissingExtraError: If PyAV is not installed.
        UnreadableFileError: If not one frame can be read.
        SettingsError: If the model was not trained on pictures.
    """
    started = time.monotonic()
    require_pyav()
    make_folder(place.table.parent)
    has_overlay = can_write_video()
    outcome: list[tuple[Video, int]] = []

    def write_table(table: Path, overlay: Path | None = None) -> None:
        with open_video(path) as video:
            frames = _segmented(model, path, video, every, certainty)
            if overlay is not None:
                frames = _drawn(frames, video, every, overlay)
            outcome.append((video, _tabled(frames, table, model, certainty, video, on_frame)))

    def write_both(table: Path) -> None:
        write_atomically(place.overlay, lambda overlay: write_table(table, overlay))

    # The table comes last: where it is, everything is.
    with written_together(), remedy_of_writing(RESULT_REMEDY):
        write_atomically(place.table, write_both if has_overlay else write_table)
    mark_files(path for path in place.files if path.exists())
    [(video, num_segmented)] = outcome
    seconds = time.monotonic() - started
    return VideoOutcome(
        frames=video.num_frames,
        segmented=num_segmented,
        seconds=round(seconds, 3),
        frames_per_second=round(num_segmented / seconds, 3),
        problem=None if video.problem is None else f"{path}: {video.problem}; {_REMEDY}.",
        has_overlay=has_overlay,
    )


def _segmented(
    model: Model, path: Path, video: Video, every: int, certainty: bool
) -> Iterator[Segmented]:
    def scans() -> Iterator[tuple[Frame, PreparedCase]]:
        for frame in video.frames():
            if frame.index % every:
                continue
            scan = Scan(np.moveaxis(frame.picture, -1, 0), affine=None, kind="picture")
            if frame.index == 0:
                check_scan(model, scan, path)
            yield frame, PreparedCase.of_scan(scan, model.spec.preparation)

    for frame, _, found in segment_cases(model, scans(), corrector=certainty):
        yield frame, found


def _drawn(
    frames: Iterator[Segmented], video: Video, every: int, overlay: Path
) -> Iterator[Segmented]:
    """The same, each drawn into the overlay as it passes."""
    rate = video.rate / every if video.rate else None
    with video_writer(overlay, rate, video.time_base) as writer:
        for frame, found in frames:
            writer.write(draw_labels(frame.picture, found.labels), frame.stamp)
            yield frame, found


def _tabled(
    frames: Iterator[Segmented],
    table: Path,
    model: Model,
    certainty: bool,
    video: Video,
    on_frame: OnFrame | None,
) -> int:
    """Write a row a frame, and say how many there are."""
    names, number = model.spec.class_names, 0
    with table.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(_head(names, certainty))
        for frame, found in frames:
            rows.writerow(_row(frame, found, len(names)))
            number += 1
            if on_frame is not None:
                on_frame(frame.index + 1, video.expected_frames)
    return number


def _head(class_names: Sequence[str], certainty: bool) -> list[str]:
    areas = [f"{name} {what}" for name in class_names[1:] for what in ("pixels", "share")]
    return ["frame", "seconds", *map(as_cell, areas), *(["certainty"] if certainty else [])]


def _row(frame: Frame, found: Segmentation, num_classes: int) -> list[Any]:
    pixels = np.bincount(found.labels.ravel(), minlength=num_classes)[1:num_classes]
    areas = [cell for n in pixels.tolist() for cell in (n, f"{n / found.labels.size:.6f}")]
    sure = [] if found.view is None else [f"{found.view.certainty.mean().item():.4f}"]
    return [frame.index, f"{frame.seconds:.6f}", *areas, *sure]
