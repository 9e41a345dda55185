"""Refuses run folders that must not be laid over each other, unless the user says so."""

import functools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ecs_med.config import TrainConfig
from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.reporting.run.reading import inner
from ecs_med.reporting.sweep.runs import BudgetRun
from ecs_med.reporting.text import flat

__all__ = ["FREE_SETTINGS", "Difference", "Kind", "check_comparable", "protocol"]

Kind = Literal["data", "split", "protocol"]
"""What may differ between runs of a set."""

FREE_SETTINGS = frozenset(
    ("method", "labeled", "seed", "run", "data", "workers", "cache", "device", "tensorboard")
)
"""Settings in which comparable runs differ: the grid itself, and how it was computed."""

_CORRECTOR_SETTINGS = ("ecs", "corrector_encoder", "corrector_optimizer")
"""Settings without effect on a method that has no corrector."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which two runs differ.

    Attributes:
        kind: By what name it can be allowed.
        sentence: Names the two folders and the thing.
    """

    kind: Kind
    sentence: str


def check_comparable(runs: Sequence[BudgetRun], allow: Collection[str] = ()) -> tuple[str, ...]:
    """Check that differences between scores can only come from method, budget and seed.

    Args:
        runs: Finished runs.
        allow: Kinds of difference that the user takes upon themselves.

    Returns:
        The differences that were allowed, one sentence for each differing thing.

    Raises:
        SettingsError: If `allow` names something else than data, split or protocol.
        RunFolderError: If runs differ in something that is not allowed.
    """
    unknown = sorted(set(allow) - set(get_args(Kind)))
    if unknown:
        raise SettingsError(f"--allow {unknown[0]}: allow data, split or protocol.")
    allowed = []
    for difference in _differences(runs):
        if difference.kind not in allow:
            raise RunFolderError(
                f"{difference.sentence}; leave one of them out, or add --allow {difference.kind}."
            )
        allowed.append(f"{difference.sentence}.")
    return tuple(allowed)


def _differences(runs: Sequence[BudgetRun]) -> Iterator[Difference]:
    yield from _data_differences(runs)
    yield from _split_differences(runs)
    yield from _protocol_differences(runs)


def _data_differences(runs: Sequence[BudgetRun]) -> Iterator[Difference]:
    first = runs[0]
    for what, value in (
        ("data set", lambda run: str(inner(run.manifest, "data").get("name") or "unknown")),
        ("classes", lambda run: ", ".join(run.class_names)),
    ):
        other = next((run for run in runs if value(run) != value(first)), None)
        if other is not None:
            yield _difference("data", first, other, what, value(first), value(other))


def _split_differences(runs: Sequence[BudgetRun]) -> Iterator[Difference]:
    """Test and validation cases of all runs, and the labelled ones of a seed and budget.

    Where the seed draws the test cases, only runs of one seed have to share them.
    """
    for part in ("test", "validation"):
        seen: dict[object, BudgetRun] = {}
        for run in runs:
            scope = run.seed if part in run.split.drawn_by_seed else None
            other = seen.setdefault(scope, run)
            if getattr(other.split, part) != getattr(run.split, part):
                yield Difference(
                    "split",
                    f"{other.folder} and {run.folder} have different {part} cases (split.json)",
                )
                break
    drawn: dict[tuple[str, int], BudgetRun] = {}
    for run in runs:
        other = drawn.setdefault((run.labeled, run.seed), run)
        if other.split.labeled != run.split.labeled:
            yield Difference(
                "split",
                f"{other.folder} and {run.folder} have the same budget and seed, but different "
                "labelled cases (split.json)",
            )
            break


def _protocol_differences(runs: Sequence[BudgetRun]) -> Iterator[Difference]:
    seen: dict[str, tuple[BudgetRun, str]] = {}
    told: set[str] = set()
    for run in runs:
        for key, value in protocol(run.config).items():
            other, expected = seen.setdefault(key, (run, value))
            if value != expected and key not in told:
                told.add(key)
                yield _difference("protocol", other, run, f"setting {key}", expected, value)


def protocol(config: Mapping[str, Any]) -> dict[str, str]:
    """Settings that comparable runs share, by dotted name.

    A setting that an older run has not recorded counts with its default. Settings of the
    corrector are left out where the method has none.

    Args:
        config: `config.json` of a run.
    """
    settings = {key: value for key, value in _defaults() if key.split(".")[0] not in config}
    settings.update(flat(config))
    unused = () if config.get("method") == "ecs" else _CORRECTOR_SETTINGS
    return {
        key: value
        for key, value in settings.items()
        if key.split(".")[0] not in FREE_SETTINGS and key.split(".")[0] not in unused
    }


@functools.cache
def _defaults() -> tuple[tuple[str, str], ...]:
    return tuple(flat(TrainConfig.parse({"data": "."}).model_dump(mode="json")))


def _difference(
    kind: Kind, first: BudgetRun, second: BudgetRun, what: str, one: str, other: str
) -> Difference:
    return Difference(
        kind, f"{first.folder} and {second.folder} differ in {what} ({one} and {other})"
    )
