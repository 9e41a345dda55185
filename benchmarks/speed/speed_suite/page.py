"""The page: one table of all rows, and how each was measured."""

from collections.abc import Mapping

from speed_suite.registry import Measurement
from speed_suite.results import Results, Row, Section
from speed_suite.timing import Spread

__all__ = ["page"]

_HEAD = """\
# Speed

Medians with their quartiles in brackets. Where two things are compared they took turns in one
process, and the ratio is the median of the ratios turn by turn. "Target" is what the ratio should
keep to, or the first median where a unit is named.
{remark}
| measurement | what | median | against | median | ratio | target | note |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""


def page(results: Results, measurements: Mapping[str, Measurement]) -> str:
    """Markdown of all sections that are there, in the order of `measurements`."""
    there = [(m, results.sections[n]) for n, m in measurements.items() if n in results.sections]
    lines = [
        _line(measurement.title, row) for measurement, section in there for row in section.rows
    ]
    parts = [_HEAD.format(remark=f"\n{results.remark}\n" if results.remark else "")]
    parts[0] += "\n".join(lines)
    parts += [_how(measurement, section) for measurement, section in there]
    return "\n\n".join(parts) + "\n"


def _line(title: str, row: Row) -> str:
    reference = _spread(row.reference, row.unit) if row.reference else ""
    ratio = _spread(row.ratio, "") if row.ratio else ""
    cells = (title, row.what, _spread(row.value, row.unit), row.against, reference, ratio)
    return f"| {' | '.join((*cells, _target(row), row.note))} |"


def _target(row: Row) -> str:
    if row.limit is None:
        return ""
    side = "at least" if row.at_least else "at most"
    is_ratio = row.ratio is not None and row.limits == "ratio"
    limit = f"{_number(row.limit)} {'' if is_ratio else row.unit}".strip()
    return f"{side} {limit}: {'met' if row.is_met else '**missed**'}"


def _spread(spread: Spread, unit: str) -> str:
    text = _number(spread.median)
    if spread.count > 1:
        text += f" ({_number(spread.low)} to {_number(spread.high)})"
    return f"{text} {unit}".strip()


def _number(value: float) -> str:
    """Three digits that count, without an exponent.

    Example:
        >>> _number(0.012345), _number(1.5), _number(123456.0)
        ('0.0123', '1.50', '123,456')
    """
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 2
    while abs(value) * 10**digits < 99.5 and digits < 9:
        digits += 1
    return f"{value:.{digits}f}"


def _how(measurement: Measurement, section: Section) -> str:
    _, words = measurement.load()
    versions = ", ".join(f"{name} {number}" for name, number in section.versions.items())
    settings = ", ".join(f"{name} {value}" for name, value in section.settings.items())
    return (
        f"## {measurement.title} (`{measurement.name}`)\n\n{words.strip()}\n\n"
        f"{section.date}, {section.machine}; {section.threads} thread(s), load {section.load} when "
        f"it began; {versions}; {settings}; took {section.seconds:.0f} s."
    )
