"""From listed cases to a collection: partitions, patients, and what is told of them all."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ecs_med.config import ReadingSettings
from ecs_med.data.readers import available_readers, read_header, reader_of
from ecs_med.errors import DataError, SettingsError, UnreadableFileError
from ecs_med.types import Case, CaseCollection, DeclaredLabels, Partition, Problem
from ecs_med_datasets.accounting import account
from ecs_med_datasets.naming import EXPECTED, PARTITION_NAMES
from ecs_med_datasets.patients import find_patients

__all__ = ["collect", "collection_of", "partition_of", "settle_partitions"]

_OF_SERIES = ("dicom", "listing")
"""Layouts in which a slice of a DICOM series is never taken for a case, or only if it is named."""


_EXPECTED_MASKS = {
    "dicom": "DICOM SEG, RTSTRUCT or NIfTI in the folders of their series",
    "video": "masks/exam1/000123.png for frame 123 of videos/exam1.mp4",
}


def collection_of(
    root: Path,
    layout: str,
    cases: Sequence[Case],
    problems: Sequence[Problem],
    labels: DeclaredLabels | None = None,
) -> CaseCollection:
    """The cases of a folder, which gives the data set its name, as `collect` takes them.

    Args:
        root: The folder.
        layout: Name of the layout.
        cases: With the partitions that folders name, see `settle_partitions`.
        problems: What went wrong so far.
        labels: Classes as the data set declares them.
    """
    return CaseCollection(
        name=root.resolve().name or "data",
        root=root,
        layout=layout,
        cases=settle_partitions(cases),
        labels=labels,
        problems=tuple(problems),
    )


def collect(
    found: CaseCollection,
    settings: ReadingSettings,
    structural: Collection[str],
    *,
    folder: Path | None = None,
    column: Mapping[str, str] | None = None,
    accounted: bool = True,
) -> CaseCollection:
    """Sort the cases of a layout, fill in their patients, and say what is not used or unlabelled.

    Args:
        found: Its cases have no patients yet.
        settings: `settings.patient` is the rule.
        structural: Lower-case folder names that belong to the layout (`images`, `train`)
            and are nobody's patient.
        folder: Below which patterns are searched; `None`: `found.root`.
        column: Patient by case id, from a list that has such a column; `None` where it has none.
        accounted: Whether files that are no part of any case are told.

    Returns:
        The same with what was found out about patients and about files that are not used.

    Raises:
        SettingsError: If the rule is unknown, its pattern is not a regular expression with exactly
            one group, or `mask_folder` is set for a layout that has no such folder.
        DataError: If the rule applies to no case at all, or cases are slices of DICOM series.
    """
    if settings.mask_folder is not None and found.layout != "folder":
        raise SettingsError(
            f"`mask_folder` does not apply to the layout {found.layout}; leave it out, or say"
            " `layout=folder`."
        )
    if found.layout not in _OF_SERIES:
        _refuse_slices(found)
    cases = sorted(found.cases, key=lambda case: case.id)
    root = folder or found.root
    patients = find_patients(cases, root, settings.patient, structural, column)
    if patients.names:
        pairs = zip(cases, patients.names, strict=True)
        cases = [replace(case, patient=name) for case, name in pairs]
    problems = [*found.problems, *patients.problems]
    if accounted:
        problems += account(found.root, cases, problems)
    problems += _labeling_problems(cases, found)
    return replace(found, cases=tuple(cases), problems=tuple(dict.fromkeys(problems)))


def _refuse_slices(found: CaseCollection) -> None:
    """Refuse slices of a DICOM series as cases: the series is one."""
    reader = available_readers().get("dicom")
    for case in found.cases:
        if reader is None or reader_of(case.images) is not reader:
            continue
        try:
            is_slice = read_header(case.images, case.frame).is_volume
        except UnreadableFileError:
            continue  # told when it is examined
        if is_slice:
            raise DataError(
                f"{case.images[0]}: is a slice of a DICOM series, no case by itself; give the "
                "folder with `layout=dicom`, where masks are DICOM SEG, RTSTRUCT or NIfTI."
            )


def partition_of(relative: str) -> Partition | None:
    """The partition that the first fitting folder of a path names.

    Example:
        >>> partition_of("val/images")
        'validation'
    """
    for part in relative.lower().split("/"):
        if part in PARTITION_NAMES:
            return PARTITION_NAMES[part]
    return None


def settle_partitions(cases: Sequence[Case]) -> tuple[Case, ...]:
    """Make the partitions of a data set one statement.

    Where validation or test is given, unlabelled images outside of all
    partitions serve training. Where `train` is all that is given, nothing was
    held back yet and the partition says nothing, so it is dropped.
    """
    if not {"validation", "test"} & {case.partition for case in cases}:
        return tuple(replace(case, partition=None) if case.partition else case for case in cases)
    return tuple(
        replace(case, partition="train") if case.mask is None and not case.partition else case
        for case in cases
    )


def _labeling_problems(cases: Sequence[Case], found: CaseCollection) -> list[Problem]:
    """Say how many cases are unlabelled; an error if all of them are."""
    root = found.root
    num_unlabeled = sum(case.mask is None for case in cases)
    if num_unlabeled == len(cases):
        expected = _EXPECTED_MASKS.get(found.layout, EXPECTED)
        remedy = f"To train, add masks: {expected}"
        return [Problem("error", f"{len(cases)} image(s) and not one mask", remedy, root)]
    note = f"{num_unlabeled} of {len(cases)} images have no mask and count as unlabelled"
    return [Problem("note", note, path=root)] if num_unlabeled else []
