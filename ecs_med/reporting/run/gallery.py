"""Writes the picture gallery of a run: a few test cases, each as panels, and an index."""

import functools
import math
import re
import zlib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecs_med.files import make_folder, write_atomically, written_together
from ecs_med.palette import css_color
from ecs_med.reporting.run.panels import (
    change_panel,
    fit_scale,
    overlay_panel,
    scale_image,
    scale_map,
)
from ecs_med.runs import Gallery, GalleryEntry
from ecs_med.runs.outputs import mark_files, own_outputs
from ecs_med.types import IGNORE_INDEX

__all__ = ["GalleryItem", "choose_cases", "write_gallery"]

Labels = npt.NDArray[np.uint8]
_OWN_FILE = re.compile(r"\d{3}-(image|reference|prediction|corrector|errors)\.png")
_RANKING_SCORE = "foreground_dice"

MAX_UNRANKED = 9
"""Cases shown where none has a score."""


@dataclass(frozen=True, slots=True)
class GalleryItem:
    """One case, or one slice of a volume, to be shown.

    Attributes:
        case_id: Id of the case.
        image: (H, W, 3), uint8.
        reference: (H, W), uint8 class indices with `IGNORE_INDEX` for void; `None` without one.
        prediction: (H, W), uint8 class indices.
        correction: (H, W), uint8; the corrector's class, K (the number of classes) for "right";
            `None` where the method has no corrector.
        certainty: (H, W), float32, 0..1: the corrector's highest probability.
        scores: Scores of the case, among them `foreground_dice`.
        slice_index: Which slice of a volume this is; `None` for pictures.
        corrects: Whether the correction is part of the prediction already.
    """

    case_id: str
    image: npt.NDArray[np.uint8]
    reference: Labels | None
    prediction: Labels
    correction: Labels | None = None
    certainty: npt.NDArray[np.float32] | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    slice_index: int | None = None
    corrects: bool = False

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.size == 0:
            raise ValueError(f"image must be (H, W, 3), got {self.image.shape}")
        for name in ("reference", "prediction", "correction", "certainty"):
            values = getattr(self, name)
            if values is not None and values.shape != self.image.shape[:2]:
                raise ValueError(f"{name} is {values.shape}, the image {self.image.shape[:2]}")


def choose_cases(
    cases: Iterable[tuple[str, Mapping[str, float]]], num_each: int = 3
) -> dict[str, str]:
    """Choose the worst, the median and the best cases of a test set by foreground Dice.

    Args:
        cases: Id and scores of every case.
        num_each: Cases per group. With fewer than three times as many cases in all, every
            case is taken and the groups shrink.

    Returns:
        Group (`worst`, `median`, `best`) by case id, from the worst score to the best; ties by
        id. Cases without a score are left out.
    """
    scored = [(_finite(scores.get(_RANKING_SCORE)), case_id) for case_id, scores in cases]
    ranked = [case_id for score, case_id in sorted((s, i) for s, i in scored if s is not None)]
    num_each = min(num_each, len(ranked) // 3)
    if not num_each:
        names = {1: ("median",), 2: ("worst", "best")}.get(len(ranked), ())
        return dict(zip(ranked, names, strict=True))
    middle = (len(ranked) - num_each) // 2
    groups = {"worst": 0, "median": middle, "best": len(ranked) - num_each}
    return {
        case_id: group
        for group, start in groups.items()
        for case_id in ranked[start : start + num_each]
    }


def write_gallery(
    run: Path,
    items: Iterable[GalleryItem],
    class_names: Sequence[str],
    *,
    ranks: Mapping[str, str] | None = None,
    folder_name: str = "gallery",
) -> None:
    """Draw cases into a folder of the run and write `gallery.json` last, replacing an earlier one.

    Args:
        run: The run folder.
        items: Cases to choose from. All of a test set gives its worst, median and best ones; a
            choice made before with `choose_cases` is kept by passing it as `ranks`.
        class_names: K names, background first.
        ranks: Group by case id, where the choice has been made on more cases than `items`.
        folder_name: Folder below `run`.

    Raises:
        RunFolderError: If the folder cannot be written.
    """
    items = list(items)
    groups = dict(ranks or choose_cases((i.case_id, i.scores) for i in items))
    if not groups:
        groups = {item.case_id: "" for item in items[:MAX_UNRANKED]}
    position = {case_id: index for index, case_id in enumerate(groups)}
    shown = sorted((i for i in items if i.case_id in groups), key=lambda i: position[i.case_id])
    folder = make_folder(run / folder_name)
    with written_together():
        entries = tuple(
            GalleryEntry(
                case_id=item.case_id,
                slice_index=item.slice_index,
                rank=groups[item.case_id],
                score=_finite(item.scores.get(_RANKING_SCORE)),
                scores={key: _finite(value) for key, value in item.scores.items()},
                panels=_write_panels(folder, index, _draw(item, len(class_names))),
            )
            for index, item in enumerate(shown)
        )
        gallery = Gallery(
            class_names=tuple(class_names),
            class_colors=tuple(css_color(index) for index in range(len(class_names))),
            num_candidates=len({item.case_id for item in items}),
            ranked_over_all=ranks is not None,
            items=entries,
        )
        gallery.write(folder / "gallery.json")
    written = {name for entry in entries for name in entry.panels.values()}
    _remove_stale(folder, written)
    if not own_outputs(run).whole:
        mark_files(folder / name for name in sorted(written))


def _write_panels(
    folder: Path, index: int, panels: Mapping[str, npt.NDArray[np.uint8]]
) -> dict[str, str]:
    """Write the panels of a case; their file names by what they show.

    Zlib looks for runs alone: it takes a fifth of the time, and files get no larger, since what
    PNG's filters leave of a picture hardly repeats itself.
    """
    from PIL import Image

    names = {name: f"{index:03d}-{name}.png" for name in panels}
    for name, panel in panels.items():
        picture = Image.fromarray(panel)
        save = functools.partial(picture.save, format="PNG", compress_type=zlib.Z_RLE)
        write_atomically(folder / names[name], save)
    return names


def _draw(item: GalleryItem, num_classes: int) -> dict[str, npt.NDArray[np.uint8]]:
    scale = fit_scale(*item.image.shape[:2])
    image = scale_image(item.image, scale)
    prediction = scale_map(item.prediction, scale)
    panels = {"image": image}
    void = errors = None
    if item.reference is not None:
        reference = scale_map(item.reference, scale)
        void = reference == IGNORE_INDEX
        errors = (prediction != reference) & ~void
        panels["reference"] = overlay_panel(image, reference)
    panels["prediction"] = overlay_panel(image, prediction)
    if item.correction is not None:
        certainty = None if item.certainty is None else scale_map(item.certainty, scale)
        correction = scale_map(item.correction, scale)
        if not item.corrects:
            # Naming the class that is there already changes nothing.
            correction = np.where(correction == prediction, num_classes, correction)
        changes = correction.astype(np.uint8)
        panels["corrector"] = change_panel(image, changes, num_classes, certainty, errors, void)
    elif errors is not None:
        truth = np.where(errors, reference, num_classes).astype(np.uint8)
        panels["errors"] = change_panel(image, truth, num_classes, void=void)
    return panels


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _remove_stale(folder: Path, keep: Container[str]) -> None:
    """Remove panels of an earlier gallery; files of other names are somebody else's."""
    for path in folder.iterdir():
        if _OWN_FILE.fullmatch(path.name) and path.name not in keep:
            path.unlink(missing_ok=True)
