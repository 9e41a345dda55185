"""What the page says of its runs in words."""

from collections.abc import Iterable, Iterator, Sequence

from ecs_med_benchmarks.few_labels.comparison import RowScores
from ecs_med_benchmarks.few_labels.grid import FewLabels
from ecs_med_benchmarks.few_labels.results import RunResult
from ecs_med_benchmarks.few_labels.seconds import StepSeconds
from ecs_med_benchmarks.protocols import protocol_named

__all__ = ["facts_of", "remarks_of"]

_SETTINGS = ("batch", "crop", "encoder", "network", "augmentation", "optimizers")
_PACKAGES = ("python", "torch", "monai", "segmentation-models-pytorch", "ecs-med")


def facts_of(results: Sequence[RunResult]) -> list[tuple[str, str]]:
    """Name and value of what a reader needs to judge the figures."""
    by_set: dict[str, list[RunResult]] = {}
    for result in results:
        by_set.setdefault(result.dataset, []).append(result)
    facts = [(protocol_named(name).title, _data(own)) for name, own in by_set.items()]
    for name, own in by_set.items():
        title = protocol_named(name).title
        facts += [(f"{title}: {key}", _all(_setting(r, key) for r in own)) for key in _SETTINGS]
    return [
        *facts,
        ("First weights", _all(result.first_weights for result in results)),
        ("Machine", _all(result.machine for result in results)),
        ("Device", _all(_device(result) for result in results)),
        ("Versions", _all(_versions(result) for result in results)),
        ("Commit", _all((result.git_commit or "installed copy")[:12] for result in results)),
        ("Dates", _all(result.finished[:10] for result in results)),
    ]


def _data(results: Sequence[RunResult]) -> str:
    parts = (
        f"{r.num_cases['validation']} validation and {r.num_cases['test']} test cases"
        for r in results
    )
    tests = {tuple(sorted(result.test_cases)) for result in results}
    same = "the same test cases for every seed" if len(tests) == 1 else "test cases by the seed"
    return f"{_all(parts)}; {same}"


def _setting(result: RunResult, name: str) -> str:
    value = result.settings.get(name)
    if name == "optimizers" and isinstance(value, dict):
        moved = value.get("segmenter")
        return f"segmenter {_words(moved)}"
    return _words(value)


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(each)}" for key, each in value.items() if key != "strong")
    if isinstance(value, list):
        return " to ".join(map(str, value))
    return str(value)


def _device(result: RunResult) -> str:
    device = result.device
    told = [str(device.get("name") or device.get("type", ""))]
    if "threads" in device:
        told.append(f"{device['threads']} threads")
    return ", ".join(part for part in told if part)


def _versions(result: RunResult) -> str:
    found = result.versions
    return ", ".join(f"{name} {found[name]}" for name in _PACKAGES if name in found)


def _all(values: Iterable[str]) -> str:
    return "; ".join(sorted({value for value in values if value}))


def remarks_of(
    rows: Sequence[RowScores], seconds: StepSeconds, table: FewLabels, absent: Sequence[str]
) -> list[str]:
    """What a reader should know, one sentence each."""
    return [
        *_about_seconds(rows, seconds, table.reference),
        *_about_missing(rows),
        *(f"{method} is not installed, and left out." for method in absent),
    ]


def _about_seconds(
    rows: Sequence[RowScores], seconds: StepSeconds, reference: str
) -> Iterator[str]:
    if not any(each.row.equal == "seconds" for each in rows):
        return
    for dataset in dict.fromkeys(each.row.dataset for each in rows):
        own = [each.row for each in rows if each.row.dataset == dataset]
        steps = next((row.steps for row in own if row.equal == "steps"), None)
        measured = seconds.find(dataset, reference)
        if steps is None or measured is None:
            continue
        yield (
            f"Equal seconds on {protocol_named(dataset).title}: each method takes as many steps "
            f"as fit into the time of {steps:,} steps of {reference}, "
            f"{steps * measured.seconds:.0f} CPU seconds, by the steps measured below; validation "
            "and test are not counted."
        )


def _about_missing(rows: Sequence[RowScores]) -> Iterator[str]:
    missing = [each for each in rows if each.missing]
    if missing:
        count = sum(len(each.missing) for each in missing)
        yield f"Not yet run, and in no average: {count} runs of {len(missing)} rows."
