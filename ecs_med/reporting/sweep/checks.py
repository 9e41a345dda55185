"""Refuses run folders that must not be laid over each other, unless the user says so."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from typing import Literal, NamedTuple, get_args

from ecs_med.config import TrainConfig
from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.reporting.sweep.runs import FinishedRun
from ecs_med.reporting.sweep.series import SeriesFacts
from ecs_med.reporting.text import flat
from ecs_med.splits import DRAWS

__all__ = ["check_comparable", "deciding_settings"]

Kind = Literal["data", "split", "protocol"]
"""What may differ between runs of a set."""

_GRID = frozenset(("method", "labeled", "seed", "draw_from"))
"""The axes of the grid, in which comparable runs differ."""


class Difference(NamedTuple):
    """One thing in which two runs differ: by what name it can be allowed, and a sentence."""

    kind: Kind
    sentence: str


def check_comparable(runs: Sequence[FinishedRun], allow: Collection[str] = ()) -> tuple[str, ...]:
    """Check that differences between scores can only come from method, budget and seed.

    Returns:
        The differences that are in `allow`, one sentence for each differing thing.

    Raises:
        SettingsError: If `allow` names something else than data, split or protocol.
        RunFolderError: If runs differ in something that is not allowed.
    """
    unknown = sorted(set(allow) - set(get_args(Kind)))
    if unknown:
        raise SettingsError(f"`allow` {unknown[0]}: choose data, split or protocol.")
    allowed = []
    for difference in chain(
        _data_differences(runs), _split_differences(runs), _protocol_differences(runs)
    ):
        if difference.kind not in allow:
            raise RunFolderError(
                f"{difference.sentence}; leave one of them out, or add `allow` {difference.kind}."
            )
        allowed.append(f"{difference.sentence}.")
    return tuple(allowed)


def _data_differences(runs: Sequence[FinishedRun]) -> Iterator[Difference]:
    for what, value in (
        ("data set", lambda run: run.manifest.data.name),
        ("classes", lambda run: ", ".join(run.metrics.class_names)),
    ):
        other = next((run for run in runs if value(run) != value(runs[0])), None)
        if other is not None:
            yield _difference("data", runs[0], other, what, value(runs[0]), value(other))
    known = [(run, run.contents) for run in runs if run.contents is not None]
    for run, contents in known[1:]:
        first, expected = known[0]
        # The same object where the files are equal, so that large sets are compared but once.
        if contents is not expected and (changes := expected.changes_to(contents)):
            folders = f"{first.folder} and {run.folder}"
            yield Difference("data", f"{folders} had other data: {changes.words()} in between")
            break


def _split_differences(runs: Sequence[FinishedRun]) -> Iterator[Difference]:
    """Test and validation cases of all runs, and the labelled ones of a seed and budget.

    Where the seed draws the test cases, only runs of one seed have to share them.
    """
    for part, what in (
        ("test", "different test cases"),
        ("validation", "different validation cases"),
        ("labeled", "the same budget and seed, but different labelled cases"),
    ):
        seen: dict[object, FinishedRun] = {}
        for run in runs:
            scope: object = run.seed if part in run.split.drawn_by_seed else None
            if part == "labeled":
                draw = run.config.draw
                # A rule asks the method's own model, so that each has labels of its own.
                scope = run.labeled, run.seed, draw, run.method.name * (draw not in DRAWS)
            other = seen.setdefault(scope, run)
            if getattr(other.split, part) != getattr(run.split, part):
                folders = f"{other.folder} and {run.folder}"
                yield Difference("split", f"{folders} have {what} (split.json)")
                break


def _protocol_differences(runs: Sequence[FinishedRun]) -> Iterator[Difference]:
    seen: dict[tuple[str, str], tuple[FinishedRun, str]] = {}
    found: set[str] = set()
    for run, settings in zip(runs, deciding_settings(runs), strict=True):
        for key, value in settings.items():
            scope = run.method.name if _is_among(key, run.method.settings) else ""
            other, expected = seen.setdefault((scope, key), (run, value))
            if value != expected and key not in found:
                found.add(key)
                yield _difference("protocol", other, run, f"setting {key}", expected, value)


def deciding_settings(runs: Sequence[FinishedRun]) -> list[dict[str, str]]:
    """Settings that decide the score of each run beside method, budget and seed, by dotted name.

    A setting that means something to other methods alone, see `MethodFacts.settings`, is left out.
    """
    deciding = TrainConfig.fields_affecting("result") - _GRID
    if any(isinstance(run.method, SeriesFacts) for run in runs):
        deciding -= {"draw"}
    of_methods = frozenset(name for run in runs for name in run.method.settings)
    return [
        {
            key: value
            for key, value in flat(run.config.model_dump(mode="json"))
            if key.split(".")[0] in deciding
            and (_is_among(key, run.method.settings) or not _is_among(key, of_methods))
        }
        for run in runs
    ]


def _is_among(key: str, names: Iterable[str]) -> bool:
    """Whether a dotted name is one of `names` or lies in a section of them."""
    return any(key == name or key.startswith(f"{name}.") for name in names)


def _difference(
    kind: Kind, first: FinishedRun, second: FinishedRun, what: str, one: str, other: str
) -> Difference:
    return Difference(
        kind, f"{first.folder} and {second.folder} differ in {what} ({one} and {other})"
    )
