"""Ratios that must not get lost: what `make bench-check` holds, with wide margins.

Processors differ, and others use them, so seconds are not judged, and limits are far from what the
page says. A ratio that is missed is measured a second time before it counts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from speed_suite.registry import Options
from speed_suite.results import Row

__all__ = ["MARGINS", "QUICK", "Margin", "missed", "verdict"]

QUICK = Options(repeats=5, seconds=20.0)
"""How the guarded ratios are measured."""


@dataclass(frozen=True, slots=True)
class Margin:
    """One guarded ratio.

    Attributes:
        measure: Gives its row.
        limit: Of the row's ratio.
        at_least: Whether the ratio should not be less, instead of not more.
    """

    measure: Callable[[Options], Row]
    limit: float
    at_least: bool = False


def _step(name: str) -> Callable[[Options], Row]:
    def measure(options: Options) -> Row:
        from speed_suite.measurements.step import rows_of

        return rows_of(name, options, beside=False)[0]

    return measure


def _startup(options: Options) -> Row:
    from speed_suite.measurements.startup import row_of

    return row_of("train", options)


def _pictures(options: Options) -> Row:
    from speed_suite.measurements.prediction import rows_of_pictures

    return rows_of_pictures(options)[0]


def _batches(options: Options) -> Row:
    from speed_suite.measurements.pipeline import labeled_row

    return labeled_row(options)


MARGINS: tuple[Margin, ...] = (
    Margin(_step("supervised"), 0.95),
    Margin(_step("ecs"), 0.85),
    Margin(_startup, 6.0),
    Margin(_pictures, 1.2),
    Margin(_batches, 3.0, at_least=True),
)
"""All that are held."""


def verdict(row: Row, margin: Margin) -> str | None:
    """A sentence that names the ratio, where it is missed."""
    held = row.model_copy(
        update={"limit": margin.limit, "at_least": margin.at_least, "limits": "ratio"}
    )
    if held.is_met:
        return None
    side = "at least" if margin.at_least else "at most"
    return (
        f"{row.what}, against {row.against}: the ratio is {held.judged:.2f} and should be {side} "
        f"{margin.limit:.2f}."
    )


def missed(
    margins: Sequence[Margin] = MARGINS,
    options: Options = QUICK,
    tell: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Sentences on the ratios that are missed twice; `tell` gets a line for each measurement."""
    sentences = []
    for margin in margins:
        for _ in range(2):
            row = margin.measure(options)
            sentence = verdict(row, margin)
            ratio = row.ratio.median if row.ratio else row.value.median
            tell(f"{row.what}, against {row.against}: {ratio:.3f}")
            if sentence is None:
                break
        else:
            sentences.append(str(sentence))
    return sentences
