"""Curves of a budget report: a method, or a method with its labels chosen in several ways."""

from collections.abc import Sequence
from dataclasses import replace

from ecs_med.reporting.sweep.runs import FinishedRun
from ecs_med.runs import MethodFacts

__all__ = ["SeriesFacts", "by_draw", "is_usual"]

USUAL = "random"
"""The draw that others are held against."""


class SeriesFacts(MethodFacts):
    """A method whose labels were chosen in one of several ways."""

    method: str
    """Value of the setting `method`; `name` tells the draw as well."""
    draw: str
    """Value of the setting `draw`."""


def by_draw(runs: Sequence[FinishedRun]) -> list[FinishedRun]:
    """Tell the runs of a method apart by their draws, where it has several.

    Args:
        runs: Finished runs.

    Returns:
        The runs, of whose methods the names say the draw; unchanged where every method has one
        draw: if these differ, methods cannot be compared, which `check_comparable` says.
    """
    draws: dict[str, set[str]] = {}
    for run in runs:
        draws.setdefault(run.method.name, set()).add(run.config.draw)
    if all(len(own) < 2 for own in draws.values()):
        return list(runs)
    return [
        replace(run, manifest=run.manifest.model_copy(update={"method": _series(run)}))
        for run in runs
    ]


def _series(run: FinishedRun) -> SeriesFacts:
    facts, draw = run.method, run.config.draw
    chosen = "at random" if draw == USUAL else f"by {draw}"
    named = {
        "name": f"{facts.name} {chosen}",
        "title": f"{facts.title}, labels chosen {chosen}",
        "short_name": f"{facts.short_name} {chosen}",
        "method": facts.name,
        "draw": draw,
    }
    return SeriesFacts(**{**facts.model_dump(), **named})


def is_usual(facts: MethodFacts) -> bool:
    """Whether its labels were drawn as those of other curves are held against."""
    return not isinstance(facts, SeriesFacts) or facts.draw == USUAL
