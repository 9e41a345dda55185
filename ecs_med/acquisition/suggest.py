"""Suggest what to annotate next: find candidates, look at each once, pick, and write it down."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ecs_med.acquisition.base import ACQUISITIONS, Acquisition, Pool, choose
from ecs_med.acquisition.candidates import find_candidates
from ecs_med.acquisition.look import Look
from ecs_med.acquisition.lookers import Looker, looker_for
from ecs_med.acquisition.package import PACKAGES, Packing
from ecs_med.acquisition.pictures import draw_case, drawer_for
from ecs_med.acquisition.report import (
    FAILURES,
    PAGE,
    TABLE,
    Suggestion,
    SuggestionReport,
    patient_group,
    relative_files,
    write_report,
)
from ecs_med.acquisition.scores import Scores
from ecs_med.data.checks.contents import files_digest
from ecs_med.devices import choose_device
from ecs_med.errors import DataError, DeviceMemoryError, EcsMedError, SettingsError
from ecs_med.inference.model import Model
from ecs_med.inference.storing import load_model
from ecs_med.runs.lock import LOCK_NAME, hold_folder
from ecs_med.runs.outputs import claim_folder, mark_files
from ecs_med.splits.ordering import group_key
from ecs_med.types import Case

__all__ = ["suggest", "usual_acquisition"]

SCORES = "scores.jsonl"

_UNPROVEN = ("clasp", "entropy", "doubt")
"""Rules that were not shown to be better than chance, see benchmarks/results/suggestions_*."""
_FORMAT = "ecs-med suggest 2"

OnCase = Callable[[int, int], None]
OnFailure = Callable[[str], None]


def usual_acquisition(model: Model | None) -> str:
    """The rule that is taken where none is named: the best that was measured, docs/suggest.md.

    Without a model, images that cover the set; with one, chance among images with foreground, which
    no rule that asks the model has beaten on all data.
    """
    return "coldstart" if model is None else "foreground"


def suggest(
    data: Path | str,
    model: Model | Path | str | None = None,
    *,
    count: int = 20,
    by: str | None = None,
    seed: int = 0,
    output: Path | str = "suggestions",
    package: Sequence[str] | str = (),
    reading: Mapping[str, Any] | None = None,
    device: str = "auto",
    on_case: OnCase | None = None,
    on_failure: OnFailure | None = None,
) -> SuggestionReport:
    """Say which unlabelled cases an expert should annotate next.

    Every candidate is looked at once, and what was seen is kept in `scores.jsonl` as it comes: a
    second call goes on there. The suggested ones are read again for their pictures.

    Args:
        data: Folder or list file.
        model: A trained model, or its run folder; `None` for a first choice without one.
        count: How many; fewer where there are fewer candidates.
        by: Name of an acquisition; `None`: `usual_acquisition`.
        seed: Of what is drawn at random.
        output: Folder of `suggest.csv`, `suggest.html` and `scores.jsonl`.
        package: Kinds of packages for annotators, a list or one text with commas, keys of
            `PACKAGES`; each becomes a folder of its name in `output`.
        reading: Values for `ReadingSettings`.
        device: Where networks run, if `model` is none that is loaded.
        on_case: Called after each candidate with the number done and the number of all.
        on_failure: Called with the sentence of each candidate that cannot be read.

    Raises:
        SettingsError: If the acquisition is unknown, or asks for a model or a corrector that is
            not there; or if a package is unknown or cannot hold such data.
        DataError: If there is no candidate, or none can be read.
        RunFolderError: If the folder cannot be written, or another process is at work on it.

    Example:
        >>> from ecs_med.acquisition.suggest import suggest
        >>> report = suggest(folder, run, count=2, by="random")
        >>> [one.rank for one in report.suggestions]
        [1, 2]
    """
    data, output = Path(data), Path(output)
    if model is not None and not isinstance(model, Model):
        model = load_model(model, device)
    kind = _checked(by or usual_acquisition(model), model, count)
    found = find_candidates(data, None if model is None else model.run, reading)
    packing = Packing.planned(package, output, model, found.cases, found.labels, reading)
    looker = looker_for(kind.needs, model, model.device if model else choose_device(device))
    with hold_folder(output):
        own_names = {TABLE, PAGE, FAILURES, SCORES, LOCK_NAME, *PACKAGES.names()}
        whole = claim_folder(output, own_names)
        looks, failures = _look(found.cases, looker, output / SCORES, on_case, on_failure)
        cases = _distinct(found.cases, looks)
        names = model.spec.class_names if model else ()
        seen = [looks[case.id] for case in cases]
        pool = Pool(cases, seen, count, seed, names, found.num_labeled)
        acquisition = kind(pool)
        chosen = choose(acquisition)
        packed = packing and packing.write([cases[index] for index in chosen])
        report = SuggestionReport(
            data=data,
            model=None if model is None else model.run,
            by=kind.name,
            output=output,
            suggestions=_described(acquisition, chosen, data),
            num_candidates=len(cases),
            num_patients=_num_patients(cases),
            notes=(
                *found.notes,
                *_notes(acquisition, len(chosen), len(looks) - len(cases)),
                *(packed.notes if packed else ()),
            ),
            packages=packed.folders if packed else {},
            failures=failures,
        )
        written = write_report(report, acquisition, _pictures(model, pool, chosen))
        if not whole:
            mark_files([*written, output / SCORES])
    return report


def _checked(name: str, model: Model | None, count: int) -> type[Acquisition]:
    """The acquisition of that name, if it can be asked."""
    kind = ACQUISITIONS.get(name)
    if count < 1:
        raise SettingsError(f"`count` is {count}; ask for at least one.")
    if kind.needs in ("model", "corrector") and model is None:
        raise SettingsError(
            f"`by={name}` needs a model; give one by `model`, or use `by=coldstart`."
        )
    if kind.needs == "corrector" and model is not None and not model.has_corrector:
        raise SettingsError(
            f"`by={name}` needs a corrector, and {model.run}, trained with '{model.spec.method}', "
            "has none; use `by=entropy`, or a model of a method that has one."
        )
    return kind


def _look(
    cases: Sequence[Case],
    looker: Looker,
    path: Path,
    on_case: OnCase | None,
    on_failure: OnFailure | None,
) -> tuple[dict[str, Look], dict[str, str]]:
    """Look at every candidate that was not looked at before; what was seen, and what failed."""
    looks: dict[str, Look] = {}
    failures: dict[str, str] = {}
    with Scores.read(path, Look, _FORMAT, looker.source).appending() as scores:
        for number, case in enumerate(cases, start=1):
            fingerprint = files_digest(case.images, case.frame)
            look = scores.of(case.id, fingerprint)
            if look is None:
                try:
                    look = looker(case.without_mask(), fingerprint)
                except DeviceMemoryError:
                    raise
                except (EcsMedError, OSError) as error:
                    failures[case.id] = str(error)
                    if on_failure is not None:
                        on_failure(str(error))
                else:
                    scores.add(look)
            if look is not None:
                looks[case.id] = look
            if on_case is not None:
                on_case(number, len(cases))
    if not looks:
        first = next(iter(failures.values()))
        raise DataError(f"None of the {len(cases)} candidates can be read; the first one: {first}")
    return looks, failures


def _distinct(cases: Sequence[Case], looks: Mapping[str, Look]) -> list[Case]:
    """The cases that were seen, of those with the same files the first one alone."""
    first: dict[str, Case] = {}
    for case in cases:
        if case.id in looks:
            first.setdefault(looks[case.id].files or case.id, case)
    return list(first.values())


def _described(
    acquisition: Acquisition, chosen: Sequence[int], data: Path
) -> tuple[Suggestion, ...]:
    cases = acquisition.pool.cases
    return tuple(
        Suggestion(
            rank=rank,
            case=cases[index].id,
            patient=patient_group(cases[index]),
            score=acquisition.score(index),
            reason=acquisition.reason(index),
            files=relative_files(cases[index], data),
            slices=acquisition.pool.looks[index].layers,
        )
        for rank, index in enumerate(chosen, start=1)
    )


def _pictures(model: Model | None, pool: Pool, chosen: Sequence[int]) -> dict[str, dict[str, str]]:
    """Pictures of the suggested cases; what can no longer be read has none."""
    drawer, pictures = drawer_for(model), {}
    for index in chosen:
        case = pool.cases[index]
        try:
            pictures[case.id] = draw_case(drawer, case.without_mask(), pool.looks[index])
        except (EcsMedError, OSError):
            continue
    return pictures


def _num_patients(cases: Sequence[Case]) -> int | None:
    known = any(case.patient is not None for case in cases)
    return len({group_key(case) for case in cases}) if known else None


def _notes(acquisition: Acquisition, num_chosen: int, num_copies: int) -> list[str]:
    pool = acquisition.pool
    notes: list[str] = []
    if acquisition.name in _UNPROVEN:
        notes.append(
            f"`by={acquisition.name}` was not shown to be better than a choice at random "
            "(docs/suggest.md); it shows where this model fails."
        )
    if num_chosen < pool.count:
        notes.append(f"{pool.count} were asked for, and there are only {num_chosen} candidates.")
    if num_copies:
        notes.append(f"Copies of another candidate, which are not suggested: {num_copies}.")
    blank = sum(not look.foreground for look in pool.looks)
    if acquisition.needs == "corrector" and 2 * blank > len(pool.looks):
        notes.append(
            f"The model draws nothing in {blank} of {len(pool.looks)} candidates, of which "
            f"`by={acquisition.name}` can say little; `by=entropy` or `by=coldstart` may serve "
            "better."
        )
    return notes
