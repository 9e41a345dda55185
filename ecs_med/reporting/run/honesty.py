"""Whether the corrector of a run knows where the segmenter is wrong: sentences, table, charts."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ecs_med.metrics import Calibration, ErrorDetection, PixelGroup
from ecs_med.palette import css_color
from ecs_med.reporting.plots import DASHES, Pen, draw_for_page
from ecs_med.reporting.run.charts import Chart, drawn, room_around
from ecs_med.reporting.run.curves import Line, Mark, series
from ecs_med.reporting.run.reading import RunRecord
from ecs_med.reporting.text import count, decimal, percent, plural
from ecs_med.runs import CorrectorScores, ValidationRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Honesty", "HonestyRow", "examine_honesty"]

FEWEST_PIXELS = 100
"""A part of a calibration curve with fewer pixels would show chance."""


class HonestyRow(NamedTuple):
    """Both detectors on one kind of pixels, in words; `color` is `None` but for classes."""

    name: str
    color: str | None
    is_class: bool
    num_pixels: str
    wrong_share: str
    scores: tuple[str, ...]


class Honesty(NamedTuple):
    """The section of the report; `reading` is empty where the corrector was never scored."""

    reading: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    rows: tuple[HonestyRow, ...] = ()
    charts: tuple[tuple[str, Chart], ...] = ()


def examine_honesty(record: RunRecord) -> Honesty:
    """Judge the corrector at the chosen iteration, or at the last one logged before it."""
    found = _chosen(record)
    if found is None or found[1].detection is None:
        return Honesty()
    iteration, scores = found
    detection = scores.detection
    assert detection is not None
    weakness = detection.weakness()
    return Honesty(
        reading=tuple(_reading(record, iteration, scores, detection)),
        warnings=(weakness,) if weakness else (),
        rows=tuple(_rows(record, detection)),
        charts=(
            ("Does it find errors?", _over_iterations(record, "auroc")),
            ("Are doubted pixels wrong?", _over_iterations(record, "average_precision")),
            ("Is a probability what it says?", _reliability(detection)),
        ),
    )


def _chosen(record: RunRecord) -> tuple[int, CorrectorScores] | None:
    chosen = record.chosen_iteration
    of_run = record.metrics.corrector if record.metrics else None
    if of_run is not None and of_run.validation.detection is not None and chosen is not None:
        return chosen, of_run.validation
    scored = [
        (row.iteration, row.corrector)
        for row in record.history.validation
        if row.corrector is not None and row.corrector.detection is not None
    ]
    until = [row for row in scored if chosen is None or row[0] <= chosen] or scored[:1]
    return until[-1] if until else None


def _reading(
    record: RunRecord, iteration: int, scores: CorrectorScores, detection: ErrorDetection
) -> list[str]:
    cases = plural(scores.num_cases, f"validation {record.unit}")
    whole, front = detection.all_pixels, detection.foreground
    told = (
        f"At iteration {count(iteration)}, on {cases}, the segmenter had "
        f"{percent(whole.wrong_share)} of all pixels and {percent(front.wrong_share)} of the "
        f"foreground pixels wrong. The corrector finds them with AUROC "
        f"{decimal(whole.corrector.auroc)} and {decimal(front.corrector.auroc)}, the segmenter's "
        f"own confidence with {decimal(whole.confidence.auroc)} and "
        f"{decimal(front.confidence.auroc)}."
    )
    unlabeled = record.history.pseudo_labels_at(record.chosen_iteration)
    if unlabeled is not None and unlabeled[1].foreground_auroc is not None:
        health = unlabeled[1]
        told += (
            f" On the foreground pixels of {plural(health.num_cases, f'unlabelled {record.unit}')}"
            f", against their hidden masks, these are {decimal(health.foreground_auroc)} and "
            f"{decimal(health.foreground_auroc_of_confidence)}."
        )
    calibrated = (
        "The corrector's probability of “right” is off by "
        f"{decimal(detection.calibration.expected_error)} in the mean (expected calibration "
        "error), the segmenter's largest probability by "
        f"{decimal(detection.confidence_calibration.expected_error)}."
    )
    return [told, calibrated]


def _rows(record: RunRecord, detection: ErrorDetection) -> list[HonestyRow]:
    rows = [
        _row("all pixels", detection.all_pixels),
        _row("foreground pixels", detection.foreground),
    ]
    names = record.class_names or tuple(f"class {i}" for i in range(len(detection.per_class)))
    for label, (name, group) in enumerate(zip(names, detection.per_class, strict=False)):
        row = _row(name, group)
        rows.append(row._replace(color=css_color(label), is_class=True))
    return rows


def _row(name: str, group: PixelGroup) -> HonestyRow:
    own, plain = group.corrector, group.confidence
    values = (own.auroc, plain.auroc, own.average_precision, plain.average_precision)
    return HonestyRow(
        name=name,
        color=None,
        is_class=False,
        num_pixels=count(group.num_pixels),
        wrong_share=percent(group.wrong_share),
        scores=tuple(decimal(value) for value in values),
    )


def _over_iterations(record: RunRecord, score: str) -> Chart:
    rows = record.history.validation

    def line(name: str, value: Callable[[ValidationRow], ErrorDetection | None], key: str) -> Line:
        where, _, detector = key.partition(".")

        def of_row(row: ValidationRow) -> float | None:
            detection = value(row)
            if detection is None:
                return None
            found: float | None = getattr(getattr(getattr(detection, where), detector), score)
            return found

        return Line(name, series(rows, of_row), markers=True)

    def labeled(row: ValidationRow) -> ErrorDetection | None:
        return row.corrector.detection if row.corrector else None

    def unlabeled(row: ValidationRow) -> ErrorDetection | None:
        return row.pseudo_labels.detection if row.pseudo_labels else None

    lines = [
        line("corrector, all pixels", labeled, "all_pixels.corrector"),
        line("confidence, all pixels", labeled, "all_pixels.confidence"),
        line("corrector, foreground", labeled, "foreground.corrector"),
        line("confidence, foreground", labeled, "foreground.confidence"),
        line("corrector, foreground, unlabelled", unlabeled, "foreground.corrector"),
    ]
    title, caption = _WORDS[score]
    chosen = record.chosen_iteration
    mark = None if chosen is None else Mark(chosen, f"chosen: {count(chosen)}")
    return drawn(score, title, lines, caption, mark=mark, limits=room_around(lines))


_WORDS = {
    "auroc": (
        "AUROC of both detectors over iterations.",
        "AUROC on validation and, against hidden masks, on unlabelled images; 0.5 is guessing. A "
        "corrector below the segmenter's confidence adds nothing to it.",
    ),
    "average_precision": (
        "Average precision of both detectors over iterations.",
        "Average precision; guessing scores the share of wrong pixels, which shrinks as the "
        "segmenter learns.",
    ),
}


def _reliability(detection: ErrorDetection) -> Chart:
    curves = {
        "corrector": _points(detection.calibration),
        "segmenter's confidence": _points(detection.confidence_calibration),
    }
    shown = {name: points for name, points in curves.items() if points}
    caption = (
        "Share of pixels that are right, by the probability that they are. On the thin line both "
        f"are equal; below it, too sure. Parts with fewer than {FEWEST_PIXELS} pixels are left out."
    )
    if not shown:
        return Chart("", caption, ())

    def draw(figure: "Figure", pen: Pen) -> None:
        figure.subplots_adjust(left=0.17, right=0.97, bottom=0.17, top=0.92)
        axes = figure.add_subplot()
        axes.plot((0, 1), (0, 1), color=pen.faint, linewidth=1.2)
        for place, points in enumerate(shown.values()):
            style = pen.style(place) | {"markersize": 4}
            axes.plot(*zip(*points, strict=True), **style)
        axes.set_xlabel("probability of right")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.grid(axis="y")
        axes.set_axisbelow(True)

    errors = (
        f"expected error of the corrector {decimal(detection.calibration.expected_error)}, of the "
        f"segmenter's confidence {decimal(detection.confidence_calibration.expected_error)}"
    )
    svg = draw_for_page("reliability", draw, f"Calibration curves: {errors}.")
    keys = [
        (name, place, " ".join(f"{2 * dash:g}" for dash in DASHES[place]))
        for place, name in enumerate(shown)
    ]
    return Chart(svg, caption, keys)


def _points(curve: Calibration) -> list[tuple[float, float]]:
    values = zip(curve.predicted, curve.observed, curve.num_pixels, strict=True)
    return [
        (predicted, observed)
        for predicted, observed, num_pixels in values
        if predicted is not None and observed is not None and num_pixels >= FEWEST_PIXELS
    ]
